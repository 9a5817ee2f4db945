"""Models that share memory and results that are kept, in a real scheduler with real threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence

import pytest

from streammon.config import SchedulerConfig
from streammon.core.errors import Permanent
from streammon.core.types import DetectionResult, HealthState, Window
from streammon.scheduler import guard
from streammon.scheduler.residency import MEGABYTE
from tests.fakes import Brightness
from tests.watch import Watch, running, until


class Model(Brightness):
    """Takes memory while it is loaded."""

    def __init__(self, name: str, *, size_mb: float, load_s: float = 0.01) -> None:
        super().__init__(name)
        self.size_bytes = round(size_mb * MEGABYTE)
        self.resident_bytes = 0
        self.load_s = load_s
        self.errors: dict[str, Exception] = {}

    def load(self, device: str) -> None:
        self.fail("load")
        time.sleep(self.load_s)
        super().load(device)
        self.resident_bytes = self.size_bytes

    def unload(self) -> None:
        self.fail("unload")
        self.loaded_on = None
        self.resident_bytes = 0

    def fail(self, doing: str) -> None:
        if doing in self.errors:
            raise self.errors[doing]


class Steady(Brightness):
    """Says the same of the same content."""

    fingerprint = "steady@1"


def with_memory(memory_mb: float) -> SchedulerConfig:
    return SchedulerConfig(device="cpu", memory_mb=memory_mb, hang_s=60.0, load_hang_s=60.0)


async def scored(watch: Watch, name: str, number: int = 0) -> DetectionResult:
    watch.submit(name, number)
    result = await watch.result()
    assert result.detector == name
    return result


async def test_models_take_turns_in_a_memory_that_holds_one_and_all_of_it_is_counted() -> None:
    models = [Model("a", size_mb=3), Model("b", size_mb=3)]
    watch = Watch(*models, settings=with_memory(4))
    async with running(watch):
        for number in range(3):
            for name in ("a", "b"):
                await scored(watch, name, number)
                assert sum(model.resident_bytes for model in models) == 3 * MEGABYTE
        stats = watch.scheduler.stats()
    assert watch.cause("a") == watch.cause("b") == ""
    a, b = stats.detectors["a"], stats.detectors["b"]
    assert (a.loads, a.evictions, a.loaded_already, a.resident_bytes) == (4, 4, 0, 0)
    assert (b.loads, b.evictions, b.resident_bytes) == (4, 3, 3 * MEGABYTE)
    assert a.loading_s >= 4 * 0.01
    assert stats.devices["cpu"].resident_bytes == 3 * MEGABYTE


async def test_with_room_for_all_a_model_is_loaded_already() -> None:
    watch = Watch(Model("a", size_mb=3), Model("b", size_mb=3), settings=with_memory(6))
    async with running(watch):
        for number in range(3):
            await scored(watch, "a", number)
        stats = watch.scheduler.stats().detectors["a"]
    assert (stats.loads, stats.loaded_already) == (2, 2)


async def test_a_model_larger_than_all_the_memory_is_named_with_both_sizes() -> None:
    large = Model("large", size_mb=9)
    watch = Watch(large, Model("small", size_mb=2), settings=with_memory(4))
    async with running(watch):
        await scored(watch, "small")
    cause = watch.cause("large")
    assert "9.0 MB" in cause
    assert "scheduler.memory_mb allows 4.0 MB" in cause
    assert large.resident_bytes == 0


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (Permanent("the file is gone: pull it again"), "the file is gone: pull it again"),
        (OSError("disk on fire"), "defect while loading: OSError: disk on fire"),
    ],
)
async def test_a_model_that_cannot_be_loaded_again_fails_alone(
    error: Exception, cause: str
) -> None:
    one, other = Model("a", size_mb=3), Model("b", size_mb=3)
    watch = Watch(one, other, settings=with_memory(4))
    async with running(watch):
        one.errors["load"] = error
        watch.submit("a")
        await until(lambda: watch.cause("a"))
        assert watch.cause("a") == cause
        await scored(watch, "b")
        stats = watch.scheduler.stats().detectors["a"]
    assert (stats.failed, stats.queued, stats.device) == (1, 0, "")


async def test_a_model_that_cannot_be_unloaded_is_named_and_its_memory_counted_as_gone() -> None:
    stuck = Model("stuck", size_mb=3)
    watch = Watch(Model("a", size_mb=2), Model("b", size_mb=2), stuck, settings=with_memory(6))
    async with running(watch):
        await scored(watch, "stuck")
        stuck.errors["unload"] = RuntimeError("busy")
        await scored(watch, "a")
        assert not watch.cause("stuck")
        await scored(watch, "b")
        assert watch.cause("stuck") == "cannot be unloaded: RuntimeError: busy"
        assert watch.scheduler.stats().devices["cpu"].resident_bytes == 7 * MEGABYTE
        await scored(watch, "a", 1)
        assert watch.scheduler.stats().devices["cpu"].resident_bytes == 5 * MEGABYTE


class Hanging(Model):
    def __init__(self, name: str, *, size_mb: float, release: threading.Event) -> None:
        super().__init__(name, size_mb=size_mb)
        self.entered, self.release = threading.Event(), release

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        self.entered.set()
        self.release.wait(30.0)
        return super().score(batch)


async def test_what_a_hanging_model_holds_is_lost_to_the_others_and_they_are_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "WATCH_EVERY_S", 0.05)
    release = threading.Event()
    hanging = Hanging("hanging", size_mb=3, release=release)
    watch = Watch(
        hanging, Model("small", size_mb=2), Model("large", size_mb=4), settings=with_memory(6)
    )
    try:
        async with running(watch):
            watch.submit("hanging")
            await until(hanging.entered.is_set)
            watch.clock.leap(61.0)
            await until(lambda: watch.cause("hanging"))
            assert "of which 3.0 MB are held by a detector that hangs" in watch.cause("large")
            await scored(watch, "small")
    finally:
        release.set()


# --- results that are kept ---------------------------------------------------------------------


async def test_the_same_content_is_scored_once_and_costs_are_not_learnt_from_the_rest() -> None:
    steady = Steady("steady")
    watch = Watch(steady)
    async with running(watch):
        for number in range(5):
            result = await scored(watch, "steady", number)
            assert result.start_s == number
            assert bool(result.details.get("cached")) is (number > 0)
        stats = watch.scheduler.stats()
    assert steady.batches == [1]
    assert stats.cache is not None
    assert (stats.cache.hits, stats.cache.misses) == (4, 1)
    detector = stats.detectors["steady"]
    assert (detector.scored, detector.cached, detector.batches) == (5, 4, 5)


async def test_without_entries_nothing_is_kept() -> None:
    steady = Steady("steady")
    settings = SchedulerConfig.model_validate({"device": "cpu", "cache": {"entries": 0}})
    watch = Watch(steady, settings=settings)
    async with running(watch):
        for number in range(3):
            await scored(watch, "steady", number)
        assert watch.scheduler.stats().cache is None
    assert steady.batches == [1, 1, 1]


class Liar(Steady):
    """Counts wrongly, once."""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        results = super().score(batch)
        return results if len(self.batches) > 1 else [*results, *results]


async def test_a_wrong_answer_is_not_kept() -> None:
    watch = Watch(Liar("liar"))
    async with running(watch):
        watch.submit("liar", 0)
        await until(lambda: watch.cause("liar", HealthState.DEGRADED))
        result = await scored(watch, "liar", 1)
        assert "cached" not in result.details
        await asyncio.sleep(0)
        assert "cached" in (await scored(watch, "liar", 2)).details
