"""Laws of a source's own clean level: what it changes, and what it can never change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.alerts.baseline import Baseline, BaselineConfig, Heard, Learning
from streammon.alerts.incidents import IncidentBook
from streammon.alerts.sequential import Cusum, CusumConfig, CusumEvidence
from streammon.config import AlertsConfig, parse_config
from streammon.core.errors import ConfigError
from streammon.core.types import AlertState, DetectionResult, StreamId
from tests.fakes import a_result

LEARN_S = 20.0
PLAIN = CusumConfig().build("plain")

confidences = st.floats(0.0, 1.0)
scores = st.lists(st.none() | confidences, min_size=1, max_size=60)
raises, lowers = st.floats(0.0, 3.0), st.floats(0.0, 3.0)


def a_rule(*, most_raise: float = 1.0, most_lower: float = 0.0, **named: Any) -> Cusum:
    baseline = BaselineConfig(
        learn_s=LEARN_S, most_raise=most_raise, most_lower=most_lower, clean=named
    )
    return CusumConfig(baseline=baseline).build("own level")


def row(
    said: Sequence[float | None], *, stream: str = "lobby", epoch: int = 0, begin_s: float = 0.0
) -> list[DetectionResult]:
    """Windows of 2 s, one behind the other."""
    return [
        a_result(
            stream=StreamId(stream),
            epoch=epoch,
            start_s=begin_s + 2.0 * at,
            end_s=begin_s + 2.0 * (at + 1),
            captured_ns=round((begin_s + 2.0 * (at + 1)) * 1e9),
            confidence=one,
            abstained="no speech" if one is None else None,
        )
        for at, one in enumerate(said)
    ]


def through(rule: Cusum, results: Sequence[DetectionResult]) -> list[CusumEvidence]:
    """The evidence after each result."""
    found: list[CusumEvidence] = []
    for result in results:
        found.append(rule.advance(found[-1] if found else None, result))
    return found


def levels(rule: Cusum, results: Sequence[DetectionResult]) -> list[tuple[float, bool, bool, int]]:
    return [(one.level, one.alarm, one.clear, one.windows) for one in through(rule, results)]


def learnt(rule: Cusum, clean: float, *, windows: int = 12) -> CusumEvidence:
    """After a clean start of windows that all say the same."""
    evidence = through(rule, row([clean] * windows))[-1]
    assert evidence.baseline.level is not None
    return evidence


# --- what it never changes ---------------------------------------------------------------------


@given(st.lists(st.none() | confidences, min_size=1, max_size=9), raises, lowers)
def test_nothing_is_changed_while_it_is_learnt(
    said: list[float | None], most_raise: float, most_lower: float
) -> None:
    rule = a_rule(most_raise=most_raise, most_lower=most_lower)
    assert levels(rule, row(said)) == levels(PLAIN, row(said))


@given(st.lists(st.none() | st.floats(0.501, 1.0), min_size=1, max_size=80), raises, lowers)
def test_a_stream_that_looks_synthetic_from_its_first_window_is_judged_as_without(
    said: list[float | None], most_raise: float, most_lower: float
) -> None:
    rule = a_rule(most_raise=most_raise, most_lower=most_lower)
    assert levels(rule, row(said)) == levels(PLAIN, row(said))


def test_a_stretch_in_which_the_alarm_was_raised_is_not_learnt_from() -> None:
    burst = [0.3, 0.3, 0.99, 0.99, 0.99, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3]
    found = through(a_rule(), row(burst * 5))
    assert any(one.alarm for one in found)
    assert all(one.baseline.level is None for one in found)


@given(scores, raises)
def test_evidence_lies_between_that_of_the_strictest_bound_and_that_without(
    said: list[float | None], most_raise: float
) -> None:
    results = row(said)
    strictest = CusumConfig(drift=CusumConfig().drift + most_raise).build("strictest")
    between = through(a_rule(most_raise=most_raise), results)
    for least, found, most in zip(
        through(strictest, results), between, through(PLAIN, results), strict=True
    ):
        assert least.level - 1e-6 <= found.level <= most.level + 1e-6


@given(st.lists(st.none() | st.floats(0.0, 0.59), min_size=1, max_size=80), lowers)
def test_windows_that_count_against_never_add_up_to_an_alarm(
    said: list[float | None], most_lower: float
) -> None:
    found = through(a_rule(most_lower=most_lower), row(said))
    assert not any(one.alarm or one.log_odds > 0.0 for one in found)


@given(st.floats(-5.0, 5.0), st.floats(-3.0, 3.0))
def test_what_a_window_is_worth_moves_within_the_bounds(step: float, shift: float) -> None:
    moved = Baseline(shift=shift).step(step)
    if shift >= 0.0:
        assert moved == step - shift
    elif step <= 0.0:
        assert step <= moved <= 0.0
    else:
        assert step <= moved <= min(step - shift, 2.0 * step)


@given(st.floats(-5.0, 5.0), st.floats(-5.0, 5.0), st.floats(-3.0, 3.0))
def test_more_confidence_is_never_worth_less(one: float, other: float, shift: float) -> None:
    low, high = sorted((one, other))
    assert Baseline(shift=shift).step(low) <= Baseline(shift=shift).step(high)


# --- what it is worth --------------------------------------------------------------------------


def genuine(count: int, *, off: float, spread: float, seed: int = 0) -> list[float]:
    """Confidences of genuine windows of a calibrated detector that is `off` nats off here."""
    nats = np.random.default_rng(seed).normal(-(spread**2) / 2 + off, spread, count)
    return [float(1.0 / (1.0 + np.exp(-one))) for one in nats]


@pytest.mark.parametrize("off", [-0.5, 0.0, 0.5, 1.0])
@pytest.mark.parametrize("spread", [0.5, 1.5])
def test_how_far_a_detector_is_off_is_found_from_its_clean_windows_alone(
    off: float, spread: float
) -> None:
    baseline = BaselineConfig(learn_s=1_900.0, most_raise=3.0, most_lower=3.0)
    rule = CusumConfig(threshold=500.0, baseline=baseline).build("patient")
    found = through(rule, row(genuine(960, off=off, spread=spread)))[-1].baseline
    if found.level is None:
        assert off >= spread**2 / 2, "half of its windows point to a forgery"
    else:
        assert found.shift == pytest.approx(off, abs=0.25)


def test_a_source_on_which_a_detector_is_a_nat_off_raises_fewer_false_alarms() -> None:
    plain = learning = 0
    for seed in range(20):
        results = row(genuine(400, off=1.0, spread=1.5, seed=seed))
        plain += alarms(PLAIN, results)
        learning += alarms(a_rule(), results)
    assert plain > 20
    assert learning < 0.6 * plain


def alarms(rule: Cusum, results: Sequence[DetectionResult]) -> int:
    """How often the alarm is raised."""
    said = [one.alarm for one in through(rule, results)]
    return sum(after and not before for before, after in pairwise([False, *said]))


def test_a_jump_within_a_quiet_source_counts_for_more() -> None:
    clean, jump = [0.02] * 12, [0.75] * 6
    plain = through(PLAIN, row([*clean, *jump]))
    found = through(a_rule(most_lower=1.0), row([*clean, *jump]))
    assert sum(one.alarm for one in found) > sum(one.alarm for one in plain)


@given(st.lists(st.floats(0.01, 0.3), min_size=12, max_size=12), st.floats(0.5, 0.99))
def test_a_few_odd_windows_do_not_move_the_level(said: list[float], odd: float) -> None:
    ordinary = through(a_rule(), row(said))[-1].baseline.level
    assert ordinary is not None
    shouted = through(a_rule(), row([*said[:4], odd, *said[4:]]))[-1].baseline
    if shouted.level is not None:
        worth = [math.log(one / (1.0 - one)) for one in said]
        assert min(worth) - 1e-9 <= shouted.level <= max(worth) + 1e-9


# --- whose it is, and for how long -------------------------------------------------------------


def a_book(rule: Cusum) -> IncidentBook:
    return IncidentBook(AlertsConfig(rule="default"), {"default": rule}, origin="test")


@given(st.data(), scores, scores)
def test_the_order_of_independent_sources_makes_no_difference(
    data: st.DataObject, one: list[float | None], other: list[float | None]
) -> None:
    streams = {"one": row(one, stream="one"), "other": row(other, stream="other")}
    book, mixed = a_book(a_rule(most_lower=1.0)), list[tuple[str, float, AlertState]]()
    waiting = {name: list(results) for name, results in streams.items()}
    while waiting := {name: left for name, left in waiting.items() if left}:
        name = data.draw(st.sampled_from(sorted(waiting)))
        for alert in book.judge(waiting[name].pop(0)):
            mixed.append((alert.stream, alert.media_s, alert.state))
    for name, results in streams.items():
        alone = a_book(a_rule(most_lower=1.0))
        said = [alert for result in results for alert in alone.judge(result)]
        assert [(alert.stream, alert.media_s, alert.state) for alert in said] == [
            each for each in mixed if each[0] == name
        ]


@given(scores)
def test_the_same_history_teaches_the_same(said: list[float | None]) -> None:
    rule = a_rule(most_lower=1.0)
    assert through(rule, row(said)) == through(rule, row(said))


def test_a_reconnect_keeps_what_was_learnt() -> None:
    rule = a_rule()
    before = learnt(rule, 0.6 - 0.11)
    after = rule.advance(before, row([0.5], epoch=1)[0])
    assert after.baseline == before.baseline
    assert after.learnt == before.learnt


def test_a_source_that_ended_is_forgotten() -> None:
    book = a_book(a_rule())
    results = row([0.4] * 12)
    for result in results:
        book.judge(result)
    assert "clean level" in str(book.noted(results[-1]).details["baseline"])
    book.end_stream(StreamId("lobby"), captured_ns=0, why="the stream ended")
    (again,) = row([0.4], begin_s=100.0)
    book.judge(again)
    assert book.noted(again).details["baseline"] == "learning: 2 of 20 s"


def test_alerts_say_what_was_learnt_and_rules_without_a_baseline_say_nothing() -> None:
    results = row([*[0.4] * 12, *[0.99] * 6])
    book = a_book(a_rule())
    (opened, *_) = [alert for result in results for alert in book.judge(result)]
    assert opened.state is AlertState.OPENED
    told = [str(one.details["baseline"]) for one in opened.results]
    assert told[-1] == "clean level -0.4, spread 0.0 nats: as for any source"
    plain = a_book(PLAIN)
    (opened, *_) = [alert for result in results for alert in plain.judge(result)]
    assert all("baseline" not in one.details for one in opened.results)
    assert plain.noted(results[-1]) is results[-1]


# --- a stretch that the operator names ---------------------------------------------------------


def test_a_named_stretch_is_believed_within_the_bound() -> None:
    """Half of its windows point to a forgery: without a name it would not be learnt from."""
    results = row([0.65] * 20)
    rule = a_rule(lobby={"from_s": 4.0, "to_s": 30.0})
    baseline = through(rule, results)[-1].baseline
    assert baseline.level == baseline.shift == pytest.approx(math.log(0.65 / 0.35))
    assert through(a_rule(), results)[-1].baseline.level is None


def test_another_stream_learns_from_what_looks_clean() -> None:
    rule = a_rule(lobby={"from_s": 4.0, "to_s": 30.0})
    found = through(rule, row([0.2] * 12, stream="hall"))
    assert found[-1].baseline.level is not None


def test_where_too_little_of_a_named_stretch_was_scored_any_clean_one_will_do() -> None:
    rule = a_rule(lobby={"from_s": 0.0, "to_s": 10.0})
    found = through(rule, row([0.3] * 30))
    first = next(at for at, one in enumerate(found) if one.baseline.level is not None)
    assert not found[0].baseline.passed
    assert 2.0 * (first + 1) == 10.0 + LEARN_S


def test_however_short_the_windows_are_a_bounded_number_is_kept() -> None:
    learning = Learning(BaselineConfig())
    baseline = Baseline()
    heard = Heard("chat", 0, 0.0, 0.0, 0.0, nats=-1.0, alarm=False)
    for at in range(1_100):
        baseline = learning.advance(baseline, replace(heard, start_s=at, end_s=at))
        assert len(baseline.heard) < 1_000
    assert baseline.level == -1.0


# --- settings ----------------------------------------------------------------------------------


def test_it_is_a_setting_of_a_rule_and_off_unless_it_is_set() -> None:
    assert CusumConfig().baseline is None
    config = parse_config(
        {
            "rules": {
                "default": {
                    "type": "cusum",
                    "baseline": {"learn_s": 60, "clean": {"lobby": {"to_s": 90}}},
                }
            }
        }
    )
    rule: Any = config.rules["default"]
    assert rule.baseline.clean["lobby"].to_s == 90.0


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"learn_s": 1}, r"rules\.default\.baseline\.learn_s"),
        ({"most_raise": 9}, r"rules\.default\.baseline\.most_raise"),
        ({"clean": {"lobby": {"from_s": 9, "to_s": 3}}}, "to_s must be after from_s"),
        ({"stretch": 3}, "no such setting"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        parse_config({"rules": {"default": {"type": "cusum", "baseline": wrong}}})
