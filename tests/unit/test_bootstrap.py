"""Intervals: wide enough, by groups, the same each time, and absent where nothing is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from streammon.evaluation.bootstrap import Interval, Redrawn, rate_interval
from streammon.evaluation.measures import MEASURES, Counts, Floats, auc


def redrawn(fake: list[bool], scores: Floats, groups: list[str], **more: int) -> Interval | None:
    return Redrawn(np.array(fake), scores, groups, **more).intervals({"auc": auc})["auc"]


def known(interval: Interval | None) -> Interval:
    assert interval is not None
    return interval


def width(interval: Interval | None) -> float:
    return known(interval).high - known(interval).low


def test_the_interval_is_wider_when_a_speaker_has_many_clips() -> None:
    rng = np.random.default_rng(0)
    voice = np.repeat(rng.normal(size=20), 10)
    fake = [False] * 100 + [True] * 100
    scores = voice + np.array(fake) * 1.0
    by_speaker = redrawn(fake, scores, [str(n // 10) for n in range(200)])
    by_clip = redrawn(fake, scores, [str(n) for n in range(200)])
    assert width(by_speaker) > 1.5 * width(by_clip)


def test_a_group_keeps_its_reals_and_fakes_together_and_each_kind_its_number() -> None:
    """Speakers 0 to 2 have a real and a fake clip of one level, 3 and 4 a real one of level 0."""
    fake = np.array([False, True] * 3 + [False] * 2)
    level = np.array([1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 0.0, 0.0])
    seen: list[Counts] = []

    def look(counts: Counts) -> float:
        seen.append(counts)
        return 0.0

    Redrawn(fake, level, list("00112234")).intervals({"look": look})
    assert len(seen) == 1000
    for counts in seen:
        assert (counts.real.sum(), counts.fake.sum()) == (5, 3)
        np.testing.assert_array_equal(counts.real[1:], counts.fake[1:])
    assert len({tuple(counts.fake) for counts in seen}) == 10  # ways to draw three of three


def test_the_same_seed_gives_the_same_interval_and_another_does_not() -> None:
    rng = np.random.default_rng(1)
    scores, groups = rng.normal(size=80), [str(n // 2) for n in range(80)]
    fake = [n % 4 < 2 for n in range(80)]
    assert redrawn(fake, scores, groups) == redrawn(fake, scores, groups)
    assert redrawn(fake, scores, groups) != redrawn(fake, scores, groups, seed=5)


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    """AUC of N(1, 1) against N(0, 1) is Phi(1 / sqrt 2) = 0.7602; 95 % intervals of 150 draws."""
    rng = np.random.default_rng(2)
    fake = [False] * 40 + [True] * 40
    held = 0
    for _ in range(150):
        scores = rng.normal(size=80) + np.array(fake)
        found = known(redrawn(fake, scores, [str(n) for n in range(80)], rounds=200))
        held += found.low <= 0.7602 <= found.high
    assert 0.88 <= held / 150 <= 0.99


@pytest.mark.parametrize(
    ("fake", "groups"),
    [
        ([False, False, True, True], ["a", "b", "c", "c"]),  # one voice made every fake
        ([False, False, True, True], ["a", "a", "b", "c"]),
        ([True, False], ["a", "a"]),
        ([], []),
    ],
)
def test_one_group_of_a_class_says_nothing_of_others(fake: list[bool], groups: list[str]) -> None:
    assert redrawn(fake, np.linspace(0.0, 1.0, len(fake)), groups) is None


def test_a_class_that_is_not_there_is_not_needed_for_calibration() -> None:
    scores = np.array([0.1, 0.4, 0.2])
    found = Redrawn(np.array([False] * 3), scores, ["a", "b", "c"])
    assert known(found.intervals({"brier": MEASURES["brier"]})["brier"]).low >= 0.01


@given(st.integers(0, 60), st.floats(0.1, 1000))
def test_the_interval_of_a_rate_is_garwoods(count: int, hours: float) -> None:
    found = rate_interval(count, hours)
    low = chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    assert found.low == pytest.approx(low / hours, rel=1e-6)
    assert found.high == pytest.approx(chi2.ppf(0.975, 2 * count + 2) / 2 / hours, rel=1e-6)


def test_after_no_alert_at_all_the_rate_may_still_be_some() -> None:
    found = rate_interval(0, 2.0)
    assert found.low == 0.0
    assert found.high == pytest.approx(1.844, abs=0.001)
    with pytest.raises(ValueError, match="positive"):
        rate_interval(1, 0.0)
