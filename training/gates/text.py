"""The gates of `ai_text`: leave-out scores, and made-up soups that the shipped model never saw."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from streammon.detectors.ai_text import SHIPPED, SHIPPED_SHA256, probability
from streammon.detectors.ai_text_canonical import read
from streammon.detectors.ai_text_gates import Gates
from streammon.detectors.ai_text_model import read_model
from training.ai_text.evaluate import Judge
from training.ai_text.fit import Settings
from training.ai_text.leaveout import SIZES, Scored, read_scores
from training.ai_text.styles import SOUP
from training.gates.table import Asked

TEXTS, CHARACTERS = 300, 550
JUDGED_FROM = 500
SHORT = "100 characters"
EMOTES = (
    "Kappa", "LUL", "PogChamp", "KEKW", "monkaS", "PepeHands", "Sadge", "OMEGALUL", "catJAM",
    "FeelsBadMan", "5Head",
)  # fmt: skip
CHATTER = (
    "gg",
    "wp",
    "lol nice one",
    "what a play",
    "no way he did that again",
    "go go go",
    "so close",
)
CODE = (
    "for (int i = 0; i < {a}; i++) {{ {b}[i] = {c}({a}); }}",
    "def {b}({a}, {c}=None):\n    return [{a} for {a} in {c} if {a} is not None]",
    "SELECT {a}, COUNT(*) FROM {b} WHERE {c} >= 10 GROUP BY {a};",
    "$ {a} --{b}={c} | grep -v {a} > /tmp/{b}.log 2>&1",
    '<div class="{a}"><a href="/{b}/{c}">{a}</a></div>',
    '{{"{a}": [1, 2, 3], "{b}": {{"{c}": true}}}}',
)
NAMES = (
    "index", "value", "items", "buffer", "offset", "user", "total", "count", "node", "left",
    "right", "cache", "path", "key",
)  # fmt: skip
LANGUAGES: Mapping[str, str] = {
    "Spanish": "hola que tal hoy la partida fue muy buena pero no entiendo por qué perdió el "
    "equipo cuando ya tenía todo ganado y con tanta gente mirando en casa",
    "German": "ich habe heute leider keine zeit aber morgen kann ich gern noch einmal mit euch "
    "spielen wenn der server wieder läuft und nicht alle schon weg sind",
    "French": "je ne sais pas si vous avez vu la même chose que nous hier soir mais c'était "
    "vraiment très beau et tout le monde dans le salon était content",
    "Polish": "nie wiem co się dzisiaj stało ale wszyscy mówili że to był najlepszy mecz jaki "
    "kiedykolwiek widzieli i ja też tak myślę chociaż było już późno",
    "Turkish": "bugün maç çok güzeldi ama ben sonunu göremedim çünkü arkadaşlar geldi ve biz de "
    "birlikte yemek yedik sonra herkes evine gitti",
}


def asked(scores: Path, *, seed: int) -> Iterator[Asked]:
    """`scores`: what `training.ai_text.train` wrote, by models that knew neither domain nor
    machine.
    """
    known = read_scores(scores)
    judge = Judge.of(known, tree_share=Settings().tree_share)
    kept = [(one, family) for one in known if (family := _family(one))]
    likely = judge.likely([one for one, _ in kept]).tolist()
    for (one, family), confidence in zip(kept, likely, strict=True):
        gate = "too short" if family == SHORT else _short(one.refusal)
        yield Asked(family, one.machine, gate, confidence)
    yield from _made(seed)


def _family(one: Scored) -> str:
    """What it is; empty: not of the measurement."""
    if one.size == min(SIZES) and not one.style:
        return SHORT
    if one.style in SOUP:
        return "with soup mixed in"
    long_enough = not one.style and one.size >= JUDGED_FROM
    return f"{JUDGED_FROM} characters and more" if long_enough else ""


def _short(refusal: str) -> str | None:
    return "fewer than 25 words" if refusal.startswith("fewer") else refusal or None


def _made(seed: int) -> Iterator[Asked]:
    """People's, or nobody's: no machine writes like this, so all of it is real."""
    model, gates = read_model(SHIPPED, sha256=SHIPPED_SHA256), Gates(0)
    for family, make in MADE.items():
        draw = random.Random(f"{seed}/{family}")
        readings = [read(make(draw)) for _ in range(TEXTS)]
        scores = model.log_odds([one.text for one in readings], [one.typed for one in readings])
        for reading, score in zip(readings, scores.tolist(), strict=True):
            yield Asked(family, False, _short(gates.refusal(reading) or ""), probability(score))


def _filled(draw: random.Random, piece: Callable[[], str]) -> str:
    text = piece()
    while len(text) < CHARACTERS:
        text += draw.choice([" ", "\n"]) + piece()
    return text


def _emotes(draw: random.Random) -> str:
    few = draw.sample(EMOTES, 4)
    return _filled(draw, lambda: draw.choice([*few * 3, *CHATTER, "https://t.example/x"]))


def _code(draw: random.Random) -> str:
    def line() -> str:
        a, b, c = draw.sample(NAMES, 3)
        return draw.choice(CODE).format(a=a, b=b, c=c)

    return _filled(draw, line)


def _chatter(draw: random.Random) -> str:
    return _filled(draw, lambda: draw.choice(CHATTER))


def _in(words: str) -> Callable[[random.Random], str]:
    """Words of a language in any order."""

    def write(draw: random.Random) -> str:
        return _filled(draw, lambda: " ".join(draw.sample(words.split(), 9)))

    return write


MADE: Mapping[str, Callable[[random.Random], str]] = {
    "made: emotes with chatter": _emotes,
    "made: code": _code,
    "made: chatter without emotes": _chatter,
    **{f"made: words of {name}": _in(words) for name, words in LANGUAGES.items()},
}
