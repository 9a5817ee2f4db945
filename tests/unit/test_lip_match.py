"""A mouth that follows the sound is found to, at the offset that it has, and chance is not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.detectors.lip_match import (
    LEAD_STEPS,
    MOST_LAG,
    Mask,
    Match,
    match,
    on_grid,
    quick,
)
from streammon.detectors.lip_signals import BANDS, MEASURES, STEP_S, Floats


def talk(seconds: float, *, late: int, seed: int = 0, noise: float = 0.7) -> tuple[Floats, Floats]:
    """Mouths and powers that share syllables, the sound `late` steps behind the mouth."""
    random = np.random.default_rng(seed)
    steps = round(seconds / STEP_S)
    beat = np.convolve(random.normal(0, 1, steps + 100), np.hanning(7), "same")
    beat = (beat - beat.mean()) / beat.std()
    seen, heard = beat[50 : 50 + steps], beat[50 - late : 50 - late + steps]
    gap = 6 + 2 * (seen + noise * random.normal(0, 1, steps))
    mouths = np.tile([6.0, 14.0, 40.0, 24.0, 30.0, 50.0], (steps, 1))
    mouths[:, :3] += (gap - 6)[:, None]
    powers = np.exp(heard[:, None] + noise * random.normal(0, 1, (steps, BANDS)))
    return np.abs(mouths), powers


def everywhere(rows: Floats) -> Mask:
    return np.ones(len(rows), bool)


def compared(mouths: Floats, powers: Floats) -> Match:
    found = match(mouths, everywhere(mouths), powers, everywhere(powers))
    assert found is not None
    return found


@settings(max_examples=40, deadline=None)
@given(late=st.integers(-20, 20), seed=st.integers(0, 50))
def test_the_offset_is_found_again(late: int, seed: int) -> None:
    found = compared(*talk(20.0, late=late, seed=seed))
    assert found.offset_s == pytest.approx((late - LEAD_STEPS) * STEP_S, abs=STEP_S)


@pytest.mark.parametrize("seed", range(10))
def test_in_step_is_told_from_shifted(seed: int) -> None:
    assert compared(*talk(12.0, late=LEAD_STEPS, seed=seed)).out_of_step < 0.2
    assert compared(*talk(12.0, late=10, seed=seed)).out_of_step > 0.8
    assert compared(*talk(12.0, late=-10, seed=seed)).out_of_step > 0.8


def test_chance_stays_within_chance() -> None:
    best = []
    for seed in range(20):
        mouths, _ = talk(20.0, late=0, seed=seed)
        _, powers = talk(20.0, late=0, seed=seed + 100)
        found = compared(mouths, powers)
        best.append(max(found.near, found.far))
        assert found.out_of_step > 0.05
    assert np.median(best) < 4.0


def test_how_large_the_face_and_how_loud_the_voice_make_no_difference() -> None:
    mouths, powers = talk(10.0, late=3)
    one, other = compared(mouths, powers), compared(3 * mouths, 0.01 * powers)
    np.testing.assert_allclose(one.correlation, other.correlation, atol=1e-4)


def test_what_is_not_known_changes_nothing_wherever_it_is() -> None:
    mouths, powers = talk(20.0, late=8)
    seen, heard = everywhere(mouths), everywhere(powers)
    seen[100:160] = heard[300:350] = False
    mouths[~seen], powers[~heard] = 1e6, 1e6
    found = match(mouths, seen, powers, heard)
    assert found is not None
    assert found.steps == (seen & heard).sum()
    assert found.offset_s == pytest.approx(7 * STEP_S, abs=STEP_S)


def test_too_little_or_nothing_that_changes_cannot_be_compared() -> None:
    mouths, powers = talk(10.0, late=0)
    little = everywhere(mouths)
    little[50:] = False
    assert match(mouths, little, powers, everywhere(powers)) is None
    still = np.tile(mouths[:1], (len(mouths), 1))
    assert match(still, everywhere(still), powers, everywhere(powers)) is None
    flat = np.ones_like(powers)
    assert match(mouths, everywhere(mouths), flat, everywhere(flat)) is None
    assert match(mouths[:40], little[:40], powers[:40], little[:40]) is None


def test_the_best_at_the_edge_of_the_search_has_an_offset_too() -> None:
    found = compared(*talk(20.0, late=MOST_LAG))
    assert found.offset_s == pytest.approx((MOST_LAG - LEAD_STEPS) * STEP_S, abs=STEP_S)


@given(start=st.floats(0, 5), rate=st.floats(12, 60))
def test_a_line_is_a_line_on_any_grid(start: float, rate: float) -> None:
    times_s = start + np.arange(60) / rate
    grid_s = np.arange(0.0, 8.0, STEP_S)
    found, known = on_grid(times_s, np.stack([times_s, -2 * times_s], axis=1), grid_s)
    np.testing.assert_allclose(found[known], np.stack([grid_s, -2 * grid_s], axis=1)[known])
    assert (known == ((grid_s >= times_s[0]) & (grid_s <= times_s[-1]))).all()


def test_holes_are_not_filled() -> None:
    times_s = np.concatenate([np.arange(25), np.arange(50, 75)]) * STEP_S
    grid_s = np.arange(75, dtype=np.float64) * STEP_S + 0.001
    found, known = on_grid(times_s, np.ones((50, MEASURES)), grid_s)
    assert known[:24].all()
    assert not known[25:50].any()
    assert known[51:74].all()
    assert not on_grid(times_s[:1], np.ones((1, 2)), times_s)[1].any()
    assert found.shape == (75, MEASURES)


def test_slow_changes_go_and_syllables_stay() -> None:
    time_s = np.arange(500) * STEP_S
    syllables = np.sin(2 * np.pi * 4 * time_s)
    left = quick((syllables + 5 * np.sin(2 * np.pi * 0.05 * time_s))[:, None], np.ones(500, bool))
    middle = slice(50, 450)
    assert np.corrcoef(left[middle, 0], syllables[middle])[0, 1] > 0.98
