"""Makes chats for tests and says what chat_flood makes of them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable

from streammon.core.types import ChatMessage, DetectionResult, Modality, StreamId
from streammon.detectors.chat_flood import ChatFloodConfig
from streammon.windows.sliding import make_windower

CHAT = StreamId("chat")
Said = tuple[float, str, str]
"""When, by whom, what."""

WORDS = re.findall(
    r"\w+",
    "river bridge harbour winter camera goal coffee train window garden music budget question "
    "answer market signal engine island paper summer kitchen letter doctor planet shadow silver "
    "yellow number corner village thunder castle farmer basket copper velvet rocket",
)


def talk(
    rng: random.Random, *, duration_s: float, per_s: float = 3.0, people: int = 60
) -> list[Said]:
    """Lines that have nothing in common, from people who speak more than once."""
    count = int(duration_s * per_s)
    return [
        (
            rng.uniform(0, duration_s),
            f"p{rng.randrange(people)}",
            " ".join(rng.sample(WORDS, rng.randint(3, 9))),
        )
        for _ in range(count)
    ]


def messages(said: Iterable[Said], *, stream: StreamId = CHAT) -> list[ChatMessage]:
    ordered = sorted(said, key=lambda line: line[0])
    return [
        ChatMessage(stream, seq, at_s, round(at_s * 1e9), author, text, f"m{seq}")
        for seq, (at_s, author, text) in enumerate(ordered)
    ]


def judged(said: Iterable[Said], **settings: object) -> list[DetectionResult]:
    """What chat_flood says of each window."""
    detector = ChatFloodConfig.model_validate(settings).build("chat_flood")
    windower = make_windower(CHAT, Modality.TEXT, detector.inputs[Modality.TEXT])
    return [
        result
        for message in messages(said)
        for window in windower.push(message)
        for result in detector.score([window])
    ]


def most(results: Iterable[DetectionResult]) -> float:
    return max((result.confidence or 0.0 for result in results), default=0.0)
