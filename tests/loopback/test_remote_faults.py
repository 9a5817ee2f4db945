"""A remote detector before a real HTTP server that is well, wrong or hostile."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import threading
import time

import pytest

from streammon.core.errors import Permanent
from streammon.core.types import StreamId
from streammon.detectors import remote_line
from tests.answering import Answer, Asked, answering, as_json
from tests.fakes import a_chunk, a_frame, a_window
from tests.loopback.far_detector import (
    ABOUT,
    SYNTHETIC,
    Says,
    before,
    heard,
    in_turn,
    one,
    remote,
    several,
    well,
)

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
    four = threading.Barrier(4)

    def by_length(asked: Asked) -> Answer:
        if asked.method == "GET":
            return as_json(ABOUT)
        four.wait(10.0)  # nobody is answered before four have asked
        return as_json({**SYNTHETIC, "confidence": len(asked.body) / 1e6})

    windows = [
        a_window(a_chunk(duration_s=0.5 + number / 10, stream=StreamId(f"s{number}")), end_s=9.0)
        for number in range(8)
    ]
    with before(by_length, concurrency=4) as (detector, server):
        results = detector.score(windows)
        server.answer = well(as_json(SYNTHETIC))
        detector.score(windows[:1])
    confidences = [result.confidence for result in results]
    assert None not in confidences
    assert confidences == sorted(confidence or 0.0 for confidence in confidences)
    assert [result.stream for result in results] == [window.stream for window in windows]
    assert server.most_at_once == 4
    assert server.connections == 4


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
    limit_s = 1.0 if answer.hangs or answer.trickles else 15.0
    with before(well(answer), timeout_s=limit_s) as (detector, server):
        began_s = time.monotonic()
        result = one(detector)
        took_s = time.monotonic() - began_s
        assert result.confidence is None
        assert result.abstained is not None
        assert result.abstained.startswith("the remote detector is away (")
        assert re.search(why, result.abstained), result.abstained
        assert re.search(why, detector.trouble)
        server.answer = well(as_json(SYNTHETIC))
        tries = 3 if limit_s == 1.0 else 1  # a busy machine may take a second to answer well
        assert 0.75 in (one(detector).confidence for _ in range(tries))
        assert detector.trouble == ""
    assert took_s < 12.0, "it would have come to no end by itself"


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
