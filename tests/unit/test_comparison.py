"""What detectors share that hold one thing against another."""

from __future__ import annotations

from typing import Any

import pytest

from streammon.core.types import Modality, Window
from streammon.detectors.comparison import (
    InStepConfig,
    Verdict,
    judged,
    speech_in,
    too_few,
    waits_for_other,
)
from tests.fakes import a_chunk, a_frame, a_window


def test_each_window_has_its_verdict_in_order_and_the_time_it_took() -> None:
    def by_start(window: Window) -> Verdict:
        early = window.start_s < 1.0
        return Verdict("too early") if early else Verdict(None, window.start_s / 10, {"x": 1})

    windows = [a_window(a_frame(25 * number)) for number in (0, 7, 8)]
    found = judged(windows, by_start, detector="d", kind="k", model_used="m", threshold=0.8)
    assert [one.abstained for one in found] == ["too early", None, None]
    assert [one.confidence for one in found] == [None, 0.7, 0.8]
    assert [one.is_ai_generated for one in found] == [None, False, True]
    assert [one.start_s for one in found] == [window.start_s for window in windows]
    assert all(one.processing_time_s > 0 for one in found)
    assert found[1].details == {"x": 1}


@pytest.mark.parametrize(
    ("modality", "other"), [(Modality.VIDEO, "sound"), (Modality.AUDIO, "picture")]
)
def test_the_first_half_says_which_it_waits_for(modality: Modality, other: str) -> None:
    verdict = waits_for_other(a_window(a_frame(), modality=modality))
    assert verdict.abstained == f"waits for the {other} of the same time"


@pytest.mark.parametrize(
    ("count", "apart_s", "enough"),
    [(1, 1.0, False), (2, 0.0, False), (26, 1 / 25, True), (13, 1 / 12, True), (12, 1 / 11, False)],
)
def test_a_mouth_needs_twelve_frames_a_second(count: int, apart_s: float, enough: bool) -> None:
    frames = [a_frame(number, media_s=number * apart_s) for number in range(count)]
    assert (too_few(frames) is None) is enough


@pytest.mark.parametrize(
    ("sound", "reason"),
    [
        ({"duration_s": 0.9}, "less than 1 s of sound at 16000 Hz"),
        ({"duration_s": 2.0, "rate_hz": 8_000}, "less than 1 s of sound at 16000 Hz"),
        ({"duration_s": 2.0}, "music or noise, not speech"),
    ],
)
def test_sound_that_is_no_speech_is_said_to_be_none(sound: dict[str, Any], reason: str) -> None:
    chunk = a_chunk(**sound)
    heard, activity = speech_in(a_window(chunk, end_s=2.0), least_s=1.0, least_speech_s=0.3)
    assert heard is chunk
    assert activity.reason == reason


def test_less_than_six_seconds_are_nothing_to_judge_by() -> None:
    with pytest.raises(ValueError, match="memory_s"):
        InStepConfig(memory_s=5.9)
