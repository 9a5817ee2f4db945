"""What Twilio and Telnyx say, and what nobody should."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.ingest.calls.phone_messages import (
    MOST_PAYLOAD_BYTES,
    BadMessage,
    Media,
    Other,
    Started,
    Stopped,
    parse,
)
from tests.phone_calls import CALL, Telnyx, Twilio, tone

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=12,
)


def test_a_call_as_twilio_tells_it() -> None:
    peer = Twilio()
    connected, started = map(parse, peer.opening())
    assert connected == Other("connected")
    assert started == Started(CALL, CALL, "mulaw")
    first, second = map(parse, peer.media(tone(0.04)))
    assert isinstance(first, Media)
    assert isinstance(second, Media)
    assert (first.track, first.chunk, first.timestamp_ms, len(first.payload)) == (
        "inbound", 1, 0, 160,
    )  # fmt: skip
    assert (second.chunk, second.timestamp_ms) == (2, 20)
    assert parse(peer.dtmf("5")) == Other("dtmf")
    assert parse(peer.mark()) == Other("mark")
    assert parse(peer.stop()) == Stopped()


def test_the_same_call_as_telnyx_tells_it() -> None:
    peer = Telnyx()
    _, started = map(parse, peer.opening(encoding="PCMA"))
    assert isinstance(started, Started)
    assert started.call_id == CALL
    assert started.reference.startswith("v3:")
    assert started.coding == "alaw"
    assert parse(peer.stop()) == Stopped()


@pytest.mark.parametrize(
    "shape",
    [{"encoding": "audio/opus"}, {"sampleRate": 16_000}, {"channels": 2}, {"encoding": None}],
)
def test_sound_that_is_not_a_telephones_is_refused(shape: dict[str, object]) -> None:
    with pytest.raises(BadMessage, match="ask for PCMU"):
        parse(Twilio().opening(**shape)[1])


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "7", '"start"', "{}", '{"event": 7}', '{"event": "media"}',
        '{"event": "media", "media": []}', '{"event": "start"}', '{"event": "start", "start": {}}',
        "[" * 20_000, '{"a":' * 20_000, "\x00", b"\xff\xfe\xff",
    ],
)  # fmt: skip
def test_garbage_is_named_and_never_repeated(text: str | bytes) -> None:
    with pytest.raises(BadMessage) as caught:
        parse(text)
    assert len(str(caught.value)) < 60


@pytest.mark.parametrize(
    "change",
    [
        {"track": "both"}, {"track": 1}, {"chunk": "-1"}, {"chunk": "1e9"}, {"chunk": None},
        {"chunk": "9" * 5_000}, {"timestamp": "NaN"}, {"timestamp": 2**41}, {"chunk": 1.5},
        {"payload": None}, {"payload": "not base64!"}, {"payload": "abc"}, {"chunk": "\u0661"},
        {"payload": "A" * (2 * MOST_PAYLOAD_BYTES)},
    ],
)  # fmt: skip
def test_media_that_is_not_media_is_refused(change: dict[str, object]) -> None:
    good = {"track": "inbound", "chunk": "3", "timestamp": 40, "payload": "/////w=="}
    assert isinstance(parse(json.dumps({"event": "media", "media": good})), Media)
    with pytest.raises(BadMessage):
        parse(json.dumps({"event": "media", "media": {**good, **change}}))


@given(JSON, st.sampled_from(["start", "media", "stop", "dtmf", "x"]))
def test_nothing_but_bad_message_comes_of_anything(said: object, event: str) -> None:
    for text in (json.dumps(said), json.dumps({"event": event, "start": said, "media": said})):
        try:
            parse(text)
        except BadMessage:
            continue
