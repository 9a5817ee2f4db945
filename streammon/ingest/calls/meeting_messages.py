"""What a Recall.ai bot sends of a meeting over its real-time WebSocket. Pure.

docs.recall.ai/docs/real-time-event-payloads: one JSON object per message, sound as 16-bit
little-endian PCM at 16 kHz in one channel, pictures as PNG, both in Base64, per participant.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from streammon.ingest.calls.phone_messages import MOST_ID, BadMessage

RATE_HZ = 16_000
MOST_SOUND_BYTES = 10 * 2 * RATE_HZ
MOST_PICTURE_BYTES = 1_500_000
MOST_TIME_S = 1e6
SOUND, PICTURE = "audio_separate_raw.data", "video_separate_png.data"


@dataclass(frozen=True, slots=True)
class Person:
    """Whose it is."""

    number: int
    """Recall's id of the participant, of this meeting only."""
    name: str
    """As the person chose it: nothing to trust, nothing to log."""


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    meeting: str
    person: Person
    at_s: float
    """Since the recording began."""
    samples: NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    meeting: str
    person: Person
    at_s: float
    png: bytes
    shows: Literal["webcam", "screenshare"]


@dataclass(frozen=True, slots=True)
class Other:
    """Something that changes nothing here: joins, transcripts, what is added later."""

    event: str


Message: TypeAlias = Sound | Picture | Other


def parse(text: str | bytes) -> Message:
    """One message. Raises `BadMessage`, whose text holds nothing of it."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessage("not JSON") from None
    event = said.get("event") if isinstance(said, dict) else None
    if not isinstance(event, str):
        raise BadMessage("no event")
    if event not in (SOUND, PICTURE):
        return Other(event[:64])
    outer = _object(said, "data")
    inner = _object(outer, "data")
    bot = _object(outer, "bot").get("id")
    if not isinstance(bot, str) or not 0 < len(bot) <= MOST_ID:
        raise BadMessage("no bot")
    person, at_s = _person(_object(inner, "participant")), _time(_object(inner, "timestamp"))
    if event == SOUND:
        pcm = _bytes(inner, MOST_SOUND_BYTES)
        if len(pcm) % 2:
            raise BadMessage("half a sample")
        samples = np.frombuffer(pcm, "<i2").astype(np.int16, copy=False)
        return Sound(bot, person, at_s, samples)
    shows = inner.get("type", "webcam")
    if shows not in ("webcam", "screenshare"):
        raise BadMessage("neither a webcam nor a shared screen")
    return Picture(bot, person, at_s, _bytes(inner, MOST_PICTURE_BYTES), shows)


def _object(said: dict[str, Any], name: str) -> dict[str, Any]:
    value = said.get(name)
    if not isinstance(value, dict):
        raise BadMessage(f"no {name}")
    return value


def _person(said: dict[str, Any]) -> Person:
    number, name = said.get("id"), said.get("name")
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**53:
        raise BadMessage("no participant")
    shown = name[:200] if isinstance(name, str) else ""
    return Person(number, "".join(each for each in shown if each.isprintable())[:40].strip())


def _time(said: dict[str, Any]) -> float:
    at_s = said.get("relative")
    if isinstance(at_s, bool) or not isinstance(at_s, int | float):
        raise BadMessage("no time")
    if not (math.isfinite(at_s) and 0 <= at_s <= MOST_TIME_S):
        raise BadMessage("a time that cannot be")
    return float(at_s)


def _bytes(said: dict[str, Any], most: int) -> bytes:
    text = said.get("buffer")
    if not isinstance(text, str) or len(text) > most * 4 // 3 + 4:
        raise BadMessage("no buffer, or one that is too large")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise BadMessage("a buffer that is not Base64") from None
