"""Threads that make calls one after the other, and are given up when one hangs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Generator

import pytest

from streammon.config import SchedulerConfig
from streammon.core.errors import Permanent
from streammon.scheduler.guard import MOST_ABANDONED, WATCH_EVERY_S, GuardedThread
from streammon.scheduler.thread import CallThread, DeviceThread, Step
from streammon.scheduler.work import Work
from tests.fakes import FakeClock

LIMIT_S = 10.0
SECOND_NS = 10**9


@pytest.fixture
def release() -> Generator[threading.Event]:
    """Set at the end of the test: then what hangs comes back."""
    event = threading.Event()
    yield event
    event.set()


async def test_calls_run_one_after_the_other_on_one_thread() -> None:
    thread, at_once, seen = DeviceThread("cpu"), 0, []

    def work(number: int) -> str:
        nonlocal at_once
        at_once += 1
        seen.append((number, at_once))
        time.sleep(0.005)
        at_once -= 1
        return threading.current_thread().name

    names = await asyncio.gather(*(thread.start(work, number) for number in range(5)))
    assert len(set(names)) == 1
    assert seen == [(number, 1) for number in range(5)]
    await thread.stop()
    await thread.stop()


async def test_stopping_waits_for_the_call_without_holding_up_the_loop() -> None:
    thread, release, turns = DeviceThread("cpu"), threading.Event(), 0
    running = thread.start(release.wait, 10.0)

    async def release_soon() -> None:
        nonlocal turns
        for _ in range(5):
            await asyncio.sleep(0.01)
            turns += 1
        release.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(release_soon())
        await thread.stop()
    assert turns == 5
    assert await running


async def test_a_thread_that_does_not_stop_in_time_is_abandoned(release: threading.Event) -> None:
    thread = DeviceThread("cpu")
    busy = thread.start(release.wait, LIMIT_S)
    assert not await thread.stop(within_s=0.1)
    assert not busy.done(), "it was not waited for"
    assert thread.abandoned
    assert await thread.stop(), "there is nothing left to stop"
    with pytest.raises(RuntimeError, match="takes no more calls"):
        thread.start(int)


async def test_abandoned_its_waiting_calls_are_cancelled_and_never_made(
    release: threading.Event,
) -> None:
    thread, entered, made = DeviceThread("cpu"), threading.Event(), threading.Event()

    def call() -> str:
        entered.set()
        release.wait(LIMIT_S)
        return "late"

    running, waiting = thread.start(call), thread.start(made.set)
    async with asyncio.timeout(LIMIT_S):
        while not entered.is_set():  # noqa: ASYNC110 - it happens on another thread
            await asyncio.sleep(0.005)
        thread.abandon()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        release.set()
        assert await running == "late", "whoever still waits for it gets it"
    assert not made.is_set()


def test_calls_that_wait_are_bounded(release: threading.Event) -> None:
    thread, entered = CallThread("few", most=2), threading.Event()

    def call() -> None:
        entered.set()
        release.wait(LIMIT_S)

    thread.submit(call)
    assert entered.wait(LIMIT_S)
    for _ in range(2):
        thread.submit(int)
    with pytest.raises(RuntimeError, match="few: takes no more calls"):
        thread.submit(int)
    release.set()
    thread.end()
    assert thread.join(LIMIT_S)


def test_what_a_call_raises_is_raised_by_its_future_whatever_it_is() -> None:
    thread = CallThread("raising")

    def leave() -> None:
        raise SystemExit(3)

    future = thread.submit(leave)
    assert isinstance(future.exception(LIMIT_S), SystemExit)
    assert thread.submit(int).result(LIMIT_S) == 0, "the thread goes on"
    thread.end()
    assert thread.join(LIMIT_S)


def test_a_thread_that_was_never_needed_was_never_started() -> None:
    thread = CallThread("unused")
    thread.end()
    assert thread.join(0.0)


# --- guarded -----------------------------------------------------------------------------------


def guarded(clock: FakeClock) -> GuardedThread:
    work = Work("cpu", {}, SchedulerConfig(device="cpu"), clock=clock, cache=None)
    return GuardedThread("cpu", work, shortest_limit_s=30.0, clock=clock)


async def test_a_call_is_believed_to_hang_when_it_was_overdue_at_two_looks() -> None:
    """A process that was stopped for an hour finds all its calls overdue, and none to blame."""
    clock = FakeClock(auto=False)
    guard = guarded(clock)
    assert guard.look_every_s == WATCH_EVERY_S
    guard.thread.step = first = Step("slow", "score", 0, limit_s=30.0)
    await clock.advance(30.0)
    assert guard.overdue() is None, "not yet"
    await clock.advance(3600.0)
    assert guard.overdue() is None, "for the first time"
    guard.thread.step = Step("slow", "score", clock.now_ns(), limit_s=30.0)
    assert guard.overdue() is None, "another call"
    guard.thread.step = first
    assert guard.overdue() is None
    assert guard.overdue() is first


async def test_a_call_that_came_back_meanwhile_is_not_left() -> None:
    guard = guarded(FakeClock(auto=False))
    step = Step("slow", "score", 0, limit_s=30.0)
    thread = guard.thread
    assert not guard.leave(step)
    assert guard.thread is thread
    thread.step = step
    assert guard.leave(step)
    assert guard.thread is not thread
    assert thread.abandoned


async def test_a_device_is_called_stuck_after_one_too_many() -> None:
    guard = guarded(FakeClock(auto=False))
    for number in range(MOST_ABANDONED + 1):
        guard.raise_if_stuck()
        guard.thread.step = Step(f"d{number}", "score", 0, limit_s=30.0)
        assert guard.leave(guard.thread.step)
    with pytest.raises(Permanent, match="cpu is stuck: d0, d1, d2, d3"):
        guard.raise_if_stuck()
