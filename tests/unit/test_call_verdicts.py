"""`result, score, consistency` of a call, from its windows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.sinks.call_verdicts import CallTally, Result
from tests.fakes import a_result


def tally(
    scores: list[float], *, alarm: bool = False, least_windows: int = 3, flagged_from: float = 0.8
) -> CallTally:
    made = CallTally(least_windows=least_windows)
    for score in scores:
        said = score >= flagged_from
        made.hear(a_result(confidence=score, is_ai_generated=said, details={"band": "telephone"}))
    if alarm:
        made.alarm()
    return made


def test_most_windows_decide_by_the_detectors_own_threshold() -> None:
    fake = tally([0.9, 0.9, 0.9, 0.6]).verdict()
    assert (fake.result, fake.score, fake.consistency, fake.windows) == (
        Result.FAKE, 0.825, 75.0, 4,
    )  # fmt: skip
    assert fake.band == "telephone"
    real = tally([0.6, 0.6, 0.6, 0.9]).verdict()
    assert (real.result, real.consistency) == (Result.REAL, 75.0)


def test_an_incident_decides_over_windows() -> None:
    verdict = tally([0.9, 0.2, 0.2, 0.2], alarm=True).verdict()
    assert (verdict.result, verdict.consistency) == (Result.FAKE, 25.0)
    assert tally([], alarm=True).verdict().result is Result.FAKE


@pytest.mark.parametrize("scores", [[], [0.9], [0.1, 0.1]])
def test_too_little_is_never_called_real(scores: list[float]) -> None:
    verdict = tally(scores).verdict()
    assert verdict.result is Result.INCONCLUSIVE
    assert verdict.consistency is None


def test_abstentions_count_for_nothing() -> None:
    made = tally([0.1, 0.1])
    for _ in range(20):
        made.hear(a_result(confidence=None, abstained="music"))
    assert made.windows == 2


@given(st.lists(st.floats(0.0, 1.0), max_size=40), st.booleans(), st.integers(1, 10))
def test_figures_are_in_range(scores: list[float], alarm: bool, least: int) -> None:
    verdict = tally(scores, alarm=alarm, least_windows=least).verdict()
    assert verdict.windows == len(scores)
    assert verdict.score is None or 0.0 <= verdict.score <= 1.0
    assert verdict.consistency is None or 0.0 <= verdict.consistency <= 100.0
    if verdict.result is Result.REAL:
        assert verdict.consistency is not None
        assert verdict.consistency > 50.0
