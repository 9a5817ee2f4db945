"""The chat cases: people at many paces and moods, and floods of many shares and disguises."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from training.cases.draw import Draw
from training.cases.lines import EMOTES, GREETINGS, HYPE, PASTE, RAIDS, SPAM, a_line, disguises

Said = tuple[float, str, str]
"""When, by whom, what."""


@dataclass(frozen=True, slots=True)
class Chat:
    said: list[Said]
    duration_s: float
    from_s: float | None = None
    """When the flood begins; `None`: there is none."""
    to_s: float | None = None


def _account(rng: random.Random) -> str:
    return f"viewer-{rng.randrange(16**8):08x}"


def people(rng: random.Random, *, per_s: float, duration_s: float) -> list[Said]:
    """Talk and reactions; few accounts say much, most say little."""
    names = [_account(rng) for _ in range(max(12, int(25 * per_s)))]
    said: list[Said] = []
    at_s, cheer_until_s = 0.0, 0.0
    while (
        at_s := at_s + rng.expovariate(per_s * (2.0 if at_s < cheer_until_s else 0.9))
    ) < duration_s:
        if rng.random() < 0.02 / per_s:
            cheer_until_s = at_s + rng.uniform(3, 8)
        reacts = rng.random() < (0.7 if at_s < cheer_until_s else 0.25)
        text = rng.choice(EMOTES + HYPE) if reacts else a_line(rng)
        name = names[min(int(rng.paretovariate(0.7)) - 1, len(names) - 1)]
        said.append((at_s, name if rng.random() < 0.5 else rng.choice(names), text))
    return said


def _base(draw: Draw, rng: random.Random, duration_s: float) -> list[Said]:
    return people(rng, per_s=draw.log_between((1.5, 25), (0.8, 60)), duration_s=duration_s)


def _spread(rng: random.Random, count: int, from_s: float, over_s: float) -> Iterator[float]:
    """So many moments, dense at first: how a crowd joins in."""
    return (from_s + over_s * rng.random() ** 1.6 for _ in range(count))


def busy(draw: Draw, rng: random.Random, duration_s: float) -> Iterator[Said]:
    """Nothing but talk."""
    yield from ()


def hype(draw: Draw, rng: random.Random, duration_s: float) -> Iterator[Said]:
    """Moments in which everybody types the same short thing, some again and again."""
    for _ in range(int(duration_s // 25)):
        from_s, word = rng.uniform(0, duration_s - 10), rng.choice(HYPE + EMOTES)
        names = [_account(rng) for _ in range(int(draw.log_between((15, 150), (10, 300))))]
        for at_s in _spread(rng, int(1.6 * len(names)), from_s, draw.between((3, 8), (2, 12))):
            text = " ".join([word] * rng.choice((1, 1, 1, 2, 3, 5)))
            yield at_s, rng.choice(names), text if rng.random() < 0.7 else text.lower()


def raid(draw: Draw, rng: random.Random, duration_s: float) -> Iterator[Said]:
    """Viewers of another stream arrive, greet, and paste the call of their host once."""
    from_s, call = rng.uniform(0.2, 0.6) * duration_s, rng.choice(RAIDS)
    for at_s in _spread(rng, int(draw.log_between((12, 60), (8, 90))), from_s, 12.0):
        name, host = _account(rng), f"host{rng.randrange(9)}"
        if rng.random() < 0.45:
            yield at_s, name, call
        else:
            yield at_s, name, rng.choice(GREETINGS).format(host=host)
        while rng.random() < 0.6:
            at_s += rng.uniform(3, 25)
            yield at_s, name, a_line(rng)


def copypasta(draw: Draw, rng: random.Random, duration_s: float) -> Iterator[Said]:
    """One long joke, pasted by some, once or twice, word for word or with a word of their own."""
    for paste in rng.sample(PASTE, 2):
        from_s = rng.uniform(0, 0.7) * duration_s
        for at_s in _spread(rng, int(draw.log_between((4, 14), (3, 22))), from_s, 25.0):
            name = _account(rng)
            yield at_s, name, paste if rng.random() < 0.85 else f"{paste} {rng.choice(EMOTES)}"
            for _ in range(rng.randrange(1, 4)):
                yield rng.uniform(0, duration_s), name, a_line(rng)


def bots(draw: Draw, rng: random.Random, duration_s: float) -> Iterator[Said]:
    """Announcements of the channel's own bots, and people who call them with commands."""
    for bot in range(rng.randrange(1, 4)):
        text = rng.choice(PASTE)[:90] + " | !socials"
        at_s, every_s = rng.uniform(0, 20), draw.between((20, 60), (12, 90))
        while at_s < duration_s:
            yield at_s, f"bot-{bot}", text
            at_s += every_s
    from_s, command = rng.uniform(0, 0.6) * duration_s, rng.choice(("!join", "!guess", "!drop"))
    for at_s in _spread(rng, int(draw.log_between((15, 80), (10, 120))), from_s, 30.0):
        number = f" {rng.randrange(100, 2000)}" if command == "!guess" else ""
        yield at_s, _account(rng), command + number


Mood = Callable[[Draw, random.Random, float], Iterator[Said]]
MOODS: tuple[Mood, ...] = (busy, hype, raid, copypasta, bots)


def _clean(mood: Mood) -> Callable[[Draw], Chat]:
    def make(draw: Draw) -> Chat:
        rng = random.Random(draw.seed)
        duration_s = draw.between((200, 300), (200, 360))
        said = _base(draw, rng, duration_s) + list(mood(draw, rng, duration_s))
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
        around = (
            _base(draw, rng, duration_s)
            if self.chat_per_s is None
            else people(rng, per_s=self.chat_per_s, duration_s=duration_s)
        )
        mood = draw.one_of(MOODS[:2], MOODS)
        around += mood(draw, rng, duration_s)
        per_s = draw.log_between(self.per_s_dev, self.per_s_test)
        names = [_account(rng) for _ in range(int(draw.log_between((6, 30), (4, 60))))]
        texts = rng.sample(SPAM, draw.one_of((1, 1, 2), (1, 2, 3)))
        vary = disguises()[self.disguise]
        at_s = from_s
        while at_s < to_s:
            around.append((at_s, rng.choice(names), vary(rng, rng.choice(texts))))
            at_s += rng.expovariate(per_s)
        return Chat([one for one in around if one[0] < duration_s], duration_s, from_s, to_s)


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
    f"chat_{mood.__name__}": _clean(mood) for mood in MOODS
}
