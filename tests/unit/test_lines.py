from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import StreamId
from streammon.ingest.chat.lines import BadLine, Line, LineCutter, Numbers, Stamper, parse_line


def stamper() -> Stamper:
    return Stamper(StreamId("chat"), Numbers())


def line(captured_s: float | None, text: str = "hi", *, message_id: str | None = None) -> Line:
    return Line(captured_s, "ann", text, message_id, "")


def test_a_whole_line_is_read() -> None:
    raw = b'{"captured_s": 1.5, "author_id": "u", "text": "hi", "message_id": "m", "room": "r"}'
    assert parse_line(raw) == Line(1.5, "u", "hi", "m", "r")


def test_what_is_not_needed_may_be_missing_and_what_is_unknown_is_passed_over() -> None:
    raw = b'{"author_id": 17, "text": "hi", "badges": ["mod"], "message_id": null}\r'
    assert parse_line(raw) == Line(None, "17", "hi", None, "")


@pytest.mark.parametrize(
    ("raw", "cause"),
    [
        (b"hello", "not JSON"),
        (b'{"author_id": "u", "text": "secret', "not JSON"),
        (b"\xff\xfe{}", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1, 2]", "not an object"),
        (b'{"text": "secret"}', "author_id is missing or not a string"),
        (b'{"author_id": "u", "text": 5}', "text is missing or not a string"),
        (b'{"author_id": true, "text": "secret"}', "author_id is missing or not a string"),
        (b'{"author_id": "u", "text": "secret", "captured_s": "1"}', "not a number"),
        (b'{"author_id": "u", "text": "secret", "captured_s": true}', "not a number"),
        (b'{"author_id": "u", "text": "secret", "captured_s": NaN}', "not a finite number"),
        (b'{"author_id": "u", "text": "secret", "captured_s": 1e999}', "not a finite number"),
        (
            b'{"author_id": "u", "text": "secret", "captured_s": 1' + b"0" * 400 + b"}",
            "not a finite number",
        ),
        (b'{"author_id": "u", "text": "secret", "room": []}', "room is missing or not a string"),
    ],
)
def test_a_bad_line_is_named_but_never_repeated(raw: bytes, cause: str) -> None:
    with pytest.raises(BadLine, match=cause) as caught:
        parse_line(raw)
    assert "secret" not in str(caught.value)


def test_half_of_a_surrogate_pair_cannot_get_in() -> None:
    assert parse_line(b'{"author_id": "u", "text": "a\\ud83d"}').text.encode()


@given(st.lists(st.binary(max_size=30)), st.data())
def test_lines_do_not_depend_on_how_the_bytes_came(lines: list[bytes], data: st.DataObject) -> None:
    whole = [part.replace(b"\n", b" ") for part in lines]
    stream = b"".join(part + b"\n" for part in whole)
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=6).map(sorted))
    cutter, got = LineCutter(20), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += list(cutter.push(stream[start:end]))
    assert got + list(cutter.flush()) == [part if len(part) <= 20 else None for part in whole]


def test_a_line_without_end_is_not_kept() -> None:
    cutter = LineCutter(1_000)
    for _ in range(100):
        assert list(cutter.push(b"x" * 999)) == []
    assert list(cutter.push(b"\nnext\n")) == [None, b"next"]


def test_the_last_line_needs_no_newline() -> None:
    cutter = LineCutter(100)
    assert [*cutter.push(b"one\ntwo"), *cutter.flush(), *cutter.flush()] == [b"one", b"two"]


def test_media_time_counts_from_the_first_line_and_never_goes_back() -> None:
    stamps = stamper()
    got = [stamps.stamp(line(at_s), since_open_s=0.0) for at_s in (100.0, 101.5, 101.0, 103.0)]
    assert [message.media_s for message in got] == [0.0, 1.5, 1.5, 3.0]
    assert [message.seq for message in got] == [0, 1, 2, 3]
    assert {message.epoch for message in got} == {0}
    assert got[1].captured_ns == 1_500_000_000


def test_a_line_without_a_time_is_of_when_it_arrived() -> None:
    stamps = stamper()
    got = [stamps.stamp(line(None), since_open_s=at_s) for at_s in (2.0, 2.5, 2.25)]
    assert [message.media_s for message in got] == [2.0, 2.5, 2.5]


def test_time_that_begins_again_is_a_new_epoch() -> None:
    stamps = stamper()
    got = [stamps.stamp(line(at_s), since_open_s=0.0) for at_s in (0.0, 90.0, 10.0, 12.0)]
    assert [(m.epoch, m.media_s) for m in got] == [(0, 0.0), (0, 90.0), (1, 0.0), (1, 2.0)]


def test_a_clock_that_runs_away_is_not_believed() -> None:
    stamps = stamper()
    stamps.stamp(line(0.0), since_open_s=0.0)
    with pytest.raises(BadLine, match="more than a day"):
        stamps.stamp(line(1e12), since_open_s=0.0)
    assert stamps.stamp(line(1.0), since_open_s=0.0).media_s == 1.0


def test_ids_are_kept_or_made_up_the_same_each_time_and_all_differ() -> None:
    def ids() -> list[str]:
        stamps = stamper()
        lines = [line(1.0), line(1.0), line(1.0, "ho"), line(None), line(2.0, message_id="m7")]
        return [stamps.stamp(each, since_open_s=0.0).message_id for each in lines]

    assert ids() == ids()
    assert len(set(ids())) == 5
    assert ids()[-1] == "m7"


@given(st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), max_size=40))
def test_epochs_and_times_never_go_back(times: list[float | None]) -> None:
    stamps, got = stamper(), []
    for number, at_s in enumerate(times):
        try:
            got.append(stamps.stamp(line(at_s), since_open_s=number * 0.1))
        except BadLine:
            continue
    places = [(message.epoch, message.media_s) for message in got]
    assert places == sorted(places)
    assert [message.seq for message in got] == list(range(len(got)))
    assert json.dumps([message.media_s for message in got], allow_nan=False)
