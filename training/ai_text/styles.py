"""Ways of rewriting a text as somebody would type it who does not want to read like a machine.

Each family is made of operations of its own, so that a model trained with some of them can be
tested on another. They are rules, not language models: what they cannot do is to think of other
things to say, which a persona that is prompted well would.

`FAMILIES` are for training; `UNSEEN` is never trained on in the shipped model and shows what a
style that nobody thought of may do. `formal` goes the other way, for people's text.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping

Style = Callable[[str, random.Random], str]

_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_WORD = re.compile(r"[A-Za-z']+")
_NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj",
    "i": "uo", "j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o", "q": "w",
    "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc", "y": "tu",
    "z": "x",
}  # fmt: skip


def _replaced(
    text: str, words: Mapping[str, str], rng: random.Random, *, share: float = 0.8
) -> str:
    """Whole words put for others, each with this chance; a capital stays one."""

    def other(found: re.Match[str]) -> str:
        word = found.group()
        new = words.get(word.lower())
        if new is None or rng.random() > share:
            return word
        return new.capitalize() if word[0].isupper() and new else new

    return _WORD.sub(other, text)


def _sentences(text: str) -> list[str]:
    return [part for line in text.split("\n") for part in _SENTENCE.split(line) if part.strip()]


def live_chat(text: str, rng: random.Random) -> str:
    """Short lower-case lines without full stops, and an emote now and then."""
    emotes = ("LUL", "KEKW", "Pog", "PogChamp", "OMEGALUL", "monkaS", "lol", "LMAO", "haha", "xd")
    lines: list[str] = []
    for sentence in _sentences(text):
        words = sentence.lower().split()
        while words:
            size = rng.randint(4, 14)
            lines.append(" ".join(words[:size]).rstrip(".,;:"))
            words = words[size:]
    return "\n".join(
        f"{line} {rng.choice(emotes)}" if rng.random() < 0.12 else line for line in lines if line
    )


_forum_words = {
    "however": "but", "additionally": "also", "furthermore": "plus", "therefore": "so",
    "utilize": "use", "numerous": "a lot of", "essential": "pretty important",
    "significant": "big", "ensure": "make sure", "various": "different", "provide": "give",
    "individuals": "people", "important": "key", "overall": "all in all", "crucial": "huge",
    "enhance": "improve", "regarding": "about", "obtain": "get", "purchase": "buy",
}  # fmt: skip


def forum(text: str, rng: random.Random) -> str:
    """Everyday words, opinions marked as such, trailing dots and asides; case mostly kept."""
    before = ("imo ", "tbh ", "Not gonna lie, ", "Yeah, ", "Well, ", "IIRC ", "FWIW ", "Fair, but ")
    after = (" lol", "...", " imo", " tbh", " (at least for me)", " IMHO", "!!", " :)", " :P")
    parts: list[str] = []
    for sentence in _sentences(_replaced(text, _forum_words, rng)):
        if rng.random() < 0.18:
            sentence = rng.choice(before) + sentence[:1].lower() + sentence[1:]
        if rng.random() < 0.18:
            sentence = sentence.rstrip(".!") + rng.choice(after)
        parts.append(sentence)
    return re.sub(r"\b(\w+)n't\b", lambda m: m[1] + "nt" if rng.random() < 0.4 else m[0],
                  " ".join(parts))  # fmt: skip


_sms_words = {
    "you": "u", "your": "ur", "you're": "ur", "are": "r", "to": "2", "too": "2", "for": "4",
    "before": "b4", "great": "gr8", "thanks": "thx", "please": "pls", "because": "cuz",
    "with": "w", "without": "w/o", "people": "ppl", "right": "rite", "tonight": "2nite",
    "tomorrow": "tmrw", "message": "msg", "about": "abt", "and": "n", "be": "b", "see": "c",
    "why": "y", "what": "wat", "have": "hav", "that": "dat", "the": "da", "know": "kno",
    "okay": "k", "love": "luv", "good": "gd", "from": "frm", "through": "thru", "really": "rly",
    "probably": "prob", "maybe": "mayb", "something": "smth", "someone": "sm1",
}  # fmt: skip


def sms(text: str, rng: random.Random) -> str:
    """Abbreviations, long words without their vowels, little punctuation."""
    text = _replaced(text, _sms_words, rng, share=rng.uniform(0.4, 0.95)).lower()

    def squeezed(found: re.Match[str]) -> str:
        word = found.group()
        if len(word) < 6 or rng.random() > 0.2:
            return word
        return word[0] + re.sub(r"[aeiou]", "", word[1:])

    text = _WORD.sub(squeezed, text).replace("'", "")
    return re.sub(r"[;:,]", "", text).replace(". ", rng.choice((" ", ". ", "\n", " x ")))


def gamer(text: str, rng: random.Random) -> str:
    """Slang between and after sentences, a shouted word, no capitals otherwise."""
    slang = ("bro", "ngl", "fr", "no cap", "gg", "lmao", "dude", "bruh", "lowkey", "deadass", "W",
             "L take", "sheesh", "ez", "pog", "ong", "istg")  # fmt: skip
    parts: list[str] = []
    for sentence in _sentences(text):
        sentence = sentence.rstrip(".").lower().replace("'", "")
        words = sentence.split()
        if words and rng.random() < 0.15:
            at = rng.randrange(len(words))
            words[at] = words[at].upper()
        if rng.random() < 0.3:
            words.insert(0, rng.choice(slang))
        if rng.random() < 0.3:
            words.append(rng.choice(slang))
        parts.append(" ".join(words))
    return rng.choice(("\n", " ", ", ")).join(parts)


_left_out = {
    "the", "a", "an", "i", "i'm", "it's", "it", "is", "are", "am", "was", "were", "that", "have",
    "has", "been", "very", "really", "just", "also", "however", "would", "will", "do", "does",
}  # fmt: skip


def terse(text: str, rng: random.Random) -> str:
    """Telegram style: articles, pronouns and auxiliaries left out, long sentences broken off."""
    parts: list[str] = []
    for sentence in _sentences(text):
        words = [
            word
            for word in sentence.split()
            if word.lower().strip(".,!?") not in _left_out or rng.random() < 0.3
        ]
        if len(words) > 12 and rng.random() < 0.6:
            words = words[: rng.randint(6, 12)]
        parts.append(" ".join(words).rstrip(","))
    text = "\n".join(parts)
    return text if rng.random() < 0.5 else text.lower()


def typos(text: str, rng: random.Random) -> str:
    """Letters swapped, dropped, doubled or hit beside the key; some capitals lost."""
    rate = rng.uniform(0.02, 0.1)

    def slipped(found: re.Match[str]) -> str:
        word = found.group()
        if len(word) < 3 or rng.random() > rate * 5:
            return word
        at = rng.randrange(1, len(word))
        kind = rng.randrange(4)
        if kind == 0:
            return word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :]
        if kind == 1:
            return word[:at] + word[at + 1 :]
        if kind == 2:
            return word[:at] + word[at - 1 :]
        near = _NEIGHBOURS.get(word[at].lower(), word[at])
        return word[:at] + rng.choice(near) + word[at + 1 :]

    text = _WORD.sub(slipped, text)
    return text.lower() if rng.random() < 0.4 else text


def no_punctuation(text: str, rng: random.Random) -> str:
    """All marks gone; often the capitals too."""
    text = re.sub(r"[^\w\s]", "", text)
    return text.lower() if rng.random() < 0.7 else text


_persona_words = {
    "going to": "gonna", "want": "wanna", "kind": "kinda", "yes": "yea", "no": "nope",
    "hello": "heya", "friend": "buddy", "amazing": "sick", "good": "decent", "very": "super",
    "interesting": "wild", "children": "kids", "difficult": "a pain", "understand": "get",
    "enjoy": "dig", "perhaps": "maybe", "definitely": "for sure", "certainly": "sure thing",
    "house": "place", "food": "grub", "money": "cash", "man": "guy", "create": "whip up",
    "discuss": "chat about", "begin": "kick off", "attempt": "give it a go",
}  # fmt: skip


def persona(text: str, rng: random.Random) -> str:
    """A character who talks: fillers, stretched vowels, dropped g's, repeated words, asides."""
    fillers = ("like", "i mean", "you know", "honestly", "uh", "hmm", "anyway", "so yeah",
               "idk", "sorta", "oh man", "wait", "ok so")  # fmt: skip
    parts: list[str] = []
    for sentence in _sentences(_replaced(text, _persona_words, rng)):
        words = re.sub(r"(\w{2,})ing\b", r"\1in", sentence).split()
        if len(words) > 4 and rng.random() < 0.45:
            words.insert(rng.randrange(1, len(words)), f"{rng.choice(fillers)},")
        if words and rng.random() < 0.2:
            at = rng.randrange(len(words))
            words[at] = re.sub(r"([aeiou])", lambda m: m[1] * rng.randint(3, 5), words[at], count=1)
        if words and rng.random() < 0.15:
            words.insert(0, words[0])
        parts.append(" ".join(words).rstrip(".") + rng.choice(("", "", "..", "!", ".", " haha")))
    return "\n".join(part[:1].lower() + part[1:] for part in parts)


def formal(text: str, rng: random.Random) -> str:
    """People's casual lines as tidy sentences: capitals, full stops, apostrophes."""
    words = {"im": "I'm", "dont": "don't", "cant": "can't", "u": "you", "ur": "your", "thx":
             "thanks", "pls": "please", "thats": "that's", "didnt": "didn't", "i": "I"}  # fmt: skip
    lines: list[str] = []
    for line in text.split("\n"):
        line = re.sub(r"\s+([,.!?])", r"\1", _replaced(line.strip(), words, rng, share=1.0))
        if line:
            lines.append(line[0].upper() + line[1:] + ("" if line[-1] in ".!?:" else "."))
    return rng.choice((" ", "\n")).join(lines)


def soup(text: str, rng: random.Random) -> str:
    """Emotes, links and scraps of code among the words, about as many as there are words."""
    things = ("KEKW", "LUL", "PogChamp", "OMEGALUL", "Kappa", "monkaS", "\U0001f602",
              "\U0001f44f\U0001f44f", "\u2764", ":pog:", "www.example.org/a", "@somebody",
              "https://example.com/v?x=1", "foo(x)", "a[i]=b;", "--force", "/etc/rc")  # fmt: skip
    mixed: list[str] = []
    for word in text.split():
        mixed.append(word)
        mixed += rng.choices(things, k=rng.randint(0, 2))
    return " ".join(mixed)


FAMILIES: Mapping[str, Style] = {
    "live_chat": live_chat,
    "forum": forum,
    "sms": sms,
    "gamer": gamer,
    "terse": terse,
    "typos": typos,
    "no_punctuation": no_punctuation,
}
UNSEEN: Mapping[str, Style] = {"persona": persona}
EVERY: Mapping[str, Style] = {**FAMILIES, **UNSEEN}
SOUP: Mapping[str, Style] = {"soup": soup}
"""No way to evade anything: what the gate against soups is measured on."""
