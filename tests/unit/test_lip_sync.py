"""Lips against the voice, on a drawn face that speaks with recorded speech."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from streammon.core.types import (
    AudioChunk,
    ClockTrust,
    DetectionResult,
    Item,
    Modality,
    StreamId,
    VideoFrame,
    Window,
)
from streammon.detectors.lip_sync import MOST_REMEMBERED, LipSync, LipSyncConfig
from tests.drawn_face import Image, drawn_face
from tests.drawn_talker import talker
from tests.fakes import a_chunk, a_frame
from tests.streamed import results_of

BOTH = frozenset({Modality.AUDIO, Modality.VIDEO})


def results(items: Iterator[Item], **settings: Any) -> list[DetectionResult]:
    return results_of(LipSync("lips", LipSyncConfig(**settings)), items)


@cache
def in_step() -> tuple[DetectionResult, ...]:
    """What is said of a talker whose sound is in step."""
    return tuple(results(talker()))


def sure(found: list[DetectionResult]) -> list[DetectionResult]:
    return [one for one in found if one.confidence is not None]


def reasons(found: list[DetectionResult]) -> list[str]:
    told = [one.abstained for one in found if one.abstained is not None]
    return [why for why in told if not why.startswith("waits for the")]


def number(result: DetectionResult, name: str) -> float:
    return float(str(result.details[name]))


def test_lips_that_follow_the_voice_count_as_genuine() -> None:
    found = list(in_step())
    last = sure(found)[-1]
    assert last.confidence is not None
    assert last.confidence < 0.2
    assert last.is_ai_generated is False
    assert last.kind == "lip_sync"
    assert abs(number(last, "offset_ms")) <= 80
    assert number(last, "correlation") > 0.4
    assert number(last, "speech_s") >= 6.0


@pytest.mark.parametrize("late_s", [-0.4, 0.32])
def test_a_voice_that_is_shifted_is_found_and_its_offset_told(late_s: float) -> None:
    last = sure(results(talker(late_s=late_s)))[-1]
    assert last.confidence is not None
    assert last.confidence > 0.8
    assert last.is_ai_generated
    assert number(last, "offset_ms") == pytest.approx(1000 * late_s, abs=80)


def test_only_what_is_set_to_be_experimental_is() -> None:
    assert not any(one.experimental for one in in_step())
    marked = [one.experimental for one in sure(results(talker(late_s=0.32), experimental=True))]
    assert marked
    assert all(marked)


def test_the_speaker_among_two_is_judged_and_both_are_drawn() -> None:
    last = sure(results(talker(faces=2)))[-1]
    assert last.confidence is not None
    assert last.confidence < 0.2
    (speaker,) = [region for region in last.regions if region.label == "speaker"]
    (other,) = [region for region in last.regions if region.label == "face"]
    assert speaker.x2 < 0.5 < other.x1
    assert speaker.score == last.confidence
    assert other.score is None


def test_it_waits_until_enough_was_said() -> None:
    found = list(in_step())
    early = [why for why in reasons(found) if why.startswith("too little speech with a face")]
    assert early
    assert sure(found)[0].end_s > 6.0
    assert not sure(results(talker(), least_speech_s=20.0))


def test_the_later_half_of_each_pair_carries_the_verdict() -> None:
    found = list(in_step())
    waits = [one for one in found if (one.abstained or "").startswith("waits for the")]
    assert len(waits) == pytest.approx(len(found) / 2, abs=1)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"speaks": False}, "no mouth in the picture moves"),
        ({"size_px": 24}, "the face is too small"),
        ({"rate": 5}, "too few frames"),
    ],
)
def test_what_cannot_be_judged_is_told_by_its_reason(how: dict[str, Any], why: str) -> None:
    found = results(talker(**how))
    assert sure(found) == []
    assert any(why in told for told in reasons(found))


def test_silence_makes_it_abstain() -> None:
    silent = (
        replace(item, pcm=np.zeros_like(item.pcm)) if isinstance(item, AudioChunk) else item
        for item in talker()
    )
    found = results(silent)
    assert sure(found) == []
    assert any("silence" in why for why in reasons(found))


def test_pictures_without_a_face_make_it_abstain() -> None:
    grey: Image = np.full((180, 320, 3), 120, np.uint8)
    blank = (
        replace(item, image_rgb=grey) if isinstance(item, VideoFrame) else item for item in talker()
    )
    found = results(blank)
    assert sure(found) == []
    assert any(why == "no face in the picture" for why in reasons(found))


def test_a_relay_that_stamps_anew_is_not_judged() -> None:
    found = results(talker(), clock_trusted=False)
    assert {one.abstained for one in found} == {
        "the timing between sound and picture is not the sender's"
    }


@pytest.mark.parametrize(
    ("clock", "why"),
    [("arrival", "is not the sender's so far"), ("broken", "contradicts itself")],
)
def test_pictures_that_are_put_by_no_clock_of_the_sender_are_not_judged(
    clock: ClockTrust, why: str
) -> None:
    found = results(
        replace(item, clock=clock) if isinstance(item, VideoFrame) else item for item in talker()
    )
    assert sure(found) == []
    assert any(why in told for told in reasons(found))


def test_what_was_seen_before_the_sender_told_its_clock_counts_once_it_did() -> None:
    told = [
        replace(item, clock="arrival")
        if isinstance(item, VideoFrame) and item.media_s < 8
        else item
        for item in talker()
    ]
    first = sure(results(iter(told)))[0]
    assert first.start_s < 15.0
    assert number(first, "speech_s") > 6.0


def test_a_face_that_no_sound_fits_is_judged_unless_voices_may_be_off() -> None:
    apart = 5.0
    judged = sure(results(talker(late_s=apart)))[-1]
    assert judged.confidence is not None
    assert judged.confidence > 0.5
    found = results(talker(late_s=apart), voices_off=True)
    assert [one for one in sure(found) if number(one, "beyond_chance") < 2.5] == []


def test_a_new_epoch_begins_with_nothing() -> None:
    again = [replace(item, epoch=1) for item in talker() if item.media_s < 6.0]
    found = results(iter([*talker(), *again]))
    assert [one for one in sure(found) if one.epoch == 0]
    assert [one for one in sure(found) if one.epoch == 1] == []


def test_what_is_remembered_stays_bounded_while_faces_come_and_go() -> None:
    detector = LipSync("lips", LipSyncConfig(memory_s=6.0))
    detector.load("cpu")
    grey: Image = np.full((180, 320, 3), 120, np.uint8)
    for at in range(8):
        frames = tuple(
            a_frame(
                75 * at + n,
                media_s=3.0 * at + n / 25,
                image_rgb=drawn_face() if n < 50 else grey,
            )
            for n in range(0, 75, 2)
        )
        window = Window(
            stream=StreamId("cam"), modality=Modality.VIDEO, epoch=0, start_s=3.0 * at,
            end_s=3.0 * at + 3.0, items=frames,
        )  # fmt: skip
        sound = replace(
            window,
            modality=Modality.AUDIO,
            items=(replace(a_chunk(duration_s=3.0), media_s=3.0 * at),),
        )
        detector.score([window])
        detector.score([sound])
    talk = detector._talks.of(window)
    assert 1 <= len(talk.faces) <= MOST_REMEMBERED
    kept = sum(len(times) for face in talk.faces.values() for times, _ in face.stretches)
    assert kept <= 25 * 9
