from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from streammon.core.types import StreamId
from streammon.sinks.websocket_client import (
    MOST_MESSAGE_BYTES,
    MOST_SLOTS,
    Leave,
    Mailbag,
    RateLimit,
    Subscribe,
    parse_subscribe,
)
from tests.wire_schema import schema

CAM, DOOR = StreamId("cam"), StreamId("door")


def refused(message: str | bytes) -> Leave:
    with pytest.raises(Leave) as raised:
        parse_subscribe(message)
    return raised.value


def test_a_bare_subscribe_asks_for_everything() -> None:
    subscribe = parse_subscribe('{"type":"subscribe"}')
    assert subscribe.wants("overlay", CAM)
    assert subscribe.wants("health", None)
    assert subscribe.recent_alerts == 200


def test_streams_and_events_are_chosen() -> None:
    subscribe = parse_subscribe(
        '{"type":"subscribe","streams":["cam"],"events":["alert","health"]}'
    )
    assert subscribe.wants("alert", CAM)
    assert subscribe.wants("health", None)
    assert not subscribe.wants("alert", DOOR)
    assert not subscribe.wants("overlay", CAM)


def test_fields_of_later_versions_are_ignored() -> None:
    assert parse_subscribe('{"type":"subscribe","later":1}') == Subscribe(type="subscribe")


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        "null",
        "{",
        "[" * 10_000,
        '{"type":"unsubscribe"}',
        '{"type":"subscribe","streams":"cam"}',
        '{"type":"subscribe","events":["everything"]}',
        '{"type":"subscribe","recent_alerts":-1}',
        '{"type":"subscribe","recent_alerts":99999999999999999999999}',
        '{"type":"subscribe","alerts_after":[1]}',
        json.dumps({"type": "subscribe", "streams": [f"s{at}" for at in range(1001)]}),
        '{"type":"subscribe","alerts_after":"' + "x" * 300 + '"}',
        b'{"type":"subscribe"}',
    ],
)
def test_anything_else_is_a_protocol_error_with_a_short_reason(message: str | bytes) -> None:
    error = refused(message)
    assert error.code == 1008
    assert 0 < len(error.reason.encode()) <= 123


def test_a_message_that_is_too_big_says_so() -> None:
    assert refused(" " * (MOST_MESSAGE_BYTES + 1)).code == 1009


@given(st.text(max_size=400))
def test_reasons_fit_into_a_close_frame_whatever_was_wrong(text: str) -> None:
    reason = Leave(1008, text.encode(errors="ignore").decode()).reason
    assert len(reason.encode()) <= 123


@given(st.text() | st.binary())
def test_no_message_does_anything_else_than_be_refused(message: str | bytes) -> None:
    assert refused(message).code in (1008, 1009)


@given(
    st.fixed_dictionaries(
        {"type": st.just("subscribe")},
        optional={
            "streams": st.lists(st.text(max_size=200), max_size=5),
            "events": st.lists(st.sampled_from(["alert", "result", "health", "overlay", "meter"])),
            "alerts_after": st.none() | st.integers(0, 2**53) | st.text(max_size=200),
            "recent_alerts": st.integers(0, 10_000),
        },
    )
)
def test_what_the_schema_allows_is_understood(message: dict[str, object]) -> None:
    text = json.dumps(message)
    Draft202012Validator({**schema(), "oneOf": [{"$ref": "#/$defs/subscribe"}]}).validate(message)
    assert parse_subscribe(text).type == "subscribe"


# --- what waits ------------------------------------------------------------------------------


def test_the_newest_of_a_slot_win_and_the_rest_is_counted() -> None:
    bag = Mailbag()
    for at in range(5):
        bag.put("overlay:cam", f"o{at}", depth=1)
        bag.put("result:cam", f"r{at}", depth=3)
    assert bag.take() == ["o4"]
    assert bag.take() == ["r2", "r3", "r4"]
    assert bag.take() == []
    assert bag.dropped == 4 + 2


def test_a_busy_stream_does_not_push_others_back() -> None:
    bag = Mailbag()
    bag.put("busy", "b0", depth=1)
    bag.put("quiet", "q0", depth=1)
    bag.put("busy", "b1", depth=1)
    assert bag.take() == ["b1"]
    bag.put("busy", "b2", depth=1)
    assert bag.take() == ["q0"]


def test_the_number_of_slots_is_bounded() -> None:
    bag = Mailbag()
    for at in range(MOST_SLOTS + 10):
        bag.put(at, str(at), depth=1)
    assert bag.dropped == 10
    assert bag.take() == ["10"]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=200))
def test_what_is_put_is_taken_dropped_or_waiting(steps: list[tuple[int, bool]]) -> None:
    bag, put, taken = Mailbag(), 0, 0
    for slot, take in steps:
        if take:
            taken += len(bag.take())
        else:
            bag.put(slot, "x", depth=2)
            put += 1
    while waiting := bag.take():
        taken += len(waiting)
    assert put == taken + bag.dropped


def test_a_burst_is_allowed_and_a_flood_is_not() -> None:
    limit = RateLimit(burst=3, per_s=1.0, now_s=0.0)
    assert [limit.allows(0.0) for _ in range(4)] == [True, True, True, False]
    assert [limit.allows(1.5), limit.allows(1.5)] == [True, False]
    assert [limit.allows(100.0) for _ in range(4)] == [True, True, True, False]
