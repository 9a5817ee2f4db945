from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streammon.detectors.sound_causes import SoundHistory, SoundTimes, sound_findings
from tests.scenes import RATE_HZ, chunks

TIMES = SoundTimes(silent_s=15.0, stuck_s=4.0)


def sound(duration_s: float, level: float = 0.1) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return rng.normal(0, level, int(duration_s * RATE_HZ)).astype(np.float32)


def history(pcm: NDArray[np.float32]) -> SoundHistory:
    kept = SoundHistory(gap_s=8.0)
    for chunk in chunks(pcm, chunk_s=2.0):
        kept.add(chunk)
    return kept


def silence(duration_s: float) -> NDArray[np.float32]:
    return np.zeros(int(duration_s * RATE_HZ), np.float32)


def test_sound_has_no_cause() -> None:
    assert sound_findings(history(sound(8.0)), TIMES) == []


def test_silence_after_sound_is_half_of_its_most_after_the_time_that_is_set() -> None:
    (found,) = sound_findings(history(np.concatenate([sound(6.0), silence(16.0)])), TIMES)
    assert (found.cause, found.details) == ("silent", {"for_s": 16.0, "heard_before": True})
    assert found.confidence == pytest.approx(0.54, abs=0.02)


def test_a_click_is_not_sound_before_silence() -> None:
    kept = history(np.concatenate([sound(1.0), silence(41.0)]))
    (found,) = sound_findings(kept, TIMES)
    assert found.details["heard_before"] is False
    assert found.confidence <= 0.1


def test_silence_is_timed_from_the_last_sound_and_not_from_the_chunk() -> None:
    (found,) = sound_findings(history(np.concatenate([sound(5.3), silence(10.7)])), TIMES)
    assert found.details["for_s"] == pytest.approx(10.7, abs=0.02)


def test_before_silence_a_tone_is_sound_and_one_value_is_not() -> None:
    tone = 0.3 * np.sin(np.arange(6 * RATE_HZ) / 10).astype(np.float32)
    (after_tone,) = sound_findings(history(np.concatenate([tone, silence(10.0)])), TIMES)
    constant = np.full(6 * RATE_HZ, 0.3, np.float32)
    (after_constant,) = sound_findings(history(np.concatenate([constant, silence(10.0)])), TIMES)
    assert after_tone.details["heard_before"] is True
    assert after_constant.details["heard_before"] is False


def test_who_often_mutes_himself_is_given_twice_as_long() -> None:
    last = silence(16.0)
    once = np.concatenate([sound(6.0), silence(12.0), sound(6.0), last])
    often = np.concatenate([sound(6.0), silence(12.0)] * 2 + [sound(6.0), last])
    (after_one,), (after_two,) = (sound_findings(history(each), TIMES) for each in (once, often))
    assert after_one.confidence == pytest.approx(0.54, abs=0.02)
    assert after_two.confidence == pytest.approx(0.16, abs=0.02)


def test_stuck_sound_tells_the_length_of_its_buffer() -> None:
    (found,) = sound_findings(history(np.tile(sound(0.02), 400)), TIMES)
    assert found.cause == "stuck"
    assert found.details["buffer_s"] == pytest.approx(0.02)
    assert found.details["for_s"] == 8.0


def test_a_stretch_is_heard_once_and_a_hole_begins_anew() -> None:
    kept = SoundHistory(gap_s=8.0)
    first, second, *_, last = chunks(silence(60.0), chunk_s=2.0)
    for chunk in (first, second, second, first):
        kept.add(chunk)
    (found,) = sound_findings(kept, TIMES)
    assert found.details["for_s"] == 4.0
    kept.add(last)
    (found,) = sound_findings(kept, TIMES)
    assert found.details["for_s"] == 2.0
