from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streammon.detectors.sound_signals import listen, repeated_buffer_s

RATE_HZ = 16_000
Sound = NDArray[np.float32]


def noise(duration_s: float, *, level: float = 0.1, seed: int = 0) -> Sound:
    rng = np.random.default_rng(seed)
    return rng.normal(0, level, int(duration_s * RATE_HZ)).astype(np.float32)


@given(st.integers(90, 5_500), st.integers(0, 100))
def test_a_repeated_buffer_is_found_with_its_length_or_a_multiple(size: int, seed: int) -> None:
    buffer = noise(0.5, seed=seed)[:size]
    found = repeated_buffer_s(np.tile(buffer, 2 * RATE_HZ // size + 1)[: 2 * RATE_HZ], RATE_HZ)
    assert found is not None
    times = found * RATE_HZ / size
    assert times == pytest.approx(round(times), abs=1e-6)
    assert times >= 0.99


def test_a_little_noise_over_it_as_a_codec_leaves_does_not_hide_it() -> None:
    again = np.tile(noise(0.02), 100) + noise(2.0, level=0.005, seed=1)
    assert repeated_buffer_s(again.astype(np.float32), RATE_HZ) is not None


@given(st.integers(0, 1_000))
def test_noise_is_not_a_repeated_buffer(seed: int) -> None:
    assert repeated_buffer_s(noise(2.0, seed=seed), RATE_HZ) is None


def test_a_buffer_that_repeats_only_in_part_of_the_time_is_not_stuck_yet() -> None:
    half = np.concatenate([noise(1.0), np.tile(noise(0.02, seed=2), 50)])
    assert repeated_buffer_s(half, RATE_HZ) is None


def test_a_slower_repetition_may_be_a_beat() -> None:
    assert repeated_buffer_s(np.tile(noise(0.5), 4), RATE_HZ) is None


def test_too_little_sound_says_nothing() -> None:
    assert repeated_buffer_s(np.tile(noise(0.02), 30), RATE_HZ) is None


@pytest.mark.parametrize(
    ("sound", "empty", "heard", "stuck"),
    [
        (np.zeros(32_000, np.float32), True, False, False),
        (np.full(32_000, 5e-5, np.float32), True, False, False),
        (np.full(32_000, 0.2, np.float32), False, True, True),
        (noise(2.0, level=0.0005), False, False, False),
        (noise(2.0), False, True, False),
    ],
    ids=["zero", "below what a codec leaves", "constant", "quiet room", "loud"],
)
def test_sound_is_empty_heard_or_stuck(sound: Sound, empty: bool, heard: bool, stuck: bool) -> None:
    look = listen(sound, RATE_HZ)
    assert look.empty_s == pytest.approx(2.0 if empty else 0.0, abs=0.001)
    assert (look.heard, look.stuck) == (heard, stuck)


def test_how_long_the_end_is_empty_is_told_to_the_sample() -> None:
    ends = np.concatenate([noise(1.5), np.zeros(8_000, np.float32)])
    assert listen(ends, RATE_HZ).empty_s == pytest.approx(0.5, abs=0.01)
    assert listen(ends[::-1], RATE_HZ).empty_s == 0.0


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_any_rate_will_do(rate_hz: int) -> None:
    buffer = noise(0.5)[: rate_hz // 50]
    assert listen(np.tile(buffer, 100), rate_hz).repeat_s == pytest.approx(0.02, rel=0.01)
