"""The chat cases: people at many paces and moods, and floods of many shares and disguises."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from training.cases.draw import Draw
from training.cases.lines import SPAM, disguises
from training.cases.moods import FURTHER, MOODS, Mood, Said, account, around, people


@dataclass(frozen=True, slots=True)
class Chat:
    said: list[Said]
    duration_s: float
    from_s: float | None = None
    """When the flood begins; `None`: there is none."""
    to_s: float | None = None


def _clean(mood: Mood) -> Callable[[Draw], Chat]:
    def make(draw: Draw) -> Chat:
        rng = random.Random(draw.seed)
        duration_s = draw.between((200, 300), (200, 360))
        said = around(draw, rng, duration_s) + list(mood(draw, rng, duration_s))
        return Chat([one for one in said if one[0] < duration_s], duration_s)

    return make


@dataclass(frozen=True, slots=True)
class Flood:
    """How the bots of a case work."""

    disguise: str
    """What is done to the text: a key of `lines.disguises()`."""
    per_s_dev: tuple[float, float] = (1.5, 6.0)
    per_s_test: tuple[float, float] = (1.2, 9.0)
    chat_per_s: float | None = None
    """How busy the chat around it is; `None`: any."""

    def __call__(self, draw: Draw) -> Chat:
        rng = random.Random(draw.seed)
        from_s = draw.between((40, 80), (30, 90))
        to_s = from_s + draw.between((20, 40), (16, 50))
        duration_s = to_s + 20.0
        others = (
            around(draw, rng, duration_s)
            if self.chat_per_s is None
            else people(rng, per_s=self.chat_per_s, duration_s=duration_s)
        )
        mood = draw.one_of(MOODS[:2], FURTHER)
        others += mood(draw, rng, duration_s)
        per_s = draw.log_between(self.per_s_dev, self.per_s_test)
        names = [account(rng) for _ in range(int(draw.log_between((6, 30), (4, 60))))]
        texts = rng.sample(SPAM, draw.one_of((1, 1, 2), (1, 2, 3)))
        vary = disguises()[self.disguise]
        at_s = from_s
        while at_s < to_s:
            others.append((at_s, rng.choice(names), vary(rng, rng.choice(texts))))
            at_s += rng.expovariate(per_s)
        return Chat([one for one in others if one[0] < duration_s], duration_s, from_s, to_s)


FLOODS: Mapping[str, Callable[[Draw], Chat]] = {
    "flood_plain": Flood("none"),
    "flood_look_alike": Flood("look_alike"),
    "flood_invisible": Flood("invisible"),
    "flood_edits": Flood("edits"),
    "flood_tails": Flood("tails"),
    "flood_templates": Flood("templates"),
    "flood_all": Flood("all"),
    "flood_thin": Flood("all", (2.5, 4.0), (2.0, 5.0), chat_per_s=100.0),
    "flood_slow": Flood("all", (0.6, 1.0), (0.5, 1.0)),
}
CLEAN: Mapping[str, Callable[[Draw], Chat]] = {
    f"chat_{mood.__name__}": _clean(mood) for mood in FURTHER
}
