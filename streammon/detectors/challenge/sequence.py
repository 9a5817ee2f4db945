"""What is asked of the caller: an order of colours, a gesture, a phrase. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

STEPS = 16
STEP_S = 0.7
"""At most one and a half changes a second: below the three flashes a second that WCAG 2.3 sets."""

COLOURS: tuple[tuple[int, int, int], ...] = (
    (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0),
)  # fmt: skip
"""Which of the screen's red, green and blue are on. No black and no white: cameras adapt to
brightness, and what they do about it looks alike whatever was shown."""

GESTURES = (
    "turn your head slowly to your left and back",
    "turn your head slowly to your right and back",
    "pass your open hand slowly before your face",
    "touch the tip of your nose with one finger",
    "cover one eye with your hand for a moment",
    "lay your hand on your cheek for a moment",
)
WORDS = (
    "amber", "anchor", "apple", "basket", "blanket", "bridge", "butter", "candle", "carpet",
    "castle", "cherry", "copper", "cotton", "desert", "dragon", "engine", "feather", "finger",
    "forest", "garden", "hammer", "harbour", "island", "jacket", "kitchen", "ladder", "lemon",
    "magnet", "marble", "meadow", "mirror", "mountain", "needle", "orange", "paper", "pencil",
    "pepper", "pillow", "planet", "pocket", "rabbit", "river", "rocket", "saddle", "silver",
    "spider", "summer", "table", "thunder", "ticket", "tiger", "tunnel", "velvet", "village",
    "violin", "walnut", "whistle", "window", "winter", "yellow",
)  # fmt: skip
PHRASE_WORDS = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """One challenge."""

    colours: tuple[int, ...]
    """Indices into `COLOURS`, `STEPS` of them; no two neighbours are the same."""
    gesture: str
    phrase: str


def draw(random: Random) -> Asked:
    """A challenge. For a real one `random` is the system's (`secrets.SystemRandom`)."""
    return Asked(
        colours=order(random, STEPS),
        gesture=random.choice(GESTURES),
        phrase=" ".join(random.sample(WORDS, PHRASE_WORDS)),
    )


def order(random: Random, steps: int) -> tuple[int, ...]:
    """A random order in which no colour follows itself."""
    drawn = [random.randrange(len(COLOURS))]
    while len(drawn) < steps:
        drawn.append((drawn[-1] + random.randrange(1, len(COLOURS))) % len(COLOURS))
    return tuple(drawn)


def css(colour: int) -> str:
    """The colour as a page writes it."""
    return "#" + "".join("ff" if lit else "00" for lit in COLOURS[colour])


def words_said(phrase: str, heard: Sequence[str]) -> float:
    """The share of the phrase's words that were heard in its order, 0..1; between them may be
    others. `heard`: lines of a transcript, oldest first.
    """
    asked = phrase.casefold().split()
    said = [
        "".join(each for each in word if each.isalpha())
        for line in heard
        for word in line.casefold().split()
    ]
    lengths = [0] * (len(asked) + 1)
    for word in said:
        before = 0
        for at, wanted in enumerate(asked, 1):
            kept = lengths[at]
            lengths[at] = before + 1 if word == wanted else max(lengths[at], lengths[at - 1])
            before = kept
    return lengths[-1] / len(asked)
