"""How well movement follows sound, at which offset, and how often chance does as well."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.detectors.synchrony import (
    COLUMNS,
    LAGS_S,
    LEAD_S,
    LEAST_STEPS,
    ROWS,
    STEP_S,
    Curve,
    Floats,
    follow,
    loudness,
    movement,
)

STEPS = 250
BLOCKS = ROWS * COLUMNS


def syllables(seed: int, steps: int = STEPS) -> Floats:
    """A loudness that rises and falls like speech: smooth noise."""
    noise = np.random.default_rng(seed).normal(size=steps + 4)
    return np.convolve(noise, np.ones(5) / 5, mode="valid")


def talker(loud: Floats, *, lag: int, seed: int, noise: float = 1.0) -> Floats:
    """Blocks of noise, of which ten move with the sound, `lag` steps ahead of it."""
    random = np.random.default_rng(seed)
    moving = noise * random.normal(size=(len(loud), BLOCKS))
    moving[:, 30:40] += 1.5 * np.roll(loud, -lag)[:, None] / loud.std()
    return moving


@given(st.integers(-9, 9), st.integers(0, 10_000))
@settings(max_examples=40, deadline=None)
def test_the_offset_that_was_put_in_is_found(lag: int, seed: int) -> None:
    loud = syllables(seed)
    curve = follow(talker(loud, lag=lag, seed=seed + 1), loud, seed=seed)
    assert curve is not None
    assert curve.p_value <= 0.05
    assert curve.offset_s == pytest.approx(lag * STEP_S - LEAD_S, abs=STEP_S + 1e-9)


def test_what_moves_by_itself_follows_no_better_than_chance() -> None:
    p_values = []
    for seed in range(40):
        moving = np.random.default_rng(seed).normal(size=(STEPS, BLOCKS))
        curve = follow(moving, syllables(1000 + seed), seed=seed)
        assert curve is not None
        p_values.append(curve.p_value)
    assert sum(p <= 0.05 for p in p_values) <= 6  # 2 expected; more than 6 once in 100
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(
    ("lag", "out"), [(2, False), (3, False), (1, False), (-4, True), (8, True), (-8, True)]
)
def test_only_an_offset_that_people_notice_is_out_of_step(lag: int, out: bool) -> None:
    loud = syllables(3)
    curve = follow(talker(loud, lag=lag, seed=4, noise=0.5), loud)
    assert curve is not None
    assert (curve.out_of_step > 0.9) == out
    assert (curve.out_of_step < 0.1) != out


def test_stretches_say_more_together_than_alone() -> None:
    curves = []
    for seed in range(5):
        loud = syllables(seed, 100)
        curve = follow(talker(loud, lag=8, seed=seed + 50, noise=2.5), loud, seed=seed)
        assert curve is not None
        curves.append(curve)
    together = Curve.summed(curves)
    assert together.out_of_step > max(curve.out_of_step for curve in curves[:1])
    assert together.p_value == pytest.approx(1 / 40)
    assert together.steps == 500
    assert len(LAGS_S) == len(together.real)


def test_too_little_or_nothing_that_moves_is_no_comparison() -> None:
    loud = syllables(0)
    assert follow(np.zeros((STEPS, BLOCKS)), loud) is None
    assert follow(talker(loud, lag=0, seed=0), np.zeros(STEPS)) is None
    few = LEAST_STEPS - 1
    assert follow(talker(loud, lag=0, seed=0)[:few], loud[:few]) is None


def test_movement_is_where_the_picture_changes() -> None:
    still = np.full((120, 160, 3), 100, np.uint8)
    changed = still.copy()
    changed[60:75, 80:96] = 180  # the block in row 4, column 5
    moving = movement([still, changed, changed])
    assert moving is not None
    assert moving.shape == (2, BLOCKS)
    assert moving[0].argmax() == 4 * COLUMNS + 5
    assert np.ptp(moving[1]) == 0.0
    assert movement([still, still[:60]]) is None
    assert movement([np.zeros((4, 4, 3), np.uint8)] * 2) is None


def test_loudness_is_of_speech_and_not_of_hum() -> None:
    t = np.arange(16_000) / 16_000
    tone = np.sin(2 * np.pi * 1000 * t) * (t > 0.5)
    hum = np.sin(2 * np.pi * 50 * t)
    loud = loudness((tone + hum).astype(np.float32), 16_000)
    assert len(loud) == 25
    assert loud[15:].min() - loud[:10].max() > 3.0
    assert len(loudness(np.zeros(10, np.float32), 16_000)) == 0
