"""The monitor's own clock, and the one that tests hold in their hands."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.clock import MonotonicClock
from streammon.core.ports import Clock
from tests.fakes import FakeClock, settle


async def test_the_monotonic_clock_sleeps_at_least_as_long_as_asked() -> None:
    clock: Clock = MonotonicClock()
    before_ns = clock.now_ns()
    await clock.sleep(0.02)
    assert 0.019e9 <= clock.now_ns() - before_ns < 5e9


async def test_fake_time_moves_only_when_all_sleep() -> None:
    clock, seen = FakeClock(), list[tuple[str, int]]()

    async def sleeper(name: str, delay_s: float) -> None:
        await clock.sleep(delay_s)
        seen.append((name, clock.now_ns()))

    async def worker() -> None:
        for _ in range(50):  # busy: time must stand still
            await asyncio.sleep(0)
            assert clock.now_ns() == 0
        await clock.sleep(1)
        seen.append(("worker", clock.now_ns()))

    async with asyncio.TaskGroup() as group:
        group.create_task(sleeper("late", 3))
        group.create_task(sleeper("early", 2))
        group.create_task(worker())
    assert seen == [("worker", 10**9), ("early", 2 * 10**9), ("late", 3 * 10**9)]


async def test_a_cancelled_sleeper_moves_no_time() -> None:
    clock = FakeClock()
    async with asyncio.TaskGroup() as group:
        forgotten = group.create_task(clock.sleep(1000))
        await asyncio.sleep(0)
        forgotten.cancel()
        group.create_task(clock.sleep(1))
    assert clock.now_ns() == 10**9


@given(delays_s=st.lists(st.integers(0, 50), max_size=20), steps_s=st.lists(st.integers(0, 20)))
def test_advancing_wakes_everyone_at_their_own_time(
    delays_s: list[int], steps_s: list[int]
) -> None:
    async def scenario() -> None:
        clock, woken = FakeClock(auto=False), list[int]()

        async def sleeper(delay_s: int) -> None:
            await clock.sleep(delay_s)
            assert clock.now_ns() == delay_s * 10**9
            woken.append(delay_s)

        async with asyncio.TaskGroup() as group:
            for delay_s in delays_s:
                group.create_task(sleeper(delay_s))
            for step_s in steps_s:
                await clock.advance(step_s)
                now_s = clock.now_ns() // 10**9
                assert woken == sorted(at_s for at_s in delays_s if at_s <= now_s)
            await clock.advance(51)
        assert clock.now_ns() == (sum(steps_s) + 51) * 10**9

    asyncio.run(scenario())


async def test_standing_still_it_wakes_nobody() -> None:
    clock = FakeClock(auto=False)
    async with asyncio.TaskGroup() as group:
        asleep = group.create_task(clock.sleep(0.5))
        await settle()
        assert not asleep.done()
        await clock.advance(0.4)
        assert not asleep.done()
        await clock.advance(0.2)
        assert asleep.done()
    assert clock.now_ns() == pytest.approx(0.6e9)
