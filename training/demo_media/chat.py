"""The chat of the demo: lines written for it, dealt to made-up accounts at made-up moments."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLEAN_S, FLOOD_S = 90.0, 90.0
FLOOD_FROM_S, FLOOD_TO_S = 30.0, 62.0
MESSAGES_PER_S = 3.0
PEOPLE, BOTS = 64, 14

LINES = (
    "anyone else getting buffering or is it just me",
    "just got here, what did i miss",
    "that camera angle is so much better than last week",
    "ok the audio is way clearer today",
    "how long has she been on already?",
    "greetings from Lisbon, it is raining sideways here",
    "wait go back to the second chart please",
    "my cat walked over the keyboard, sorry for the wall of letters",
    "i watched the vod yesterday, the part about the bridge was great",
    "is there a transcript somewhere?",
    "the presenter talks faster than my grandmother and that says a lot",
    "can we get the link to the report again",
    "I disagree with the last speaker but nicely put",
    "somebody clip that",
    "first time watching live, this is fun",
    "who is the guest tonight",
    "they should invite the harbour engineer again",
    "its 3am here and i have an exam tomorrow, no regrets",
    "mods are you awake",
    "that was not the question he asked lol",
    "timestamps for the budget part anyone?",
    "the volume dips whenever she turns her head",
    "does the newsletter come out on fridays or mondays",
    "i made soup, it is bad",
    "we had the same problem in our town, took four years to fix",
    "source for the 12 percent figure?",
    "page 40 of the annex, second table",
    "thank you!! found it",
    "my stream is ten seconds behind yours",
    "refresh helps, did it for me",
    "what a save",
    "the left goal always gets the good light",
    "ref needs glasses",
    "no way that was offside, look at his foot",
    "he was level, replay shows it",
    "halftime snacks report: crisps and regret",
    "number 9 is carrying this team",
    "both sides look tired now",
    "substitution when??",
    "why is the clock purple",
    "new overlay looks neat",
    "could you say the name of the book once more",
    "The Quiet Harbour, I think, by Maren something",
    "is this the one with the lighthouse",
    "yes! chapter three made me cry on a bus",
    "hello from the night shift",
    "hospital or bakery?",
    "bakery, the bread waits for nobody",
    "respect",
    "what microphone is that",
    "sounds like a dynamic one, no room echo at all",
    "anyone up for a watch party on saturday",
    "i can do saturday after six",
    "count me in if there is pizza",
    "the subtitles said 'goat voting' instead of 'vote going' hahaha",
    "goat voting is the future",
    "democracy for goats",
    "ok i need to sleep, night all",
    "night! the best part is always after people leave",
    "please stop spoiling the ending in chat",
    "is there a break soon, my tea is cold",
    "turn on slow mode?",
    "nah chat is fine today",
    "love the plants in the background",
    "are those real plants",
    "the big one moved so either wind or magic",
    "how do i change the video quality on mobile",
    "gear icon, bottom right",
    "thanks, it was hiding behind my thumb",
    "that explanation finally made it click for me",
    "same, three years of school and now i get it",
    "why did they cut away from the river camera",
    "camera two has the better view anyway",
    "anyone know the song at the start?",
    "pretty sure it is made by the sound guy himself",
    "give the sound guy a raise",
    "question for the guest: what would you do differently",
    "good question, hope they read it",
    "they read mine last week, i screamed",
    "is it just me or does the map have north on the left",
    "north is up, the river fools you",
)

REACTIONS = (
    "LUL",
    "gg",
    "lol",
    "KEKW",
    "haha",
    "yes",
    "nice",
    "wow",
    "F",
    "Pog",
    "gg wp",
    "o7",
    "LMAO",
    "❤️",
    "👏👏👏",
    "+1",
    "true",
    "W",
)

PASTA = (
    "I came for the weather report and stayed for the goats, please tell my family I am happy here"
)

FLOOD = (
    "Claim your free {prize} before midnight at stream-gift dot example, first 500 viewers only",
    "Claim your free {prize} before midnight at stream-gift dot example - first 500 viewers only!!",
    "claim YOUR free {prize} before midnight at stream-gift dot example, only first 500 viewers",
)
PRIZES = ("gift card", "gift cards", "giftcard")
LOOK_ALIKES = str.maketrans("aeopcxi", "\u0430\u0435\u043e\u0440\u0441\u0445\u0456")
ZERO_WIDTH = ("\u200b", "\u200c", "\u2060")


@dataclass(frozen=True)
class Line:
    captured_s: float
    author_id: str
    text: str


def write_clean(path: Path) -> dict[str, Any]:
    _write(path, people(random.Random(21), duration_s=CLEAN_S))
    return {"duration_s": CLEAN_S, "expected": []}


def write_flood(path: Path) -> dict[str, Any]:
    rng = random.Random(22)
    lines = [*people(rng, duration_s=FLOOD_S), *bots(rng)]
    _write(path, lines)
    wanted = {"kind": "chat_flood", "from_s": FLOOD_FROM_S, "to_s": FLOOD_TO_S}
    return {"duration_s": FLOOD_S, "expected": [wanted]}


def people(rng: random.Random, *, duration_s: float) -> Iterator[Line]:
    """Talk, short reactions in bursts, and one joke that a few people paste on purpose."""
    names = [f"viewer-{rng.randrange(16**6):06x}" for _ in range(PEOPLE)]
    talk: list[str] = []
    moment_s, cheer_until_s = 0.0, 0.0
    while True:
        moment_s += rng.expovariate(MESSAGES_PER_S * (2.0 if moment_s < cheer_until_s else 0.85))
        if moment_s >= duration_s:
            break
        if rng.random() < 0.012:
            cheer_until_s = moment_s + 4.0
        if rng.random() < (0.8 if moment_s < cheer_until_s else 0.16):
            text = rng.choice(REACTIONS)
        else:
            talk = talk or rng.sample(LINES, len(LINES))
            text = _typed(rng, talk.pop())
        yield Line(moment_s, rng.choice(names), text)
    for name in rng.sample(names, 4):
        yield Line(rng.uniform(40.0, 80.0), name, PASTA)


def _typed(rng: random.Random, text: str) -> str:
    """The same as somebody else would have typed it."""
    change = rng.random()
    if change < 0.15:
        return text.capitalize() + rng.choice((".", "!", " :)"))
    if change < 0.25:
        return f"@{rng.choice(('mod', 'host', 'viewer'))} {text}"
    if change < 0.35 and len(text) > 12:
        at = rng.randrange(3, len(text) - 3)
        return text[:at] + text[at + 1 :]
    return text


def bots(rng: random.Random) -> Iterator[Line]:
    """One text in many disguises, from accounts that say nothing else."""
    names = [f"viewer-{rng.randrange(16**6):06x}" for _ in range(BOTS)]
    moment_s = FLOOD_FROM_S
    while moment_s < FLOOD_TO_S:
        yield Line(moment_s, rng.choice(names), disguised(rng))
        moment_s += rng.uniform(0.2, 0.5)


def disguised(rng: random.Random) -> str:
    """A variant of the flooded text: look-alike letters, zero-width letters, a random tail."""
    text = rng.choice(FLOOD).format(prize=rng.choice(PRIZES))
    if rng.random() < 0.5:
        text = "".join(
            letter.translate(LOOK_ALIKES) if rng.random() < 0.4 else letter for letter in text
        )
    if rng.random() < 0.4:
        for _ in range(3):
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(ZERO_WIDTH) + text[at:]
    if rng.random() < 0.4:
        text += f" {rng.randrange(16**4):04x}"
    return text


def _write(path: Path, lines: Iterable[Line]) -> None:
    rows = (
        {"author_id": line.author_id, "captured_s": round(line.captured_s, 3), "text": line.text}
        for line in sorted(lines, key=lambda line: line.captured_s)
    )
    text = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    path.write_text(text, encoding="utf-8")
