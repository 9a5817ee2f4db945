"""What batches cost, and who gives way when not all can be looked at."""

from __future__ import annotations

import itertools
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.scheduler.slo import (
    LEAST_SHARE,
    LOOSEN_AFTER,
    MOST_BUSY,
    CostModel,
    Load,
    Plan,
    Planner,
    shares,
)


def learnt(fixed_s: float, each_s: float, sizes: list[int], *, noise: float = 0.0) -> CostModel:
    cost, dice = CostModel(), random.Random(1)
    for size in sizes:
        cost.learn(size, (fixed_s + size * each_s) * (1 + dice.uniform(-noise, noise)))
    return cost


costs = st.floats(0.0, 0.1)


@given(
    fixed_s=costs,
    each_s=st.floats(1e-4, 0.1),
    sizes=st.lists(st.integers(1, 64), min_size=2, max_size=60).filter(
        lambda sizes: max(sizes) >= 2 * min(sizes)
    ),
)
def test_exact_costs_are_learnt_exactly(fixed_s: float, each_s: float, sizes: list[int]) -> None:
    sizes = sizes[:4] * 8 if max(sizes[:4]) >= 2 * min(sizes[:4]) else [1, 2] * 8
    cost = learnt(fixed_s, each_s, sizes)
    for size in sizes:
        assert cost.expected_s(size) == pytest.approx(fixed_s + size * each_s, rel=0.01, abs=1e-6)


@given(took=st.lists(st.tuples(st.integers(1, 64), st.floats(0.0, 10.0)), max_size=60))
def test_costs_are_never_negative_whatever_was_measured(took: list[tuple[int, float]]) -> None:
    cost = CostModel()
    for windows, took_s in took:
        cost.learn(windows, took_s)
        assert cost.fixed_s >= 0
        assert cost.per_window_s >= 0
        assert math.isfinite(cost.expected_s(100))
    assert cost.expected_s(0) == 0


def test_noise_is_averaged_out() -> None:
    dice = random.Random(2)
    sizes = [dice.randint(1, 32) for _ in range(200)]
    cost = learnt(0.02, 0.005, sizes, noise=0.2)
    assert cost.expected_s(32) == pytest.approx(0.18, rel=0.15)


def test_one_size_alone_still_predicts_that_size() -> None:
    cost = learnt(0.02, 0.005, [8] * 20)
    assert cost.expected_s(8) == pytest.approx(0.06)


def test_one_hiccup_moves_little_and_a_lasting_change_is_learnt() -> None:
    cost = learnt(0.01, 0.01, [1, 4, 8] * 20)
    cost.learn(4, 5.0)
    assert cost.expected_s(4) < 0.07
    for size in [1, 4, 8] * 30:
        cost.learn(size, 2 * (0.01 + 0.01 * size))
    assert cost.expected_s(8) == pytest.approx(0.18, rel=0.05)


def test_a_batch_is_as_large_as_is_useful() -> None:
    assert CostModel().most_useful(32, within_s=0.5) == 32, "nothing is known: try"
    assert learnt(0.001, 0.1, [1, 2, 4] * 9).most_useful(32, within_s=0.5) == 4
    assert learnt(0.1, 0.001, [1, 2, 4] * 9).most_useful(32, within_s=0.5) == 32
    assert learnt(0.0, 0.01, [1, 2, 4] * 9).most_useful(32, within_s=0.5) == 8
    assert learnt(0.01, 1.0, [1, 2, 4] * 9).most_useful(32, within_s=0.5) == 1


# --- shares ------------------------------------------------------------------------------------

loads = st.lists(
    st.builds(
        Load,
        key=st.integers(),
        detector=st.just("d"),
        rate_hz=st.floats(0.1, 10.0),
        priority=st.floats(0.1, 50.0),
        patience=st.floats(1.0, 5.0),
    ),
    min_size=1,
    max_size=30,
)


def given_shares(asked: list[Load], level: float) -> list[float]:
    return [min(1.0, level * load.priority / load.patience) for load in asked]


@given(asked=loads, capacity=st.floats(0.1, 1.0))
def test_capacity_is_used_up_and_never_more(asked: list[Load], capacity: float) -> None:
    cost_s = [0.01] * len(asked)
    level = shares(asked, cost_s, capacity)
    given_out = given_shares(asked, level)
    used = sum(
        load.rate_hz * cost * share
        for load, cost, share in zip(asked, cost_s, given_out, strict=True)
    )
    full = sum(load.rate_hz * 0.01 for load in asked)
    assert used == pytest.approx(min(full, capacity), rel=1e-6)
    assert all(share > 0 for share in given_out)


@given(asked=loads, capacity=st.floats(0.1, 1.0))
def test_who_counts_more_is_never_looked_at_less(asked: list[Load], capacity: float) -> None:
    given_out = given_shares(asked, shares(asked, [0.05] * len(asked), capacity))
    ranked = sorted(zip((load.priority / load.patience for load in asked), given_out, strict=True))
    assert [share for _, share in ranked] == sorted(given_out)


@given(asked=loads, capacity=st.floats(0.1, 1.0))
def test_more_load_from_others_never_raises_a_share(asked: list[Load], capacity: float) -> None:
    more = [*asked, Load("new", "d", 5.0, 1.0)]
    before = shares(asked, [0.05] * len(asked), capacity)
    after = shares(more, [0.05] * len(more), capacity)
    assert after <= before * (1 + 1e-9)


def test_calm_streams_wait_first_and_others_only_when_that_is_not_enough() -> None:
    calm = [Load(("calm", i), "d", 1.0, 1.0, patience=4.0) for i in range(10)]
    lively = [Load(("lively", i), "d", 1.0, 1.0) for i in range(10)]
    asked = [*calm, *lively]
    given_out = given_shares(asked, shares(asked, [0.1] * 20, 1.5))
    assert given_out == pytest.approx([0.5] * 10 + [1.0] * 10)
    given_out = given_shares(asked, shares(asked, [0.1] * 20, 0.625))
    assert given_out == pytest.approx([0.125] * 10 + [0.5] * 10)


# --- planning ----------------------------------------------------------------------------------


def planner(alert_within_s: float = 2.0) -> Planner:
    return Planner(alert_within_s=alert_within_s, batch_wait_s=0.05)


def update(
    plans: Planner, streams: int, each_s: float, *, waited_s: float = 0.1, busy: float | None = None
) -> Plan:
    asked = [Load(number, "d", 1.0, 1.0) for number in range(streams)]
    cost = {"d": learnt(0.0, each_s, [1, 2, 4] * 6)}
    return plans.update(
        asked,
        cost,
        {"d": 8},
        waited_p95_s=waited_s,
        busy=plans.plan.planned if busy is None else busy,
    )


def test_with_capacity_to_spare_every_window_is_looked_at() -> None:
    plan = update(planner(), 10, 0.05)
    assert set(plan.stretch.values()) == {1.0}
    assert plan.asked == pytest.approx(0.5, rel=0.01)
    assert not plan.degraded
    assert plan.longest_wait_s == pytest.approx(10 * 0.05 + 0.05, rel=0.01)


def test_too_much_is_stretched_to_fit_and_said() -> None:
    plan = update(planner(), 40, 0.05)
    assert list(plan.stretch.values()) == pytest.approx([2.0 / MOST_BUSY] * 40, rel=0.01)
    assert plan.planned == pytest.approx(MOST_BUSY)
    assert plan.least_served == pytest.approx(MOST_BUSY / 2, rel=0.01)
    assert plan.degraded


def test_however_little_a_stream_counts_it_is_not_forgotten() -> None:
    asked = [Load(number, "d", 1.0, 1e6 if number else 1.0) for number in range(100)]
    cost = {"d": learnt(0.0, 0.05, [1, 2, 4] * 6)}
    plan = planner().update(asked, cost, {"d": 8}, waited_p95_s=0.1, busy=0.0)
    assert plan.stretch[0] == pytest.approx(1 / LEAST_SHARE)


def test_it_recovers_but_not_at_the_first_sign() -> None:
    plans = planner()
    update(plans, 40, 0.05)
    history = [update(plans, 10, 0.05) for _ in range(2 * LOOSEN_AFTER + 1)]
    assert [plan.degraded for plan in history[: LOOSEN_AFTER - 1]] == [True] * (LOOSEN_AFTER - 1)
    assert not history[-1].degraded
    assert set(history[-1].stretch.values()) == {1.0}


def test_load_that_swings_does_not_make_the_intervals_swing() -> None:
    plans = planner()
    stretches = []
    for turn in range(40):
        plan = update(plans, 40, 0.05 if turn % 2 else 0.04)
        stretches.append(next(iter(plan.stretch.values())))
    assert len({round(stretch, 6) for stretch in stretches[2:]}) == 1
    assert plans.plan.degraded


def test_results_that_come_too_late_shrink_what_is_planned_for() -> None:
    plans = planner(alert_within_s=1.0)
    late = [update(plans, 18, 0.05, waited_s=3.0) for _ in range(5)]
    assert late[-1].planned < late[0].planned
    assert late[-1].degraded
    for _ in range(60):
        well = update(plans, 18, 0.05, waited_s=0.2)
    assert not well.degraded
    assert plans.capacity == MOST_BUSY


def test_time_that_the_plan_leaves_idle_is_given_back() -> None:
    """Costs were taken for twice what they are: half of the planned time is not used."""
    plans = planner()
    first = update(plans, 40, 0.05)
    for _ in range(30):
        last = update(plans, 40, 0.05, busy=plans.plan.planned / 2)
    assert last.planned > 1.5 * first.planned
    for _ in range(60):
        last = update(plans, 40, 0.05, busy=1.0)
    assert last.planned == pytest.approx(MOST_BUSY, rel=0.02)


@given(
    steps=st.lists(
        st.tuples(st.integers(0, 50), st.floats(0.001, 0.2), st.floats(0.0, 5.0), st.floats(0, 1)),
        max_size=30,
    )
)
def test_whatever_happens_nobody_is_left_out(
    steps: list[tuple[int, float, float, float]],
) -> None:
    plans = planner()
    for streams, each_s, waited_s, busy in steps:
        plan = update(plans, streams, each_s, waited_s=waited_s, busy=busy)
        assert len(plan.stretch) == streams
        assert all(1.0 <= factor <= 1 / LEAST_SHARE for factor in plan.stretch.values())
        for one, other in itertools.pairwise(plan.stretch.values()):
            assert one == other, "equals are treated equally"
