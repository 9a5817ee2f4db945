"""What Twilio Media Streams and Telnyx media streaming say. Pure.

Twilio: twilio.com/docs/voice/media-streams/websocket-messages. Telnyx:
developers.telnyx.com/api-reference/websockets/stream-call-media-over-websocket. They differ in
spelling alone: `callSid` and `call_control_id`, `mediaFormat` and `media_format`.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

RATE_HZ = 8_000
MOST_PAYLOAD_BYTES = RATE_HZ
"""A second of sound; providers send 20 ms."""
MOST_CHUNK, MOST_TIMESTAMP_MS = 2**31, 2**40
MOST_ID = 200
CODINGS = {"audio/x-mulaw": "mulaw", "PCMU": "mulaw", "PCMA": "alaw"}
TRACKS = ("inbound", "outbound")
_NUMBER = re.compile(r"[0-9]{1,13}")


class BadMessage(ValueError):
    """Not what the documents say. The text holds nothing of the message."""


@dataclass(frozen=True, slots=True)
class Started:
    """Media of this call will come."""

    call_id: str
    """Twilio's `callSid`, Telnyx's `stream_id`: short enough for a name."""
    reference: str
    """What the provider's API calls the call."""
    coding: str


@dataclass(frozen=True, slots=True)
class Media:
    """A piece of one track."""

    track: str
    chunk: int
    timestamp_ms: int
    """Since the stream began."""
    payload: bytes


@dataclass(frozen=True, slots=True)
class Stopped:
    """Nothing more will come."""


@dataclass(frozen=True, slots=True)
class Other:
    """Something that changes nothing here: connected, dtmf, mark, what providers add later."""

    event: str


Message: TypeAlias = Started | Media | Stopped | Other


def parse(text: str | bytes) -> Message:
    """One message of either provider. Raises `BadMessage`."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessage("not JSON") from None
    event = said.get("event") if isinstance(said, dict) else None
    if not isinstance(event, str):
        raise BadMessage("no event")
    if event == "start":
        return _started(said)
    if event == "media":
        return _media(_object(said, "media"))
    return Stopped() if event == "stop" else Other(event[:32])


def _started(said: dict[str, Any]) -> Started:
    start = _object(said, "start")
    shape = start.get("mediaFormat", start.get("media_format"))
    if not isinstance(shape, dict):
        raise BadMessage("no media format")
    coding = CODINGS.get(str(shape.get("encoding")))
    rate_hz = shape.get("sampleRate", shape.get("sample_rate"))
    if coding is None or rate_hz != RATE_HZ or shape.get("channels", 1) != 1:
        raise BadMessage("not mu-law or A-law at 8000 Hz in one channel: ask for PCMU")
    if "callSid" in start:
        return Started(_text(start, "callSid"), _text(start, "callSid"), coding)
    return Started(_text(said, "stream_id"), _text(start, "call_control_id"), coding)


def _media(media: dict[str, Any]) -> Media:
    track = media.get("track", "inbound")
    if track not in TRACKS:
        raise BadMessage("no such track")
    payload = media.get("payload")
    if not isinstance(payload, str) or len(payload) > MOST_PAYLOAD_BYTES * 4 // 3 + 4:
        raise BadMessage("no payload, or more than a second of it")
    try:
        sound = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        raise BadMessage("a payload that is not Base64") from None
    chunk = _count(media, "chunk", MOST_CHUNK)
    return Media(track, chunk, _count(media, "timestamp", MOST_TIMESTAMP_MS), sound)


def _object(said: dict[str, Any], name: str) -> dict[str, Any]:
    value = said.get(name)
    if not isinstance(value, dict):
        raise BadMessage(f"no {name}")
    return value


def _text(said: dict[str, Any], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MOST_ID:
        raise BadMessage(f"no {name}")
    return value


def _count(said: dict[str, Any], name: str, most: int) -> int:
    """A whole number, as JSON has it or as text: providers send text."""
    value = str(said.get(name))
    if not _NUMBER.fullmatch(value) or int(value) > most:
        raise BadMessage(f"no {name}")
    return int(value)
