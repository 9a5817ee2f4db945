"""The one schema that others see: JSON messages, version 1.

Everything that leaves the monitor goes through `to_wire`. The published schema is
`wire.v1.schema.json` beside this file, explained in docs/wire-protocol.md. Wall time is added
here and nowhere else.
"""

from __future__ import annotations

import base64
import json
import math
import numbers
import struct
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeAlias

from streammon.core.ports import Clock, CodedPicture, Coding
from streammon.core.types import (
    Alert,
    DetectionResult,
    Health,
    Meter,
    Outgoing,
    Overlay,
    Region,
    StreamId,
)

VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("wire.v1.schema.json")
IMAGE_TYPE = "image/jpeg"

WireObject: TypeAlias = dict[str, Any]

_STEP_NS = 50_000_000
_HEADER_LENGTH = struct.Struct(">I")


class WallClock:
    """Maps the monitor's monotonic time to wall time.

    The same instant always gives the same text, unless the machine's wall clock was set by more
    than 50 ms meanwhile: then the new wall time is followed.
    """

    def __init__(self, clock: Clock, *, wall_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock = clock
        self._wall_ns = wall_ns
        self._offset_ns = wall_ns() - clock.now_ns()

    def at(self, captured_ns: int) -> str:
        """RFC 3339 in UTC with milliseconds: `2026-11-21T21:37:38.125Z`."""
        offset_ns = self._wall_ns() - self._clock.now_ns()
        if abs(offset_ns - self._offset_ns) > _STEP_NS:
            self._offset_ns = offset_ns
        return rfc3339(captured_ns + self._offset_ns)

    def now(self) -> str:
        return self.at(self._clock.now_ns())


def rfc3339(wall_ns: int) -> str:
    """`wall_ns` since 1970 as text, milliseconds, rounded down."""
    moment = datetime.fromtimestamp(wall_ns // 1_000_000_000, tz=UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{wall_ns // 1_000_000 % 1000:03d}Z"


def kind_of(item: Outgoing) -> str:
    """The `type` that `item` has on the wire."""
    match item:
        case DetectionResult():
            return "result"
        case Alert():
            return "alert"
        case Health():
            return "health"
        case Overlay():
            return "overlay"
        case Meter():
            return "meter"


def to_wire(item: Outgoing, *, wall: WallClock | None) -> WireObject:
    """`item` as the schema has it; for an overlay, its header.

    With `wall=None` (replay) everything that depends on when it ran is left out, so that the
    same input gives the same bytes. Wall times are for people; `media_s` is for order.
    """
    match item:
        case DetectionResult():
            return _result(item, wall)
        case Alert():
            return _alert(item, wall)
        case Health():
            return _health(item, wall)
        case Overlay():
            return _overlay(item, wall)
        case Meter():
            return _meter(item, wall)


def dumps(message: Mapping[str, Any]) -> bytes:
    """Compact UTF-8 JSON with sorted keys, on one line.

    NaN and infinities become null and unpaired surrogates `?`, so that every parser takes it.
    """
    try:
        text = _json(message)
    except (ValueError, TypeError):
        text = _json(_plain(message))
    return text.encode("utf-8", "replace")


def overlay_frame(overlay: Overlay, wall: WallClock | None) -> bytes:
    """A binary message: the header's length (4 bytes, big-endian), the JSON header, the JPEG."""
    return _framed(to_wire(overlay, wall=wall), overlay.jpeg)


def packet_frame(stream: StreamId, picture: CodedPicture) -> bytes:
    """A binary message as of an overlay, with one encoded picture in the JPEG's place."""
    header = _head("packet", stream, picture.media_s) | {
        "epoch": picture.epoch,
        "is_keyframe": picture.is_keyframe,
    }
    return _framed(header, picture.data)


def coding_message(stream: StreamId, coding: Coding) -> str:
    """What a client has to know before the packets of a stream that follow."""
    description = coding.description
    message = _head("coding", stream, coding.media_s) | {
        "epoch": coding.epoch,
        "codec": coding.codec,
        "description": None if description is None else base64.b64encode(description).decode(),
        "width": coding.width,
        "height": coding.height,
        "why_not": coding.why_not,
    }
    return dumps(message).decode()


def _framed(header: WireObject, body: bytes) -> bytes:
    head = dumps(header)
    return b"".join((_HEADER_LENGTH.pack(len(head)), head, body))


def frame_parts(frame: bytes) -> tuple[WireObject, bytes]:
    """The header and the body of a binary message. Raises `ValueError` when it is not one."""
    if len(frame) < _HEADER_LENGTH.size:
        raise ValueError(f"{len(frame)} bytes are too few for a picture")
    (length,) = _HEADER_LENGTH.unpack_from(frame)
    end = _HEADER_LENGTH.size + length
    if end > len(frame):
        raise ValueError(f"a header of {length} bytes does not fit in {len(frame)}")
    header = json.loads(frame[_HEADER_LENGTH.size : end])
    if not isinstance(header, dict):
        raise ValueError("the header is not a JSON object")
    return header, frame[end:]


def with_seq(body: bytes, seq: int) -> bytes:
    """A stored alert's JSON with its place in the outbox added, as WebSocket clients get it."""
    return b'{"seq":%d,' % seq + body[1:]


def _head(kind: str, stream: StreamId | None, media_s: float | None) -> WireObject:
    return {"v": VERSION, "type": kind, "stream": stream, "media_s": media_s}


def _result(item: DetectionResult, wall: WallClock | None) -> WireObject:
    message = _head("result", item.stream, item.end_s) | {
        "detector": item.detector,
        "kind": item.kind,
        "modality": item.modality,
        "participant": item.participant,
        "epoch": item.epoch,
        "start_s": item.start_s,
        "end_s": item.end_s,
        "confidence": item.confidence,
        "is_ai_generated": item.is_ai_generated,
        "abstained": item.abstained,
        "regions": [_region(region) for region in item.regions],
        "details": dict(item.details),
        "model_used": item.model_used,
    }
    if wall is not None:
        message["captured_at"] = wall.at(item.captured_ns)
        message["processing_time_s"] = item.processing_time_s
    return message


def _region(region: Region) -> WireObject:
    return {
        "x1": region.x1,
        "y1": region.y1,
        "x2": region.x2,
        "y2": region.y2,
        "label": region.label,
        "score": region.score,
    }


def _alert(item: Alert, wall: WallClock | None) -> WireObject:
    message = _head("alert", item.stream, item.media_s) | {
        "alert_id": item.alert_id,
        "incident_id": item.incident_id,
        "participant": item.participant,
        "kind": item.kind,
        "state": item.state,
        "severity": item.severity,
        "evidence_level": item.evidence_level,
        "opened_s": item.opened_s,
        "epoch": item.epoch,
        "why": item.why,
        "evidence_ref": item.evidence_ref,
        "results": [_result(result, wall) for result in item.results],
    }
    if wall is not None:
        message["captured_at"] = wall.at(item.captured_ns)
        message["time"] = wall.now()
    return message


def _health(item: Health, wall: WallClock | None) -> WireObject:
    message = _head("health", item.stream, None) | {
        "component": item.component,
        "state": item.state,
        "cause": item.cause,
    }
    if wall is not None:
        message["time"] = wall.at(item.since_ns)
    return message


def _overlay(item: Overlay, wall: WallClock | None) -> WireObject:
    message = _head("overlay", item.stream, item.media_s) | {
        "seq": item.seq,
        "epoch": item.epoch,
        "width": item.width,
        "height": item.height,
        "content_type": IMAGE_TYPE,
        "results": [
            {
                "detector": result.detector,
                "kind": result.kind,
                "confidence": result.confidence,
                "abstained": result.abstained,
            }
            for result in item.results
        ],
    }
    if wall is not None:
        message["captured_at"] = wall.at(item.captured_ns)
    return message


def _meter(item: Meter, wall: WallClock | None) -> WireObject:
    message = _head("meter", item.stream, item.media_s) | {
        "modality": item.modality,
        "epoch": item.epoch,
        "level": item.level,
        "bands": len(item.columns[0]) if item.columns else 0,
        "columns": [base64.b64encode(column).decode("ascii") for column in item.columns],
    }
    if wall is not None:
        message["captured_at"] = wall.at(item.captured_ns)
    return message


def _json(message: object) -> str:
    return json.dumps(
        message, ensure_ascii=False, allow_nan=False, separators=(",", ":"), sort_keys=True
    )


def _plain(value: object) -> object:
    """What JSON can hold of `value`: a detector's details may bring numpy numbers and NaN."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    return str(value)
