"""Laws of calibrated scores and their weight of evidence."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.alerts.calibration import (
    Platt,
    log_odds,
    probability,
    shifted_prior,
    weight_of_evidence,
)

probabilities = st.floats(0.0, 1.0)
inner = st.floats(0.002, 0.998)
priors = st.floats(0.01, 0.99)


@given(inner)
def test_probability_undoes_log_odds(p: float) -> None:
    assert probability(log_odds(p)) == pytest.approx(p, abs=1e-12)


@given(probabilities, probabilities)
def test_log_odds_are_finite_and_keep_the_order(p: float, q: float) -> None:
    low, high = sorted((p, q))
    assert math.isfinite(log_odds(low))
    assert log_odds(low) <= log_odds(high)


@given(st.floats(-1e308, 1e308))
def test_probability_takes_any_number_and_stays_in_bounds(x: float) -> None:
    assert 0.0 <= probability(x) <= 1.0


def test_certainty_is_believed_only_up_to_the_clip() -> None:
    assert log_odds(1.0, most_certain=0.99) == pytest.approx(math.log(99))
    assert log_odds(0.0, most_certain=0.99) == pytest.approx(-math.log(99))


@pytest.mark.parametrize("wrong", [-0.1, 1.1, math.nan, math.inf])
def test_what_is_no_probability_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"0\.\.1"):
        log_odds(wrong)


@pytest.mark.parametrize("wrong", [0.0, 1.0, -1.0, math.nan])
def test_a_prior_of_certainty_is_refused(wrong: float) -> None:
    with pytest.raises(ValueError, match="prior"):
        weight_of_evidence(0.5, prior=wrong)
    with pytest.raises(ValueError, match="deployed"):
        shifted_prior(0.5, trained=0.5, deployed=wrong)


def test_a_clip_that_clips_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="most_certain"):
        log_odds(0.5, most_certain=0.5)


@given(priors)
def test_a_score_equal_to_the_prior_is_no_evidence(prior: float) -> None:
    assert weight_of_evidence(prior, prior=prior) == pytest.approx(0.0, abs=1e-9)


@given(inner, priors)
def test_bayes_rule_recovers_the_likelihood_ratio(p: float, prior: float) -> None:
    ratio = (p / (1 - p)) / (prior / (1 - prior))
    assert weight_of_evidence(p, prior=prior) == pytest.approx(math.log(ratio), abs=1e-9)


@given(st.floats(0.01, 0.99), priors, priors)
def test_a_shift_of_the_prior_can_be_undone(p: float, trained: float, deployed: float) -> None:
    there = shifted_prior(p, trained=trained, deployed=deployed)
    if 0.001 < there < 0.999:  # within the clip nothing is lost
        back = shifted_prior(there, trained=deployed, deployed=trained)
        assert back == pytest.approx(p, abs=1e-9)


def test_what_is_rarer_in_the_field_is_less_likely_there() -> None:
    assert shifted_prior(0.9, trained=0.5, deployed=0.1) == pytest.approx(0.5)


def test_platt_scaling_of_calibrated_logits_changes_nothing() -> None:
    assert Platt().calibrated(log_odds(0.7)) == pytest.approx(0.7)


@given(st.floats(0.1, 5.0), st.floats(-3.0, 3.0), st.floats(-9.0, 9.0), st.floats(-9.0, 9.0))
def test_platt_scaling_keeps_the_order(slope: float, shift: float, a: float, b: float) -> None:
    scale = Platt(slope, shift)
    low, high = sorted((a, b))
    assert scale.calibrated(low) <= scale.calibrated(high)


@pytest.mark.parametrize("slope", [0.0, -1.0, math.nan, math.inf])
def test_a_slope_that_turns_scores_around_is_refused(slope: float) -> None:
    with pytest.raises(ValueError, match="slope"):
        Platt(slope)
