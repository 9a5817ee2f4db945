"""Events as Kafka records: CloudEvents 1.0 in binary mode, keyed by stream. Pure."""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import quote

from streammon.core.ports import StoredAlert
from streammon.core.types import DetectionResult, Health, Overlay, StreamId
from streammon.sinks import wire

Headers: TypeAlias = list[tuple[str, str | bytes | None]]

TYPE_PREFIX = "io.streammon"
SCHEMA = f"urn:streammon:wire:v{wire.VERSION}"
JSON_TYPE = "application/json"
OVERLAY_HEADER = "streammon-overlay"
"""Carries the overlay's JSON header, as in the schema; the record's value is the JPEG."""
# Found without parsing the body. `wire.dumps` sorts keys, and inside a string of the body the
# quotes would be escaped, so this can match nowhere else.
_ALERT_TIME = re.compile(rb',"time":"([^"\\]+)","type":"alert","v":1,"why":"')
_IDS = uuid.UUID("6f1c2f0e-7f4c-4d0e-9a55-1f9d1f6a0c11")


@dataclass(frozen=True, slots=True)
class Record:
    """What one event becomes. Records with equal keys keep their order."""

    key: bytes
    value: bytes
    headers: Headers


def alert_record(alert: StoredAlert) -> Record:
    """`ce_id` is the alert's id: consumers drop duplicates by it."""
    found = _ALERT_TIME.search(alert.body)
    time = None if found is None else found[1].decode()
    headers = _headers("alert", alert.alert_id, alert.stream, time)
    return Record(_key(alert.stream), alert.body, headers)


def result_record(result: DetectionResult, wall: wire.WallClock) -> Record:
    """`ce_id` follows from what was judged: the same window's result has the same id."""
    message = wire.to_wire(result, wall=wall)
    judged = (
        result.stream,
        result.detector,
        result.participant,
        result.epoch,
        result.end_s,
        message["captured_at"],
    )
    event_id = str(uuid.uuid5(_IDS, repr(judged)))
    headers = _headers("result", event_id, result.stream, message["captured_at"])
    return Record(_key(result.stream), wire.dumps(message), headers)


def health_record(health: Health, wall: wire.WallClock) -> Record:
    """Keyed by stream; a component that belongs to no stream is its own key."""
    message = wire.to_wire(health, wall=wall)
    key = health.stream if health.stream is not None else StreamId(health.component)
    headers = _headers("health", str(uuid.uuid4()), key, message["time"])
    return Record(_key(key), wire.dumps(message), headers)


def overlay_record(overlay: Overlay, wall: wire.WallClock) -> Record:
    header = wire.to_wire(overlay, wall=wall)
    shown = (overlay.stream, overlay.epoch, overlay.seq, header["captured_at"])
    event_id = str(uuid.uuid5(_IDS, repr(shown)))
    headers = _headers(
        "overlay", event_id, overlay.stream, header["captured_at"], content_type=wire.IMAGE_TYPE
    )
    headers.append((OVERLAY_HEADER, wire.dumps(header)))
    return Record(_key(overlay.stream), overlay.jpeg, headers)


def _key(stream: StreamId) -> bytes:
    return stream.encode("utf-8", "replace")


def _headers(
    kind: str,
    event_id: str,
    stream: StreamId,
    time: str | None,
    *,
    content_type: str = JSON_TYPE,
) -> Headers:
    key = _key(stream)
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", event_id.encode()),
        ("ce_source", b"/streams/" + quote(key, safe="").encode()),
        ("ce_type", f"{TYPE_PREFIX}.{kind}.v{wire.VERSION}".encode()),
        ("ce_partitionkey", key),
        ("content-type", content_type.encode()),
    ]
    if content_type == JSON_TYPE:
        headers.append(("ce_dataschema", SCHEMA.encode()))
    if time is not None:
        headers.append(("ce_time", time.encode()))
    return headers
