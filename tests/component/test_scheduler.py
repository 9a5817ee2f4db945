"""The scheduler with real threads, real channels and small real detectors."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from streammon.config import SchedulerConfig
from streammon.core.types import DetectionResult, HealthState, Modality, StreamId, Window
from streammon.scheduler import runner
from tests.fakes import Brightness
from tests.watch import LIMIT_S, ON_CPU, Watch, running, seen, until


class Held(Brightness):
    """Stays on its thread until released."""

    def __init__(self) -> None:
        super().__init__("held", max_batch=1)
        self.entered, self.release = threading.Event(), threading.Event()

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        self.entered.set()
        assert self.release.wait(LIMIT_S)
        return super().score(batch)


# --- the main way ------------------------------------------------------------------------------


async def test_windows_of_many_streams_are_scored_in_batches_each_with_its_own_result() -> None:
    streams = [f"s{number}" for number in range(16)]
    bright = Brightness(max_batch=8)
    watch = Watch(bright, streams=streams)
    async with running(watch):
        for number, stream in enumerate(streams):
            watch.scheduler.submit("brightness", seen(stream, level=10 * number))
        results = await watch.results(16)
    confidence = {str(result.stream): result.confidence for result in results}
    assert confidence == {
        stream: pytest.approx(10 * number / 255) for number, stream in enumerate(streams)
    }
    assert bright.batches == [8, 8]
    assert all(result.processing_time_s > 0 for result in results)
    assert watch.states("detector:brightness") == [HealthState.STARTING, HealthState.UP]
    assert watch.states("scheduler") == [HealthState.UP]


async def test_it_says_which_windows_to_cut_and_what_to_decode() -> None:
    watch = Watch(Brightness(), streams=["s"])
    watch.scheduler.add_stream(StreamId("talk"), frozenset({Modality.AUDIO}))
    spec = Brightness.inputs[Modality.VIDEO]
    assert watch.scheduler.wants(StreamId("s")) == [("brightness", Modality.VIDEO, spec)]
    assert watch.scheduler.wants(StreamId("talk")) == []
    demand = watch.scheduler.demand(StreamId("s"))
    by_detectors = demand.frame_interval_s
    assert by_detectors is not None
    watch.scheduler.set_viewer_interval(StreamId("s"), 0.1)
    assert demand.frame_interval_s == 0.1
    watch.scheduler.remove_stream(StreamId("s"))
    assert demand.frame_interval_s is None
    with pytest.raises(KeyError):
        watch.scheduler.demand(StreamId("s"))


async def test_closing_scores_what_is_queued_and_takes_no_more() -> None:
    hold = Held()
    watch = Watch(hold, streams=["a", "b", "c"])
    async with running(watch) as task:
        watch.scheduler.submit("held", seen("a"))
        await until(hold.entered.is_set)
        watch.scheduler.submit("held", seen("b"))
        watch.scheduler.submit("held", seen("c"))
        assert watch.scheduler.pending(StreamId("c")) == 1
        watch.scheduler.close()
        watch.scheduler.submit("held", seen("a", 1))
        hold.release.set()
        await task
    assert sorted(str(result.stream) for result in await watch.results(3)) == ["a", "b", "c"]
    assert len(watch.out) == 0
    assert not watch.out.closed
    assert watch.scheduler.stats().detectors["held"].submitted == 3


async def test_a_full_batch_is_handed_over_before_the_one_on_the_device_ends() -> None:
    hold = Held()
    watch = Watch(hold, streams=["a", "b", "c"])
    async with running(watch):
        for stream in ("a", "b", "c"):
            watch.scheduler.submit("held", seen(stream))
            await until(hold.entered.is_set)
        await until(lambda: watch.scheduler.pending(StreamId("b")) == 0)
        assert watch.scheduler.pending(StreamId("c")) == 1, "one ahead, not more"
        hold.release.set()
        results = await watch.results(3)
    assert [str(result.stream) for result in results] == ["a", "b", "c"]


async def test_nobody_reading_results_holds_the_device_back_and_the_newest_window_wins() -> None:
    bright = Brightness()
    watch = Watch(bright, capacity=1)
    async with running(watch):
        for number in range(50):
            watch.scheduler.submit("brightness", seen("s", number))
            await asyncio.sleep(0.005)
        assert len(bright.batches) <= 4
        looked_at = [await watch.result()]
        while looked_at[-1].start_s != 49.0:
            looked_at.append(await watch.result())
        assert len(looked_at) <= 5
    stats = watch.scheduler.stats().detectors["brightness"]
    assert stats.submitted == stats.scored + stats.replaced == 50


async def test_a_stream_that_ended_is_scored_to_its_end() -> None:
    watch = Watch(Brightness())
    async with running(watch):
        watch.scheduler.submit("brightness", seen("s"))
        watch.scheduler.remove_stream(StreamId("s"))
        watch.scheduler.submit("brightness", seen("s", 1))
        (result,) = await watch.results(1)
    assert result.start_s == 0.0
    assert watch.scheduler.stats().detectors["brightness"].not_due == 1


# --- device and load ---------------------------------------------------------------------------


async def test_falling_back_to_the_cpu_is_told_and_stays_told() -> None:
    bright = Brightness()
    bright.on_device = True
    watch = Watch(bright, settings=SchedulerConfig(device="cuda:7", cpu_threads=1))
    async with running(watch):
        watch.scheduler.submit("brightness", seen("s"))
        await watch.results(1)
    assert watch.states("scheduler") == [HealthState.DEGRADED]
    assert "running on the CPU" in watch.cause_of("scheduler", HealthState.DEGRADED)
    assert bright.loaded_on == "cpu"


class Slow(Brightness):
    """20 ms a window."""

    def __init__(self) -> None:
        super().__init__("slow", max_batch=4)

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        time.sleep(0.02 * len(batch))
        return super().score(batch)


async def test_too_much_load_is_told_and_so_is_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner, "PLAN_EVERY_S", 0.1)
    streams = [f"s{number}" for number in range(8)]
    watch = Watch(Slow(), streams=streams)
    async with running(watch), asyncio.TaskGroup() as group:
        reading = group.create_task(watch.results(10**6))
        number = 0
        while watch.states("scheduler")[-1] is not HealthState.DEGRADED:
            for stream in streams:
                watch.scheduler.submit("slow", seen(stream, number))
            number += 1
            await asyncio.sleep(0.02)
        assert "times what it can do" in watch.cause_of("scheduler", HealthState.DEGRADED)
        await until(lambda: watch.states("scheduler")[-1] is HealthState.UP)
        reading.cancel()
    stats = watch.scheduler.stats().detectors["slow"]
    assert stats.submitted == stats.scored + stats.replaced + stats.not_due


class Launching(Brightness):
    """30 ms a batch, however many windows it has."""

    def __init__(self) -> None:
        super().__init__("launching")

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        time.sleep(0.03)
        return super().score(batch)


async def test_on_a_busy_device_a_window_waits_for_company_and_then_goes_by_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(runner, "PLAN_EVERY_S", 0.1)
    waits = ON_CPU.model_copy(update={"batch_wait_s": 0.3, "alert_within_s": 60.0})
    watch = Watch(Launching(), settings=waits, streams=["a", "b"])
    async with running(watch):
        number = 0
        while not waits_for_company(watch):
            watch.scheduler.submit("launching", seen("a", number))
            if number % 2:
                watch.scheduler.submit("launching", seen("b", number))
            number += 1
            await asyncio.sleep(0.04)
        await watch.results(len(watch.out))
        alone = seen("a", number + 100)
        watch.scheduler.submit("launching", alone)
        (result,) = await watch.results(1)
        age_s = (time.monotonic_ns() - result.captured_ns) / 1e9
    assert result.start_s == alone.start_s
    assert 0.3 <= age_s < LIMIT_S, "long before it has to be scored"


def waits_for_company(watch: Watch) -> bool:
    stats = watch.scheduler.stats()
    launching = stats.detectors["launching"]
    known = launching.fixed_s > 0.02 and not launching.queued
    return known and stats.devices["cpu"].busy > 0.5


# --- ends --------------------------------------------------------------------------------------


async def test_cancelled_it_waits_for_the_batch_on_the_device_and_leaves_no_thread() -> None:
    hold = Held()
    watch = Watch(hold)
    await watch.scheduler.load()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch.scheduler.run(watch.out))
        watch.scheduler.submit("held", seen("s"))
        await until(hold.entered.is_set)
        task.cancel()
        await asyncio.sleep(0.02)
        assert not task.done()
        hold.release.set()
        await asyncio.wait({task})
    assert task.cancelled()
    assert not [each for each in threading.enumerate() if each.name.startswith("streammon-")]


class SlowToLoad(Brightness):
    def __init__(self) -> None:
        super().__init__()
        self.entered, self.release = threading.Event(), threading.Event()

    def load(self, device: str) -> None:
        self.entered.set()
        assert self.release.wait(LIMIT_S)


async def test_cancelled_while_loading_it_leaves_no_thread() -> None:
    slow = SlowToLoad()
    watch = Watch(slow)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(watch.scheduler.load())
        await until(slow.entered.is_set)
        task.cancel()
        await asyncio.sleep(0.02)
        slow.release.set()
        await asyncio.wait({task})
    assert task.cancelled()
    assert not [each for each in threading.enumerate() if each.name.startswith("streammon-")]


async def test_closed_before_it_runs_it_returns_at_once() -> None:
    watch = Watch(Brightness())
    await watch.scheduler.load()
    watch.scheduler.close()
    async with asyncio.timeout(LIMIT_S):
        await watch.scheduler.run(watch.out)


async def test_without_detectors_it_waits_to_be_closed() -> None:
    watch = Watch()
    async with running(watch) as task:
        await asyncio.sleep(0.02)
        assert not task.done()
        assert watch.scheduler.wants(StreamId("s")) == []


async def test_windows_that_come_before_it_is_loaded_are_not_due() -> None:
    watch = Watch(Brightness())
    watch.scheduler.submit("brightness", seen("s"))
    assert watch.scheduler.stats().detectors["brightness"].not_due == 1


async def test_results_nobody_can_take_any_more_end_it_loudly() -> None:
    watch = Watch(Brightness())
    await watch.scheduler.load()
    watch.out.close()
    watch.scheduler.submit("brightness", seen("s"))
    with pytest.raises(ExceptionGroup) as raised:
        async with asyncio.timeout(LIMIT_S):
            await watch.scheduler.run(watch.out)
    assert "results" in str(raised.value.exceptions[0])
