"""Blocking iterators on the event loop: nothing stays behind, nothing is lost uncounted."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from streammon.core.errors import Retryable
from streammon.flow.channel import WhenFull
from streammon.flow.threads import on_thread
from tests.fakes import settle

POLICIES = list(WhenFull)


def counting(limit: int | None = None) -> Callable[[threading.Event], Iterator[int]]:
    """Counts up, as a camera does: a little wait for each, looking whether it may go on."""

    def items(leaving: threading.Event) -> Iterator[int]:
        number = 0
        while limit is None or number < limit:
            if limit is None and leaving.wait(0.001):
                return
            yield number
            number += 1

    return items


def alive(name: str) -> bool:
    return any(thread.name == name for thread in threading.enumerate())


@pytest.mark.parametrize("policy", POLICIES)
async def test_everything_arrives_when_there_is_room(policy: WhenFull) -> None:
    async with on_thread("roomy", counting(50), capacity=50, when_full=policy) as items:
        assert [number async for number in items] == list(range(50))
    assert not alive("roomy")


async def test_a_blocking_thread_waits_for_a_slow_reader() -> None:
    async with on_thread("slow", counting(50), capacity=2, when_full=WhenFull.BLOCK) as items:
        got = []
        async for number in items:
            got.append(number)
            await asyncio.sleep(0.001)
    assert got == list(range(50))
    assert items.dropped == 0


async def test_a_live_thread_leaves_the_newest() -> None:
    done = threading.Event()

    def burst(leaving: threading.Event) -> Iterator[int]:
        yield from range(100)
        done.set()

    async with on_thread("live", burst, capacity=2, when_full=WhenFull.DROP_OLDEST) as items:
        await asyncio.to_thread(done.wait, 5)
        assert [number async for number in items] == [98, 99]
    assert items.dropped == 98


@pytest.mark.parametrize("policy", POLICIES)
async def test_leaving_early_ends_the_thread(policy: WhenFull) -> None:
    async with on_thread("early", counting(), capacity=1, when_full=policy) as items:
        first = await items.recv()
        assert first == 0 or policy is WhenFull.DROP_OLDEST
    assert not alive("early")
    assert items.closed


async def test_leaving_frees_a_thread_that_waits_for_room() -> None:
    async with on_thread("full", counting(), capacity=1, when_full=WhenFull.BLOCK) as items:
        while len(items) < items.capacity:  # noqa: ASYNC110 - the thread sets no event
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
    assert not alive("full")


@pytest.mark.parametrize("policy", POLICIES)
async def test_an_iterator_that_never_looks_whether_to_leave_is_left(policy: WhenFull) -> None:
    def deaf(leaving: threading.Event) -> Iterator[int]:
        while True:
            time.sleep(0.001)
            yield 0

    async with on_thread("deaf", deaf, capacity=1, when_full=policy) as items:
        await items.recv()
    assert not alive("deaf")


@pytest.mark.parametrize("policy", POLICIES)
async def test_cancelling_the_reader_ends_the_thread(policy: WhenFull) -> None:
    reading = asyncio.Event()

    async def read() -> None:
        async with on_thread("cancel", counting(), capacity=1, when_full=policy) as items:
            async for _ in items:
                reading.set()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(read())
        await reading.wait()
        task.cancel()
    assert task.cancelled()
    assert not alive("cancel")


async def test_an_impatient_second_cancel_still_ends_the_thread(
    caplog: pytest.LogCaptureFixture,
) -> None:
    leaving_seen, may_end = threading.Event(), threading.Event()

    def stubborn(leaving: threading.Event) -> Iterator[int]:
        yield 0
        leaving.wait(20)
        leaving_seen.set()
        may_end.wait(20)
        raise Retryable("too late for anyone to hear")

    reading = asyncio.Event()

    async def read() -> None:
        async with on_thread("stubborn", stubborn, capacity=1, when_full=WhenFull.BLOCK) as items:
            async for _ in items:
                reading.set()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(read())
        await reading.wait()  # told to leave before, the thread would not begin to wait
        task.cancel()
        assert await asyncio.to_thread(leaving_seen.wait, 20)
        task.cancel()
        await asyncio.wait({task})
        may_end.set()
    assert task.cancelled()
    assert await asyncio.to_thread(ended_within, "stubborn", 20.0)
    await settle()
    del task
    gc.collect()
    assert caplog.records == [], "asyncio complains of an error that nobody looked at"


def ended_within(name: str, limit_s: float) -> bool:
    until_s = time.monotonic() + limit_s
    while alive(name) and time.monotonic() < until_s:
        time.sleep(0.005)
    return not alive(name)


async def test_what_is_still_on_its_way_when_the_block_is_left_goes_nowhere() -> None:
    handed_over = threading.Event()

    def burst(leaving: threading.Event) -> Iterator[int]:
        yield from range(10)
        handed_over.set()

    async with on_thread("late", burst, capacity=5, when_full=WhenFull.DROP_OLDEST) as items:
        assert handed_over.wait(5)  # the loop stands still, so that nothing arrives before
    assert items.sent == 0


@pytest.mark.parametrize("policy", POLICIES)
async def test_an_error_on_the_thread_reaches_the_caller_behind_the_items(
    policy: WhenFull,
) -> None:
    def broken(leaving: threading.Event) -> Iterator[int]:
        yield 1
        raise Retryable("unplugged")

    got: list[int] = []
    with pytest.raises(Retryable, match="unplugged"):
        async with on_thread("broken", broken, capacity=2, when_full=policy) as items:
            got.extend([number async for number in items])
    assert got == [1]
    assert not alive("broken")


async def test_a_thread_that_failed_is_waited_for_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    say = loop.call_soon_threadsafe

    def say_and_linger(*args: Any) -> asyncio.Handle:
        said = say(*args)
        time.sleep(0.2)
        return said

    def broken(leaving: threading.Event) -> Iterator[int]:
        raise Retryable("unplugged")
        yield 0

    monkeypatch.setattr(loop, "call_soon_threadsafe", say_and_linger)
    with pytest.raises(Retryable, match="unplugged"):
        async with on_thread("lingers", broken, capacity=1, when_full=WhenFull.BLOCK) as items:
            assert [number async for number in items] == []
    assert not alive("lingers")


async def test_the_callers_own_error_is_not_hidden() -> None:
    with pytest.raises(KeyError, match="mine"):
        async with on_thread("mine", counting(), capacity=1, when_full=WhenFull.BLOCK):
            raise KeyError("mine")
    assert not alive("mine")


@pytest.mark.parametrize("policy", POLICIES)
async def test_the_iterator_is_closed_on_its_own_thread(policy: WhenFull) -> None:
    closed_on: list[str] = []

    def device(leaving: threading.Event) -> Iterator[int]:
        try:
            yield from counting()(leaving)
        finally:
            closed_on.append(threading.current_thread().name)

    async with on_thread("device", device, capacity=1, when_full=policy) as items:
        await items.recv()
    assert closed_on == ["device"]
