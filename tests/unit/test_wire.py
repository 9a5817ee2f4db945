from __future__ import annotations

import base64
import json
import math
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streammon.core.ports import CodedPicture, Coding
from streammon.core.types import Outgoing, Region, StreamId
from streammon.sinks import wire
from tests.fakes import FakeClock, a_result
from tests.outgoing import a_health, a_meter, an_alert, an_overlay
from tests.wire_schema import checked, schema

WALL_NS = 1_795_000_000_125_000_000


def a_wall(clock: FakeClock | None = None) -> wire.WallClock:
    clock = clock or FakeClock()
    return wire.WallClock(clock, wall_ns=lambda: WALL_NS + clock.now_ns())


EVERYTHING: list[Outgoing] = [
    a_result(regions=(Region(0.1, 0.2, 0.3, 0.4, "face", 0.5), Region(0, 0, 1, 1))),
    a_result(confidence=None, abstained="no speech"),
    an_alert(),
    a_health(),
    a_health(component="scheduler", stream=None),
    an_overlay(),
    a_meter(),
    a_meter(columns=(), level=-math.inf),
]


def test_the_schema_is_a_schema() -> None:
    Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("item", EVERYTHING)
@pytest.mark.parametrize("wall", [None, a_wall()])
def test_every_message_is_as_the_schema_says(item: Outgoing, wall: wire.WallClock | None) -> None:
    message = checked(wire.dumps(wire.to_wire(item, wall=wall)))
    assert message["type"] == wire.kind_of(item)
    assert message["v"] == wire.VERSION
    assert {"type", "stream", "media_s"} <= message.keys()


def test_a_replay_holds_nothing_of_when_it_ran() -> None:
    early, late = a_result(captured_ns=1, processing_time_s=0.1), a_result(captured_ns=2)
    assert wire.to_wire(early, wall=None) == wire.to_wire(late, wall=None)
    text = wire.dumps(wire.to_wire(an_alert(results=(early,)), wall=None))
    assert b"captured_at" not in text
    assert b'"time"' not in text


def test_wall_time_follows_from_when_it_was_captured() -> None:
    message = wire.to_wire(a_result(captured_ns=2_000_000_000), wall=a_wall())
    at = datetime.fromtimestamp(WALL_NS / 1e9 + 2, tz=UTC)
    assert datetime.fromisoformat(message["captured_at"]) == at


def test_a_little_jitter_of_the_wall_clock_does_not_move_an_instant() -> None:
    clock, off_ns = FakeClock(), [0]
    wall = wire.WallClock(clock, wall_ns=lambda: WALL_NS + off_ns[0])
    before = wall.at(0)
    off_ns[0] = 20_000_000
    assert wall.at(0) == before


def test_a_wall_clock_that_was_set_is_followed() -> None:
    clock, off_ns = FakeClock(), [0]
    wall = wire.WallClock(clock, wall_ns=lambda: WALL_NS + off_ns[0])
    before = datetime.fromisoformat(wall.at(0))
    off_ns[0] = 3600 * 10**9
    assert (datetime.fromisoformat(wall.at(0)) - before).total_seconds() == 3600


@given(st.integers(min_value=0, max_value=4 * 10**18))
def test_rfc3339_reads_back_to_the_millisecond(wall_ns: int) -> None:
    read = datetime.fromisoformat(wire.rfc3339(wall_ns))
    assert round(read.timestamp() * 1000) == wall_ns // 1_000_000


plain_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=8), inner, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), plain_json))
def test_what_json_can_hold_reads_back_equal_and_is_one_line(details: dict[str, Any]) -> None:
    data = wire.dumps(details)
    assert b"\n" not in data
    assert json.loads(data) == details


@pytest.mark.parametrize("hostile", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_what_is_no_number_becomes_null(hostile: float) -> None:
    message = json.loads(wire.dumps(wire.to_wire(a_result(details={"a": [hostile]}), wall=None)))
    assert message["details"] == {"a": [None]}


def test_details_of_a_detector_may_bring_numpy_and_odd_text() -> None:
    details: Any = {
        "mean": np.float32(0.5),
        "count": np.int64(3),
        "text": "\ud800\n\u2028",
        "pair": (1, 2),
        7: "number",
        "other": slice(1, 2),
    }
    message = checked(wire.dumps(wire.to_wire(a_result(details=details), wall=None)))
    assert message["details"] == {
        "mean": 0.5,
        "count": 3,
        "text": "?\n\u2028",
        "pair": [1, 2],
        "7": "number",
        "other": "slice(1, 2, None)",
    }


@given(st.binary(max_size=300), st.text(max_size=40))
def test_an_overlay_reads_back(jpeg: bytes, stream: str) -> None:
    overlay = an_overlay(jpeg=jpeg, stream=StreamId(stream))
    header, picture = wire.frame_parts(wire.overlay_frame(overlay, a_wall()))
    assert picture == jpeg
    assert checked(wire.dumps(header)) == json.loads(
        wire.dumps(wire.to_wire(overlay, wall=a_wall()))
    )


@given(st.binary(max_size=300), st.text(max_size=40), st.floats(0, 1e6), st.booleans())
def test_a_packet_reads_back(data: bytes, stream: str, media_s: float, is_keyframe: bool) -> None:
    picture = CodedPicture(3, media_s, is_keyframe, data)
    header, body = wire.frame_parts(wire.packet_frame(StreamId(stream), picture))
    assert body == data
    assert checked(wire.dumps(header)) == json.loads(wire.dumps(header))
    assert (header["epoch"], header["media_s"], header["is_keyframe"]) == (3, media_s, is_keyframe)


@pytest.mark.parametrize(
    "coding",
    [
        Coding(0, 1.5, "avc1.64001f", b"\x01\x64\x00\x1f", 640, 360),
        Coding(2, 0.0, "vp8"),
        Coding(0, 0.0, None, why_not="its pictures come as they are, not encoded"),
    ],
)
def test_a_coding_is_as_the_schema_says(coding: Coding) -> None:
    message = checked(wire.coding_message(StreamId("cam"), coding))
    assert message["codec"] == coding.codec
    told = message["description"]
    assert (None if told is None else base64.b64decode(told)) == coding.description
    assert (message["width"], message["height"]) == (coding.width, coding.height)


@given(st.binary(max_size=64))
def test_garbage_is_no_overlay(data: bytes) -> None:
    with pytest.raises(ValueError):
        wire.frame_parts(data)


def test_spectrogram_columns_travel_as_base64() -> None:
    message = wire.to_wire(a_meter(), wall=None)
    assert message["bands"] == 32
    assert [base64.b64decode(column) for column in message["columns"]] == list(a_meter().columns)


def test_a_stored_alert_gets_its_number_without_being_parsed() -> None:
    body = wire.dumps(wire.to_wire(an_alert(), wall=None))
    assert checked(wire.with_seq(body, 12)) == {**json.loads(body), "seq": 12}
