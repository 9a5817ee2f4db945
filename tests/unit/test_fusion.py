"""Laws of making one opinion out of several."""

from __future__ import annotations

import math
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.alerts.calibration import MOST_CERTAIN, log_odds
from streammon.alerts.fusion import Opinion, agreed, conflicts, pooled, spoken, strongest

weights = st.floats(1e-6, 1e300)
confidences = st.one_of(st.none(), st.floats(0, 1))


@st.composite
def panels(draw: st.DrawFn, least: int = 0) -> list[Opinion]:
    many = draw(st.lists(st.tuples(confidences, weights), min_size=least, max_size=7))
    return [Opinion(f"v{at}", said, weight) for at, (said, weight) in enumerate(many)]


def clipped(value: float) -> float:
    return min(max(value, 1 - MOST_CERTAIN), MOST_CERTAIN)


def test_a_hand_worked_pool() -> None:
    opinions = [Opinion("a", 0.9, 2.0), Opinion("b", 0.2, 1.0)]
    nats = (2 * math.log(9) + math.log(0.25)) / 3
    assert pooled(opinions) == pytest.approx(1 / (1 + math.exp(-nats)))


def test_two_that_say_the_same_are_no_surer_than_one() -> None:
    assert pooled([Opinion("a", 0.9), Opinion("b", 0.9)]) == pytest.approx(0.9)


@given(panels(), st.randoms(use_true_random=False))
def test_the_order_makes_no_difference(panel: list[Opinion], random: object) -> None:
    shuffled = sorted(panel, key=lambda each: hash((each.voice, str(random))))
    assert pooled(shuffled) == pooled(panel)
    assert strongest(shuffled) == strongest(panel)
    assert conflicts(shuffled) == conflicts(panel)
    if spoken(panel):
        assert agreed(shuffled, votes=1) == agreed(panel, votes=1)


@given(panels(), panels())
def test_abstentions_count_for_nothing(panel: list[Opinion], more: list[Opinion]) -> None:
    silent = [Opinion(f"silent{at}", None, each.weight) for at, each in enumerate(more)]
    assert pooled([*panel, *silent]) == pooled(panel)
    assert strongest([*panel, *silent]) == strongest(panel)
    assert conflicts([*panel, *silent]) == conflicts(panel)
    assert agreed([*silent, *panel], votes=2) == agreed(panel, votes=2)


@given(panels())
def test_what_comes_out_lies_between_what_went_in(panel: list[Opinion]) -> None:
    said = spoken(panel)
    together = pooled(panel)
    assert (together is None) == (not said)
    if together is not None:
        assert clipped(min(said)) <= together <= clipped(max(said))


@given(panels(least=1), st.integers(0, 6), st.floats(0, 1))
def test_more_confidence_never_lowers_the_pool(
    panel: list[Opinion], which: int, value: float
) -> None:
    at = which % len(panel)
    before = panel[at].confidence
    if before is None:
        return
    raised = Opinion(panel[at].voice, max(before, value), panel[at].weight)
    once, after = pooled(panel), pooled([*panel[:at], raised, *panel[at + 1 :]])
    assert once is not None
    assert after is not None
    assert log_odds(after) >= log_odds(once) - 1e-9


@given(panels(), st.integers(1, 7), st.floats(0, 1))
def test_a_vote_says_yes_exactly_when_so_many_do(
    panel: list[Opinion], votes: int, threshold: float
) -> None:
    yes = sum(confidence >= threshold for confidence in spoken(panel))
    together = agreed(panel, votes=votes)
    assert (together is not None and together >= threshold) == (yes >= votes)


@given(panels())
def test_conflicts_name_one_that_is_sure_on_each_side(panel: list[Opinion]) -> None:
    said = {each.voice: each.confidence for each in panel}
    found = conflicts(panel, sure=0.8)
    for conflict in found:
        high, low = said[conflict.synthetic], said[conflict.genuine]
        assert high is not None
        assert low is not None
        assert high >= 0.8
        assert low <= 0.2 + 1e-12
        assert conflict.synthetic in conflict.why
        assert conflict.genuine in conflict.why
    high_ones = sum(value is not None and value >= 0.8 for value in said.values())
    low_ones = sum(value is not None and value <= 1 - 0.8 for value in said.values())
    assert len(found) == high_ones * low_ones


def test_every_order_of_three_gives_the_same_number_to_the_last_bit() -> None:
    three = [Opinion("a", 0.1, 0.3), Opinion("b", 0.7, 0.1), Opinion("c", 0.99, 7.0)]
    assert len({pooled(order) for order in permutations(three)}) == 1


@pytest.mark.parametrize("weight", [0.0, -1.0, math.nan, math.inf])
def test_weights_that_mean_nothing_are_refused(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        Opinion("a", 0.5, weight)


@pytest.mark.parametrize("confidence", [-0.1, 1.1, math.nan])
def test_what_is_no_probability_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="probability"):
        Opinion("a", confidence)


def test_questions_that_make_no_sense_are_refused() -> None:
    with pytest.raises(ValueError, match="vote"):
        agreed([], votes=0)
    with pytest.raises(ValueError, match="sure"):
        conflicts([], sure=0.5)
