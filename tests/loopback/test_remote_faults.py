"""A remote detector before a real HTTP server that is slow, away, wrong or hostile."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from streammon.core.errors import Permanent
from streammon.core.types import DetectionResult, StreamId, Window
from streammon.detectors import remote_line
from streammon.detectors.remote import RemoteConfig
from streammon.detectors.remote_detector import RemoteDetector
from streammon.flow.supervise import Backoff
from tests.answering import Answer, Answering, Asked, answering, as_json
from tests.fakes import a_chunk, a_frame, a_window

ABOUT = {"v": 1, "detectors": [{"detector": "voice", "kind": "x", "modalities": ["audio"]}]}
SYNTHETIC = {
    "v": 1,
    "type": "detection",
    "modality": "audio",
    "confidence": 0.75,
    "is_ai_generated": True,
    "abstained": None,
    "detectors": [
        {"detector": "voice", "confidence": 0.75, "abstained": None, "model_used": "v@1"}
    ],
    "processing_time_s": 0.1,
    "model_used": "v@1",
}
Says = Callable[[Asked], Answer]


def well(answer: Answer) -> Says:
    """Says what detectors there are, and answers every window so."""
    return lambda asked: as_json(ABOUT) if asked.method == "GET" else answer


def heard(number: int = 0, stream: str = "cam") -> Window:
    return a_window(
        a_chunk(number, duration_s=1.0, stream=StreamId(stream)), end_s=float(number + 1)
    )


def several(count: int) -> list[Window]:
    return [heard(stream=f"s{number}") for number in range(count)]


@contextmanager
def remote(url: str, **settings: Any) -> Iterator[RemoteDetector]:
    """A loaded detector that is patient for two seconds at most."""
    given = {"timeout_s": 1.0, "longest_wait_s": 2.0, "retries": 0, **settings}
    config = RemoteConfig.model_validate({"url": url, "modality": "audio", **given})
    detector = config.build("far")
    assert isinstance(detector, RemoteDetector)
    try:
        detector.load("cpu")
        yield detector
    finally:
        detector.close()


@contextmanager
def before(answer: Says, **settings: Any) -> Iterator[tuple[RemoteDetector, Answering]]:
    with answering(answer) as server, remote(server.url, **settings) as detector:
        server.asked.clear()
        yield detector, server


def one(detector: RemoteDetector, window: Window | None = None) -> DetectionResult:
    (result,) = detector.score([window or heard()])
    return result


@pytest.fixture(autouse=True)
def pauses_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_line, "PAUSE", Backoff(first_s=0.01, most_s=0.02))


# --- the way it should be ---------------------------------------------------------------------


def test_a_window_comes_back_with_the_confidence_from_over_there() -> None:
    with before(well(as_json(SYNTHETIC)), token="s3cret", detector="voice") as (detector, server):
        result = one(detector)
        (asked,) = server.asked
    assert (result.confidence, result.is_ai_generated, result.model_used) == (0.75, True, "v@1")
    assert result.details["detectors"] == [
        {"detector": "voice", "model_used": "v@1", "confidence": 0.75}
    ]
    assert result.processing_time_s > 0.0
    assert detector.trouble == ""
    assert (asked.method, asked.path) == ("POST", "/detect")
    assert asked.query == {"modality": "audio", "detector": "voice"}
    assert asked.headers["authorization"] == "Bearer s3cret"
    assert asked.headers["content-type"] == "audio/wav"
    assert asked.body.startswith(b"RIFF")


def test_what_it_abstains_from_is_abstained_from_with_its_reason() -> None:
    said = {**SYNTHETIC, "confidence": None, "is_ai_generated": None, "abstained": "no\nspeech"}
    with before(well(as_json(said))) as (detector, _):
        result = one(detector)
    assert (result.confidence, result.abstained) == (None, "no speech")


def test_a_batch_is_sent_at_once_over_few_connections_and_stays_in_order() -> None:
    def by_length(asked: Asked) -> Answer:
        if asked.method == "GET":
            return as_json(ABOUT)
        return as_json({**SYNTHETIC, "confidence": len(asked.body) / 1e6}, after_s=0.1)

    windows = [
        a_window(a_chunk(duration_s=0.5 + number / 10, stream=StreamId(f"s{number}")), end_s=9.0)
        for number in range(8)
    ]
    with before(by_length, concurrency=4) as (detector, server):
        began_s = time.monotonic()
        results = detector.score(windows)
        took_s = time.monotonic() - began_s
        detector.score(windows[:1])
    confidences = [result.confidence for result in results]
    assert confidences == sorted(confidence or 0.0 for confidence in confidences)
    assert [result.stream for result in results] == [window.stream for window in windows]
    assert server.most_at_once == 4
    assert server.connections == 4
    assert took_s < 0.8


async def test_it_can_be_asked_where_an_event_loop_runs_already() -> None:
    with before(well(as_json(SYNTHETIC))) as (detector, _):
        assert asyncio.get_running_loop()
        assert one(detector).confidence == 0.75


def test_nothing_is_sent_of_a_window_that_cannot_be_judged() -> None:
    with before(well(as_json(SYNTHETIC))) as (detector, server):
        silent = a_window(a_chunk(duration_s=0.001), end_s=0.001)
        results = detector.score([silent, heard()])
    assert [result.abstained for result in results] == ["no sound", None]
    assert len(server.asked) == 1


# --- faults ------------------------------------------------------------------------------------

GARBAGE = {
    "not JSON": (Answer(b"<html>hello"), "its answer is not JSON"),
    "nothing": (Answer(b""), "its answer is not JSON"),
    "not text": (Answer(b"\xff\xfe\x00"), "its answer is not JSON"),
    "nested for ever": (Answer(b"[" * 200_000), "its answer is not JSON"),
    "a list": (as_json([1, 2]), "not that of a streammon"),
    "another version": (as_json({**SYNTHETIC, "v": 2}), "not that of a streammon"),
    "a text for a number": (as_json({**SYNTHETIC, "confidence": "high"}), "has no number"),
    "true for a number": (as_json({**SYNTHETIC, "confidence": True}), "has no number"),
    "seven": (as_json({**SYNTHETIC, "confidence": 7}), "not in 0..1 but 7"),
    "more than is read": (Answer(b" " * 3_000_000), "longer than 1 MiB"),
    "compressed": (
        Answer(b"\x1f\x8b", headers={"Content-Encoding": "gzip"}),
        "compressed, which was not asked for",
    ),
    "cut": (as_json(SYNTHETIC, cut_to=20), "the connection broke"),
    "closed": (Answer(closes=True), "closed the connection without an answer"),
    "silence": (Answer(hangs=True), "no answer within 1 s"),
    "a trickle": (Answer(trickles=True), "no answer within 1 s"),
    "a failure": (Answer(status=500), r"it failed \(500\)"),
    "a redirect": (
        Answer(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        r"a redirect \(302\): give the address behind it",
    ),
    "nothing there": (Answer(status=404), "it answers 404: check `url`"),
    "no money": (Answer(status=402), "wants to be paid"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_wrong_over_there_makes_the_window_abstain_and_is_named(name: str) -> None:
    answer, why = GARBAGE[name]
    with before(well(answer)) as (detector, server):
        began_s = time.monotonic()
        result = one(detector)
        took_s = time.monotonic() - began_s
        assert result.confidence is None
        assert result.abstained is not None
        assert result.abstained.startswith("the remote detector is away (")
        assert re.search(why, result.abstained), result.abstained
        assert re.search(why, detector.trouble)
        server.answer = well(as_json(SYNTHETIC))
        assert one(detector).confidence == 0.75
        assert detector.trouble == ""
    assert took_s < 1.8


@pytest.mark.parametrize("number", [float("nan"), float("inf"), None])
def test_a_confidence_that_is_no_number_abstains(number: float | None) -> None:
    with before(well(as_json({**SYNTHETIC, "confidence": number}))) as (detector, _):
        result = one(detector)
        assert (result.confidence, result.abstained) == (None, "the model gave no number")
        assert detector.trouble == ""


def test_one_request_that_fails_leaves_the_others_alone() -> None:
    def third_fails(asked: Asked) -> Answer:
        if asked.method == "GET":
            return as_json(ABOUT)
        long = len(asked.body) > 40_000
        return Answer(status=500) if long else as_json(SYNTHETIC)

    windows = several(5)
    windows[2] = a_window(a_chunk(duration_s=2.0, stream=StreamId("s2")), end_s=2.0)
    with before(third_fails) as (detector, _):
        results = detector.score(windows)
    assert [result.confidence for result in results] == [0.75, 0.75, None, 0.75, 0.75]


@pytest.mark.parametrize("status", [413, 415, 422])
def test_a_window_that_is_refused_is_not_taken_for_a_machine_that_is_away(status: int) -> None:
    refused = as_json({"detail": "too\tmuch " + "x" * 999}, status=status)
    with before(well(refused), failures=3) as (detector, server):
        for sent in range(1, 6):
            result = one(detector)
            assert result.abstained is not None
            assert f"({status}): too much xxx" in result.abstained
            assert len(result.abstained) < 300
            assert len(server.asked) == sent, "it is asked on and on"
            takes_none = f"takes no window: refused as {remote_line.NAMES[status]} ({status})"
            assert (takes_none in detector.trouble) == (sent >= 3)
        server.answer = well(as_json(SYNTHETIC))
        assert one(detector).confidence == 0.75
        assert detector.trouble == ""


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_end_the_detector_with_what_to_do(status: int) -> None:
    with before(well(as_json(SYNTHETIC)), token="s3cret") as (detector, server):
        server.answer = lambda asked: Answer(status=status)
        with pytest.raises(
            Permanent, match=rf"refuses the credentials \({status}\).*`token`"
        ) as it:
            detector.score(several(3))
    assert "s3cret" not in str(it.value)


def test_a_wrong_token_is_found_at_load_before_any_media_is_sent() -> None:
    with answering(lambda asked: Answer(status=401)) as server:
        with pytest.raises(Permanent, match="check `token`"), remote(server.url, token="old"):
            pytest.fail("it was loaded")
        assert [asked.method for asked in server.asked] == ["GET"]


def test_a_detector_that_is_not_there_is_named_at_load_with_those_that_are() -> None:
    with answering(well(Answer())) as server:
        with pytest.raises(Permanent, match="no detector face; it has: voice"):
            remote(server.url, detector=["face"]).__enter__()
        with pytest.raises(Permanent, match="none of its detectors looks at text; it has: voice"):
            remote(server.url, modality="text").__enter__()


# --- retries -----------------------------------------------------------------------------------


def in_turn(*answers: Answer) -> Says:
    """These answers first, then a good one for ever."""
    left = list(answers)
    return lambda asked: (
        as_json(ABOUT) if asked.method == "GET" else left.pop(0) if left else as_json(SYNTHETIC)
    )


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
    busy = Answer(status=429, headers={"Retry-After": written(1.0)})
    with before(in_turn(busy), retries=1, longest_wait_s=9.0) as (detector, server):
        began_s = time.monotonic()
        assert one(detector).confidence == 0.75
        assert 0.5 <= time.monotonic() - began_s < 5.0
        assert len(server.asked) == 2


def test_it_does_not_wait_for_longer_than_it_has() -> None:
    busy = Answer(status=503, headers={"Retry-After": "3600"})
    with before(in_turn(busy), retries=3) as (detector, server):
        began_s = time.monotonic()
        result = one(detector)
        assert result.abstained == "the remote detector is away (it is busy (503))"
        assert time.monotonic() - began_s < 1.0
        assert len(server.asked) == 1


def test_a_batch_ends_in_time_however_many_of_it_hang() -> None:
    with before(well(Answer(hangs=True)), concurrency=2, failures=100) as (detector, _):
        began_s = time.monotonic()
        results = detector.score(several(8))
        took_s = time.monotonic() - began_s
    assert [result.confidence for result in results] == [None] * 8
    assert took_s < detector.longest_wait_s + 0.8


# --- away for longer ---------------------------------------------------------------------------


def test_after_several_failures_in_a_row_it_is_left_alone_and_then_tried_with_one_window() -> None:
    with before(well(Answer(status=500)), failures=3, rest_s=0.5) as (detector, server):
        for _ in range(3):
            one(detector)
        assert len(server.asked) == 3
        began_s = time.monotonic()
        results = detector.score(several(8))
        assert time.monotonic() - began_s < 0.5
        assert len(server.asked) == 3
        reason = "the remote detector is away (it failed (500)), asked again in 1 s"
        assert [result.abstained for result in results] == [reason] * 8
        time.sleep(0.55)
        detector.score(several(8))
        assert len(server.asked) == 4, "half open, one window decides"
        time.sleep(0.55)
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


# --- secrets -----------------------------------------------------------------------------------


def test_no_secret_and_no_media_is_logged_or_shown(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answers = in_turn(Answer(status=503), Answer(b"s3cret?"), Answer(closes=True))
    with before(answers, token="s3cret", retries=1) as (detector, _):
        shown = [json.dumps(str(one(detector))) for _ in range(3)]
        shown += [detector.trouble, repr(detector), repr(vars(detector))]
    logged = [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert not [text for text in [*shown, *logged] if "s3cret" in text]


def test_pictures_are_sent_as_one_clip() -> None:
    about = {"v": 1, "detectors": [{"detector": "face", "modalities": ["video"]}]}
    says: Says = lambda asked: as_json(about if asked.method == "GET" else SYNTHETIC)  # noqa: E731
    frames = [a_frame(number, media_s=number / 2) for number in range(8)]
    with before(says, modality="video") as (detector, server):
        assert one(detector, a_window(*frames, end_s=4.0)).confidence == 0.75
        (asked,) = server.asked
    assert asked.headers["content-type"] == "video/x-matroska"
    assert asked.body[:4] == b"\x1a\x45\xdf\xa3"
