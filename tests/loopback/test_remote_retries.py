"""A remote detector before a real HTTP server that is busy, slow or away: how long, how often."""

from __future__ import annotations

import gc
import re
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from streammon.detectors import remote_detector
from streammon.detectors.remote import RemoteConfig
from tests.answering import Answer, Asked, answering, as_json
from tests.loopback.far_detector import (
    ABOUT,
    SYNTHETIC,
    before,
    heard,
    in_turn,
    one,
    remote,
    several,
    well,
)

# --- retries -----------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_one_that_is_busy_is_asked_again(status: int) -> None:
    with before(in_turn(Answer(status=status), Answer(closes=True)), retries=2) as (
        detector,
        server,
    ):
        assert one(detector).confidence == 0.75
        assert len(server.asked) == 3


@pytest.mark.parametrize("answer", [Answer(status=500), Answer(b"x"), as_json({}, cut_to=1)])
def test_what_may_have_been_judged_is_not_asked_again(answer: Answer) -> None:
    with before(in_turn(answer), retries=5) as (detector, server):
        assert one(detector).confidence is None
        assert len(server.asked) == 1


def seconds(delay_s: float) -> str:
    return str(int(delay_s))


def date(delay_s: float) -> str:
    return format_datetime(datetime.now(UTC) + timedelta(seconds=delay_s + 0.9), usegmt=True)


@pytest.mark.parametrize("written", [seconds, date])
def test_it_waits_as_long_as_it_is_told_to(written: Callable[[float], str]) -> None:
    asked_s: list[float] = []

    def busy_once(asked: Asked) -> Answer:
        if asked.method == "GET":
            return as_json(ABOUT)
        asked_s.append(time.monotonic())
        if len(asked_s) > 1:
            return as_json(SYNTHETIC)
        return Answer(status=429, headers={"Retry-After": written(1.0)})

    with before(busy_once, retries=1, longest_wait_s=60.0) as (detector, _):
        assert one(detector).confidence == 0.75
    first_s, again_s = asked_s
    assert 0.5 <= again_s - first_s < 20.0


def test_it_does_not_wait_for_longer_than_it_has() -> None:
    busy = Answer(status=503, headers={"Retry-After": "3600"})
    with before(in_turn(busy), retries=3) as (detector, server):
        began_s = time.monotonic()
        result = one(detector)
        assert result.abstained == "the remote detector is away (it is busy (503))"
        assert time.monotonic() - began_s < detector.longest_wait_s / 2, "it gave up at once"
        assert len(server.asked) == 1


@pytest.mark.parametrize(
    "odd", ["soon", "-5", "nan", "Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "\u00b2", ""]
)
def test_a_wait_that_makes_no_sense_is_none(odd: str) -> None:
    busy = Answer(status=503, headers={"Retry-After": odd})
    with before(in_turn(busy), retries=1) as (detector, server):
        assert one(detector).confidence == 0.75
        assert len(server.asked) == 2


def test_a_batch_ends_in_time_however_many_of_it_hang() -> None:
    """Forty, two at a time, a second each, would be twenty seconds."""
    limits = {"timeout_s": 1.0, "longest_wait_s": 2.0}
    with before(well(Answer(hangs=True)), concurrency=2, failures=100, **limits) as (detector, _):
        began_s = time.monotonic()
        results = detector.score(several(40))
        took_s = time.monotonic() - began_s
    assert [result.confidence for result in results] == [None] * 40
    assert took_s < 12.0


# --- away for longer ---------------------------------------------------------------------------


class Later:
    """The clock that it rests by, as far ahead as a test says."""

    monotonic, perf_counter = staticmethod(time.monotonic), staticmethod(time.perf_counter)

    def __init__(self) -> None:
        self.by_s = 0.0

    def monotonic_ns(self) -> int:
        return time.monotonic_ns() + round(self.by_s * 1e9)


def test_after_several_failures_in_a_row_it_is_left_alone_and_then_tried_with_one_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = Later()
    monkeypatch.setattr(remote_detector, "time", later)
    with before(well(Answer(status=500)), failures=3, rest_s=60.0) as (detector, server):
        for _ in range(3):
            one(detector)
        assert len(server.asked) == 3
        results = detector.score(several(8))
        assert len(server.asked) == 3
        reason = r"the remote detector is away \(it failed \(500\)\), asked again in (60|5\d) s"
        assert all(re.fullmatch(reason, result.abstained or "") for result in results)
        later.by_s += 60.0
        detector.score(several(8))
        assert len(server.asked) == 4, "half open, one window decides"
        later.by_s += 60.0
        server.answer = well(as_json(SYNTHETIC))
        assert [result.confidence for result in detector.score(several(8))] == [0.75] * 8
        assert detector.trouble == ""


def test_one_that_is_not_there_yet_is_no_reason_not_to_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
    with remote(url, retries=1) as detector:
        assert "no connection (" in detector.trouble
        result = one(detector)
    away = "the remote detector is away (no connection (Connection refused))"
    assert result.abstained == away


def test_connections_are_closed_when_nobody_uses_the_detector_any_more() -> None:
    with answering(well(as_json(SYNTHETIC))) as server:
        config = RemoteConfig.model_validate({"url": server.url, "modality": "audio"})
        detector = config.build("far")
        detector.load("cpu")
        assert detector.score([heard()])[0].confidence == 0.75
        del detector  # an open socket or loop would now be a warning, and so an error
        gc.collect()


def test_a_name_that_no_machine_has_is_one_that_is_away() -> None:
    with remote("https://nowhere.invalid") as detector:
        assert "no connection (" in detector.trouble
