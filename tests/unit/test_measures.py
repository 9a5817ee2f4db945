"""Every figure is what scikit-learn or a hand-worked example says it is."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, roc_auc_score, roc_curve

from streammon.evaluation.measures import (
    MEASURES,
    NEED_BOTH,
    Counts,
    Floats,
    auc,
    brier,
    calibration_error,
    equal_error_rate,
    figures,
    hits_at,
    reliability,
    roc,
)

grained = st.integers(0, 20).map(lambda n: n / 20)
"""Many equal scores, some of them on the edges of the calibration bins."""
scores = st.lists(st.one_of(grained, st.floats(0, 1)), min_size=1, max_size=60).map(np.array)


def labelled(real: Floats, fake: Floats) -> tuple[Floats, Floats]:
    label = np.concatenate([np.zeros(len(real)), np.ones(len(fake))])
    return label, np.concatenate([real, fake])


def counts(real: Sequence[float], fake: Sequence[float]) -> Counts:
    return Counts.of(np.array(real, dtype=float), np.array(fake, dtype=float))


# --- against scikit-learn --------------------------------------------------------------------


@given(scores, scores)
def test_auc_is_that_of_scikit_learn(real: Floats, fake: Floats) -> None:
    expected = roc_auc_score(*labelled(real, fake))
    assert auc(Counts.of(real, fake)) == pytest.approx(expected, abs=1e-12)


@given(scores, scores)
def test_the_curve_is_that_of_scikit_learn(real: Floats, fake: Floats) -> None:
    false_alarms, hits, thresholds = roc_curve(*labelled(real, fake), drop_intermediate=False)
    found = roc(Counts.of(real, fake))
    np.testing.assert_allclose(found.false_alarms, false_alarms)
    np.testing.assert_allclose(found.hits, hits)
    np.testing.assert_array_equal(found.thresholds, thresholds)


@given(scores, scores, st.sampled_from([0.0, 0.01, 0.05, 0.1, 0.5, 1.0]))
def test_hits_are_those_of_the_best_threshold_that_exists(
    real: Floats, fake: Floats, limit: float
) -> None:
    false_alarms, hits, _ = roc_curve(*labelled(real, fake), drop_intermediate=False)
    expected = hits[false_alarms <= limit].max()
    assert hits_at(Counts.of(real, fake), false_alarms=limit) == pytest.approx(expected)


@given(scores, scores)
def test_the_equal_error_rate_lies_on_the_curve_of_scikit_learn(real: Floats, fake: Floats) -> None:
    false_alarms, hits, _ = roc_curve(*labelled(real, fake), drop_intermediate=False)
    rate = equal_error_rate(Counts.of(real, fake))
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(false_alarms), np.diff(hits)))])
    fine = np.union1d(np.linspace(0, along[-1], 20_001), along)
    alarms, misses = np.interp(fine, along, false_alarms), 1 - np.interp(fine, along, hits)
    at = int(np.argmin(np.abs(alarms - misses)))
    assert rate == pytest.approx((alarms[at] + misses[at]) / 2, abs=2e-4)


@given(scores, scores)
def test_the_brier_score_is_that_of_scikit_learn(real: Floats, fake: Floats) -> None:
    expected = brier_score_loss(*labelled(real, fake))
    assert brier(Counts.of(real, fake)) == pytest.approx(expected, abs=1e-12)


@given(scores, scores)
def test_reliability_is_that_of_scikit_learn(real: Floats, fake: Floats) -> None:
    label, score = labelled(real, fake)
    found, said = calibration_curve(label, score, n_bins=10)
    bins = reliability(Counts.of(real, fake))
    np.testing.assert_allclose([one.found for one in bins], found)
    np.testing.assert_allclose([one.said for one in bins], said)
    assert sum(one.count for one in bins) == len(label)
    weights = np.array([one.count for one in bins]) / len(label)
    expected = float((weights * np.abs(found - said)).sum())
    assert calibration_error(Counts.of(real, fake)) == pytest.approx(expected)


# --- laws ------------------------------------------------------------------------------------


@given(scores, scores)
def test_changing_sides_turns_the_curve_over(real: Floats, fake: Floats) -> None:
    here, there = Counts.of(real, fake), Counts.of(fake, real)
    assert auc(there) == pytest.approx(1.0 - auc(here))
    assert equal_error_rate(there) == pytest.approx(1.0 - equal_error_rate(here))


@given(scores, scores)
def test_every_figure_is_a_share(real: Floats, fake: Floats) -> None:
    for value in figures(Counts.of(real, fake)).values():
        assert value is not None
        assert 0.0 <= value <= 1.0


# --- by hand ---------------------------------------------------------------------------------


def test_a_perfect_detector() -> None:
    found = figures(counts([0.0, 0.0], [1.0, 1.0, 1.0]))
    assert found == {
        "auc": 1.0, "eer": 0.0, "tpr_at_1": 1.0, "tpr_at_5": 1.0, "brier": 0.0, "ece": 0.0,
    }  # fmt: skip


def test_a_detector_that_always_says_the_same() -> None:
    found = figures(counts([0.5] * 4, [0.5] * 4))
    assert found == {
        "auc": 0.5, "eer": 0.5, "tpr_at_1": 0.0, "tpr_at_5": 0.0, "brier": 0.25, "ece": 0.0,
    }  # fmt: skip


def test_a_worked_example() -> None:
    """Of 4 x 4 pairs 13 are in order and one is tied; errors are equal at one in four."""
    some = counts([0.1, 0.2, 0.4, 0.8], [0.3, 0.8, 0.9, 1.0])
    assert auc(some) == (13 + 0.5) / 16
    # Above 0.4 one of four reals is called fake and one of four fakes is missed.
    assert equal_error_rate(some) == pytest.approx(0.25)
    assert hits_at(some, false_alarms=0.05) == 0.5  # 0.9 and 1.0; 0.8 would let a real one in
    squares = [0.01, 0.04, 0.16, 0.64, 0.49, 0.04, 0.01, 0.0]
    assert brier(some) == pytest.approx(sum(squares) / 8)


def test_errors_that_meet_within_a_tie_are_those_of_the_line_between() -> None:
    """From (0, 1/2) to (1/2, 1): the line meets `false alarms = misses` at a quarter."""
    assert equal_error_rate(counts([0.1, 0.5], [0.5, 0.9])) == pytest.approx(0.25)


def test_with_few_reals_no_false_alarm_is_allowed() -> None:
    """One in twenty is 5 %, one in nineteen is more."""
    fakes = [0.5] * 10
    assert hits_at(counts([0.0] * 19 + [0.9], fakes), false_alarms=0.05) == 1.0
    assert hits_at(counts([0.0] * 18 + [0.9], fakes), false_alarms=0.05) == 0.0


def test_what_needs_both_classes_is_left_out_without() -> None:
    only_real = figures(counts([0.1, 0.3], []))
    assert {name for name, value in only_real.items() if value is None} == NEED_BOTH
    assert only_real["brier"] == pytest.approx(0.05)
    assert set(figures(counts([], [])).values()) == {None}
    with pytest.raises(ValueError, match="reals and fakes"):
        roc(counts([0.1], []))
    assert set(only_real) == set(MEASURES)


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_score_that_is_no_number_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        counts([0.1, wrong], [0.5])
