"""What a failure means: who is run again, after how long, and who is given up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.errors import Permanent, Retryable
from streammon.core.types import HealthState
from streammon.flow.supervise import Backoff, Supervision, keep_running, to_its_end, until
from tests.fakes import FakeClock, Reports, settle

STEADY = Supervision(Backoff(first_s=1.0, most_s=8.0, healthy_after_s=60.0), most_defects=3)


class Component:
    """Lives for so many seconds, then ends as the script says (`None`: it returns)."""

    def __init__(self, clock: FakeClock, lives: Sequence[tuple[float, Exception | None]]) -> None:
        self._clock = clock
        self._lives = iter(lives)
        self.runs = 0

    async def run_once(self) -> None:
        self.runs += 1
        lived_s, end = next(self._lives)
        if lived_s:
            await self._clock.sleep(lived_s)
        if end is not None:
            raise end


async def supervise(
    *lives: tuple[float, Exception | None], supervision: Supervision = STEADY
) -> tuple[Component, Reports, list[float]]:
    """Play the lives; also returns the pauses between them."""
    clock, reports = FakeClock(), Reports()
    component = Component(clock, lives)
    await keep_running(
        "cam", component.run_once, clock=clock, report=reports, supervision=supervision
    )
    lived = [lived_s for lived_s, _ in lives]
    return component, reports, [slept_s for slept_s in clock.slept_s if slept_s not in lived]


async def test_one_that_returns_is_done() -> None:
    component, reports, pauses_s = await supervise((0, None))
    assert (component.runs, reports, pauses_s) == (1, [], [])


async def test_retryable_is_run_again_after_growing_pauses() -> None:
    away = Retryable("camera rebooting")
    component, reports, pauses_s = await supervise(*[(0, away)] * 6, (0, None))
    assert component.runs == 7
    assert reports == [(HealthState.RETRYING, "camera rebooting")] * 6
    for pause_s, ceiling_s in zip(pauses_s, [1, 2, 4, 8, 8, 8], strict=True):
        assert ceiling_s / 2 <= pause_s <= ceiling_s


async def test_a_healthy_run_starts_the_pauses_again() -> None:
    away = Retryable("no packets for 5 s")
    lives = [*[(0.0, away)] * 4, (61.0, away), (0.0, away), (0.0, None)]
    _, _, pauses_s = await supervise(*lives)
    assert pauses_s[3] >= 4.0
    assert pauses_s[4] <= 1.0
    assert 1.0 <= pauses_s[5] <= 2.0


async def test_permanent_fails_at_once_and_says_what_to_do() -> None:
    component, reports, _ = await supervise((0, Permanent("login refused: set the password")))
    assert component.runs == 1
    assert reports == [(HealthState.FAILED, "login refused: set the password")]


async def test_a_defect_is_run_again_a_few_times_then_given_up() -> None:
    component, reports, _ = await supervise(*[(0, KeyError("bug"))] * 9)
    assert component.runs == 3
    assert [state for state, _ in reports] == [
        HealthState.RETRYING,
        HealthState.RETRYING,
        HealthState.FAILED,
    ]
    assert reports[-1][1] == "defect: KeyError: 'bug' (gave up after 3)"


async def test_defects_far_apart_are_never_given_up() -> None:
    component, reports, _ = await supervise(*[(61, KeyError("bug"))] * 9, (0, None))
    assert component.runs == 10
    assert HealthState.FAILED not in [state for state, _ in reports]


async def test_a_retryable_in_between_forgives_the_defects_before_it() -> None:
    bug, away = KeyError("bug"), Retryable("away")
    lives = [(0.0, bug), (0.0, bug), (0.0, away), (0.0, bug), (0.0, bug), (0.0, None)]
    component, _, _ = await supervise(*lives)
    assert component.runs == 6


async def test_a_failure_inside_a_task_group_keeps_its_meaning() -> None:
    away = ExceptionGroup("unhandled", [Retryable("away"), Retryable("away too")])
    refused = ExceptionGroup("unhandled", [Retryable("away"), Permanent("refused")])
    _, reports, _ = await supervise((0, away), (0, ExceptionGroup("outer", [refused])))
    assert reports == [(HealthState.RETRYING, "away"), (HealthState.FAILED, "refused")]


async def test_a_defect_beside_an_expected_failure_is_still_a_defect() -> None:
    both = ExceptionGroup("unhandled", [Permanent("refused"), KeyError("bug")])
    component, reports, _ = await supervise(*[(0, both)] * 3)
    assert component.runs == 3
    assert reports[-1][0] is HealthState.FAILED
    assert "KeyError" in reports[-1][1]


async def test_cancelling_is_not_a_failure() -> None:
    clock, reports = FakeClock(auto=False), Reports()
    component = Component(clock, [(1000, None)])
    async with asyncio.TaskGroup() as group:
        task = group.create_task(
            keep_running("cam", component.run_once, clock=clock, report=reports)
        )
        await settle()
        task.cancel()
    assert task.cancelled()
    assert reports == []


@given(first_s=st.floats(0.01, 10), most_s=st.floats(0.01, 100), attempt=st.integers(0, 10_000))
def test_a_pause_is_jittered_inside_its_bounds(first_s: float, most_s: float, attempt: int) -> None:
    ceiling_s = min(most_s, first_s * 2.0 ** min(attempt, 16))
    pauses_s = [Backoff(first_s=first_s, most_s=most_s).delay_s(attempt) for _ in range(20)]
    assert all(ceiling_s / 2 <= pause_s <= ceiling_s for pause_s in pauses_s)
    assert len(set(pauses_s)) > 1, "a thousand cameras would come back at the same moment"


async def test_until_runs_work_to_its_end() -> None:
    ended: list[str] = []

    async def work() -> None:
        await asyncio.sleep(0)
        ended.append("work")

    await until(asyncio.Event(), work())
    assert ended == ["work"]


async def test_until_cancels_work_at_stop_and_waits_for_its_clean_up() -> None:
    stop, cleaned = asyncio.Event(), list[str]()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.01)
            cleaned.append("work")

    asyncio.get_running_loop().call_soon(stop.set)
    await until(stop, work())
    assert cleaned == ["work"]


async def test_until_lets_work_go_on_while_something_is_done_first() -> None:
    stop, answered, said = asyncio.Event(), asyncio.Event(), list[str]()

    async def work() -> None:
        try:
            await stop.wait()
            await asyncio.sleep(0)
            answered.set()
            await asyncio.Event().wait()
        finally:
            said.append("left")

    async def first() -> None:
        await answered.wait()
        said.append("first")

    asyncio.get_running_loop().call_soon(stop.set)
    await until(stop, work(), first=first)
    assert said == ["first", "left"]


async def failing() -> None:
    raise KeyError("bug")


async def waiting() -> None:
    await asyncio.Event().wait()


@pytest.mark.parametrize("work", [failing, waiting])
async def test_until_hides_neither_errors_nor_cancellation(
    work: Callable[[], Coroutine[None, None, None]],
) -> None:
    task = asyncio.ensure_future(until(asyncio.Event(), work()))
    await settle()
    task.cancel()
    await asyncio.wait({task})
    if work is failing:
        error = task.exception()
        assert isinstance(error, ExceptionGroup)
        assert isinstance(error.exceptions[0], KeyError)
    else:
        assert task.cancelled()


async def test_what_must_end_whole_ends_though_its_waiter_is_cancelled() -> None:
    steps: list[str] = []
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def let_go() -> None:
        steps.append("begun")
        begun.set()
        await go_on.wait()
        steps.append("ended")

    waiter = asyncio.ensure_future(to_its_end(let_go()))
    await begun.wait()
    waiter.cancel()
    await asyncio.sleep(0)
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert steps == ["begun", "ended"]


async def test_an_error_of_what_must_end_whole_is_raised() -> None:
    async def fail() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await to_its_end(fail())
