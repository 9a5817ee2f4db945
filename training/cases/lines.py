"""What people and bots of the chat cases write: lines of the project's own, and disguises."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping

from training.demo_media.chat import LINES, LOOK_ALIKES, REACTIONS, ZERO_WIDTH

EMOTES = ("LUL", "KEKW", "Pog", "PogChamp", "monkaS", "peepoClap peepoClap", "❤️❤️", "😂😂😂", "🔥")
HYPE = ("GG", "gg", "GG WP", "LETS GOOO", "W", "F in the chat", "NO WAY", "clip it", *REACTIONS)
GREETINGS = (
    "hi from {host}", "hello everyone, came over with {host}", "{host} raid o/", "hey all!",
    "first time here, {host} sent us", "good evening", "hello hello", "raid hype!",
    "hi! nice stream, following now", "what are we watching", "greetings from {host}'s chat",
)  # fmt: skip
RAIDS = (
    "🚀 ROCKET CREW IS HERE 🚀",
    "HARBOUR RAID <3",
    "the night shift has arrived, hello hello!",
)
PASTE = (
    "I came for the weather report and stayed for the goats, tell my family I am happy here now",
    "my grandmother watches this stream every evening and would like the lamp moved to the left",
    "dear moderator, I did not spam, my cat did, and the cat is very sorry about all of the fish",
    "this is the part where the bridge explains itself and nobody in the room dares to ask",
    "join the supporters' club for early recordings, the newsletter and a badge beside your name",
)
SPAM = (
    "Claim your free gift card before midnight at stream-gift dot example, first 500 viewers only",
    "I made 900 in two days with this simple app, write to cash-coach on messenger to get started",
    "Best viewers and followers cheap and fast, visit grow-my-channel dot example and be famous",
    "The vote is rigged, everyone knows it, share this everywhere before they take it down today",
    "do not buy from this brand, they poison rivers, spread the word and ask them about the lake",
)

_WHO = (
    "the guest",
    "my brother",
    "chat",
    "that goalkeeper",
    "the host",
    "our teacher",
    "nobody",
    "my dog",
    "the sound guy",
    "the other team",
    "this game",
    "the second speaker",
    "my old laptop",
    "everyone",
    "the camera",
    "that bridge",
    "the judge",
    "her sister",
    "the mayor",
    "our bakery",
    "the train",
)
_DOES = (
    "just forgot",
    "really loves",
    "never liked",
    "is waiting for",
    "talks about",
    "broke",
    "wants",
    "should try",
    "cannot find",
    "is afraid of",
    "always sees",
    "has painted",
    "sold",
    "misses",
    "won",
    "would ruin",
    "hides",
    "repaired",
    "does not believe in",
    "explained",
    "is late because of",
)
_WHAT = (
    "the map",
    "a better microphone",
    "those numbers",
    "the last level",
    "breakfast",
    "his own rules",
    "the river",
    "a new overlay",
    "the third question",
    "two goals",
    "the whole budget",
    "winter",
    "the green button",
    "my question",
    "an umbrella",
    "the old song",
    "page forty",
    "a sandwich",
    "the boss fight",
    "the keyboard",
    "a lighthouse",
    "the left wing",
    "some sleep",
    "the lag",
)
_THEN = (
    "",
    "",
    "",
    "",
    "lol",
    "again",
    "today",
    "right now",
    "imo",
    "i think",
    "since monday",
    "haha",
    "and i respect that",
    "?",
    "??",
    "!",
    "but why",
    "in the rain",
    "as usual",
    "on purpose",
    "sadly",
    "for real",
    "at 3am",
    "before the break",
    "while we watch",
)


def a_line(rng: random.Random) -> str:
    """Something that a viewer says."""
    if rng.random() < 0.01:
        return rng.choice(LINES)
    parts = [rng.choice(_WHO), rng.choice(_DOES), rng.choice(_WHAT)]
    if rng.random() < 0.5:
        parts = parts[rng.randrange(2) :] if rng.random() < 0.5 else parts[: rng.randrange(1, 4)]
    if rng.random() < 0.25:
        parts += ["and", rng.choice(_WHO), rng.choice(_DOES), rng.choice(_WHAT)]
    text = " ".join([*parts, rng.choice(_THEN)]).strip()
    if rng.random() < 0.12:
        text = f"@viewer{rng.randrange(400)} {text}"
    return text.capitalize() if rng.random() < 0.3 else text


Disguise = Callable[[random.Random, str], str]


def disguises() -> Mapping[str, Disguise]:
    """What bots do to their text, by name."""
    return {
        "none": lambda rng, text: text,
        "look_alike": _look_alike,
        "invisible": _invisible,
        "edits": edited,
        "tails": _tails,
        "templates": _templates,
        "all": _all,
    }


def _look_alike(rng: random.Random, text: str) -> str:
    return "".join(one.translate(LOOK_ALIKES) if rng.random() < 0.3 else one for one in text)


def _invisible(rng: random.Random, text: str) -> str:
    for _ in range(rng.randrange(1, 5)):
        at = rng.randrange(len(text))
        text = text[:at] + rng.choice(ZERO_WIDTH) + text[at:]
    return text


def edited(rng: random.Random, text: str) -> str:
    """Words left out, doubled or swapped, letters wrong, as in hurried typing."""
    words = text.split()
    for _ in range(rng.randrange(1, 4)):
        at = rng.randrange(len(words) - 1)
        match rng.randrange(4):
            case 0:
                del words[at]
            case 1:
                words[at], words[at + 1] = words[at + 1], words[at]
            case 2:
                words.insert(at, words[at])
            case _:
                words[at] = words[at][::-1][:1] + words[at][1:]
    return " ".join(words)


def _tails(rng: random.Random, text: str) -> str:
    letters = "".join(
        rng.choice("abcdefghkmnpqrstuvwxyz23456789") for _ in range(rng.randrange(4, 9))
    )
    return f"{text} {letters}"


_OPEN = ("", "hey, ", "guys, ", "psst: ", "really: ", "listen, ", "no joke, ", "wow! ")
_CLOSE = ("", " !!", " thank me later", " (not kidding)", " :)", " do it now", " tell your friends")
_SWAPS = {
    "free": ("free", "cost-free", "gratis"), "before": ("before", "until", "by"),
    "simple": ("simple", "easy", "little"), "cheap": ("cheap", "low-priced", "for little"),
    "everyone": ("everyone", "everybody", "we all"), "visit": ("visit", "go to", "see"),
    "today": ("today", "tonight", "now"), "word": ("word", "news", "truth"),
    "viewers": ("viewers", "people", "users"), "fast": ("fast", "quick", "at once"),
}  # fmt: skip


def _templates(rng: random.Random, text: str) -> str:
    """A few slots filled in turn: openings, synonyms, endings."""
    words = [rng.choice(_SWAPS.get(word, (word,))) for word in text.split()]
    return rng.choice(_OPEN) + " ".join(words) + rng.choice(_CLOSE)


def _all(rng: random.Random, text: str) -> str:
    """Several at once, other ones each time."""
    for disguise in (_templates, _look_alike, _invisible, _tails):
        if rng.random() < 0.45:
            text = disguise(rng, text)
    return text
