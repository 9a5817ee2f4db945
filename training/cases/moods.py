"""What healthy chats are like: people at many paces, and what makes them all say the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from training.cases.draw import Draw
from training.cases.lines import (
    EMOTES,
    GREETINGS,
    HYPE,
    PASTE,
    RAIDS,
    a_line,
    edited,
)

Said = tuple[float, str, str]
"""When, by whom, what."""


def account(rng: random.Random) -> str:
    return f"viewer-{rng.randrange(16**8):08x}"


def people(rng: random.Random, *, per_s: float, duration_s: float) -> list[Said]:
    """Talk and reactions; few accounts say much, most say little."""
    names = [account(rng) for _ in range(max(12, int(25 * per_s)))]
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


def around(draw: Draw, rng: random.Random, duration_s: float) -> list[Said]:
    return people(rng, per_s=draw.log_between((1.5, 25), (0.8, 60)), duration_s=duration_s)


def spread(rng: random.Random, count: int, from_s: float, over_s: float) -> Iterator[float]:
    """So many moments, dense at first: how a crowd joins in."""
    return (from_s + over_s * rng.random() ** 1.6 for _ in range(count))


def busy(draw: Draw, rng: random.Random, duration_s: float) -> Iterator[Said]:
    """Nothing but talk."""
    yield from ()


def hype(draw: Draw, rng: random.Random, duration_s: float) -> Iterator[Said]:
    """Moments in which everybody types the same short thing, some again and again."""
    for _ in range(int(duration_s // 25)):
        from_s, word = rng.uniform(0, duration_s - 10), rng.choice(HYPE + EMOTES)
        names = [account(rng) for _ in range(int(draw.log_between((15, 150), (10, 300))))]
        for at_s in spread(rng, int(1.6 * len(names)), from_s, draw.between((3, 8), (2, 12))):
            text = " ".join([word] * rng.choice((1, 1, 1, 2, 3, 5)))
            yield at_s, rng.choice(names), text if rng.random() < 0.7 else text.lower()


def raid(draw: Draw, rng: random.Random, duration_s: float) -> Iterator[Said]:
    """Viewers of another stream arrive, greet, and paste the call of their host once."""
    from_s, call = rng.uniform(0.2, 0.6) * duration_s, rng.choice(RAIDS)
    for at_s in spread(rng, int(draw.log_between((12, 60), (8, 90))), from_s, 12.0):
        name, host = account(rng), f"host{rng.randrange(9)}"
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
        for at_s in spread(rng, int(draw.log_between((4, 14), (3, 22))), from_s, 25.0):
            name = account(rng)
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
    for at_s in spread(rng, int(draw.log_between((15, 80), (10, 120))), from_s, 30.0):
        number = f" {rng.randrange(100, 2000)}" if command == "!guess" else ""
        yield at_s, account(rng), command + number


def regulars(draw: Draw, rng: random.Random, duration_s: float) -> Iterator[Said]:
    """Copypasta of those who talk here all the time: many of them, some with a twist of their own.

    They talk before and after, as in any chat with a joke of its own.
    """
    said = people(rng, per_s=draw.between((1, 3), (0.7, 5)), duration_s=duration_s)
    yield from said
    names = sorted({name for _, name, _ in said})
    for paste in rng.sample(PASTE, 2):
        from_s = rng.uniform(0.2, 0.8) * duration_s
        many = min(len(names), int(draw.log_between((6, 25), (5, 45))))
        for at_s, name in zip(
            spread(rng, many, from_s, 20.0), rng.sample(names, many), strict=True
        ):
            for again in range(rng.choice((1, 1, 1, 2))):
                text = edited(rng, paste) if rng.random() < 0.3 else paste
                yield at_s + 4 * again, name, text


def poll(draw: Draw, rng: random.Random, duration_s: float) -> Iterator[Said]:
    """The host asks for a 1 or a 2, or for a yes, and very many answer, some more than once."""
    for _ in range(int(duration_s // 80)):
        from_s = rng.uniform(0, duration_s - 25)
        choices = rng.choice(
            (("1", "2"), ("yes", "no"), ("A", "B", "C"), ("team red", "team blue"))
        )
        for at_s in spread(rng, int(draw.log_between((30, 150), (20, 300))), from_s, 20.0):
            name, answer = account(rng), rng.choice(choices)
            for again in range(rng.choice((1, 1, 1, 2, 4))):
                yield at_s + 0.8 * again, name, answer


def giveaway(draw: Draw, rng: random.Random, duration_s: float) -> Iterator[Said]:
    """Who never spoke before enters the draw, perhaps again and again; the bot says how to."""
    from_s = rng.uniform(0.1, 0.6) * duration_s
    command = rng.choice(("!join", "!enter", "!ticket 10", "!enter giveaway"))
    for at_s in spread(rng, int(draw.log_between((30, 120), (20, 250))), from_s, 40.0):
        name = account(rng)
        for again in range(rng.choice((1, 1, 2, 3, 6))):
            yield at_s + rng.uniform(1, 5) * again, name, command
    for number in range(12):
        text = f"Type {command} now to win the keyboard, winners are drawn in {60 - 5 * number} s"
        yield from_s + 4.0 * number, "bot-draw", text


def emotes(draw: Draw, rng: random.Random, duration_s: float) -> Iterator[Said]:
    """Walls of emotes: a row of the same ones, longer and longer, from everybody at once."""
    for _ in range(int(duration_s // 40)):
        from_s, word = rng.uniform(0, duration_s - 12), rng.choice(EMOTES)
        names = [account(rng) for _ in range(int(draw.log_between((10, 60), (8, 120))))]
        for at_s in spread(rng, 2 * len(names), from_s, draw.between((4, 10), (3, 15))):
            yield at_s, rng.choice(names), " ".join([word] * rng.randrange(1, 14))


def bilingual(draw: Draw, rng: random.Random, duration_s: float) -> Iterator[Said]:
    """Half of them write another language, in another alphabet, and some greet in both."""
    words = [
        "привет",
        "это",
        "очень",
        "круто",
        "где",
        "звук",
        "сегодня",
        "играем",
        "снова",
        "карта",
        "мост",
        "река",
        "матч",
        "почему",
    ]
    at_s, names = 0.0, [account(rng) for _ in range(40)]
    while at_s < duration_s:
        at_s += rng.expovariate(draw.between((0.8, 3), (0.5, 6)))
        text = " ".join(rng.sample(words, rng.randrange(1, 7)))
        if rng.random() < 0.15:
            text = rng.choice(("hello / привет всем", "good evening, добрый вечер", f"gg {text}"))
        yield at_s, rng.choice(names), text


Mood = Callable[[Draw, random.Random, float], Iterator[Said]]
MOODS: tuple[Mood, ...] = (busy, hype, raid, copypasta, bots)
FURTHER: tuple[Mood, ...] = (*MOODS, regulars, poll, giveaway, emotes, bilingual)
