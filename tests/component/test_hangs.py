"""Detectors that do not come back, or wait for other machines, in a real scheduler."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Generator, Sequence

import pytest

from streammon.config import SchedulerConfig
from streammon.core.errors import Permanent
from streammon.core.types import DetectionResult, StreamId, Window
from streammon.scheduler import guard, lanes
from tests.fakes import Brightness
from tests.watch import LIMIT_S, ON_CPU, Watch, running, until

LIMITS = SchedulerConfig(device="cpu", hang_s=60.0, load_hang_s=60.0)
"""Passed by leaps of the clock, and only while nobody but what hangs is on a thread."""


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "WATCH_EVERY_S", 0.05)


@pytest.fixture
def release() -> Generator[threading.Event]:
    """Set at the end of the test: then what hangs comes back, and its thread ends."""
    event = threading.Event()
    yield event
    event.set()


class Hanging(Brightness):
    """Hangs at its first window until released, or in `load` or `unload` if told so."""

    def __init__(
        self, release: threading.Event, name: str = "hanging", *, at: str = "score"
    ) -> None:
        super().__init__(name, max_batch=1)
        self.entered, self.release, self.at = threading.Event(), release, at
        self.late: list[str] = []

    def load(self, device: str) -> None:
        self.hang("load")
        super().load(device)

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        self.hang("score")
        return super().score(batch)

    def hang(self, doing: str) -> None:
        if self.at == doing:
            self.entered.set()
            self.release.wait(30.0)
            self.late.append(doing)


class Spinning(Hanging):
    """Hangs without ever waiting."""

    def hang(self, doing: str) -> None:
        if self.at == doing:
            self.entered.set()
            while not self.release.is_set():
                pass


class Hall(Hanging):
    """Waits for another machine, for as long as the event is not set."""

    def __init__(self, release: threading.Event, name: str, *, longest_wait_s: float) -> None:
        super().__init__(release, name)
        self.longest_wait_s = longest_wait_s


async def hung(watch: Watch, hanging: Hanging) -> None:
    """Returns once it hangs, and for longer than it may."""
    await until(hanging.entered.is_set)
    watch.clock.leap(61.0)


# --- calls that do not come back ---------------------------------------------------------------


@pytest.mark.parametrize("kind", [Hanging, Spinning])
async def test_a_detector_that_hangs_is_named_and_the_others_go_on(
    kind: type[Hanging], release: threading.Event
) -> None:
    hanging = kind(release)
    watch = Watch(hanging, Brightness(), settings=LIMITS)
    async with running(watch):
        watch.submit("hanging")
        await hung(watch, hanging)
        watch.submit("brightness")
        result = await watch.result()
        assert result.detector == "brightness"
        assert "score did not come back for 60 s" in watch.cause("hanging")
        watch.submit("hanging", 1)
        stats = watch.scheduler.stats().detectors["hanging"]
        assert (stats.failed, stats.not_due, stats.scored, stats.queued) == (1, 1, 0, 0)
        assert [name for name, *_ in watch.scheduler.wants(StreamId("s"))] == ["brightness"]


async def test_what_an_abandoned_call_returns_in_the_end_counts_for_nothing(
    release: threading.Event,
) -> None:
    hanging = Hanging(release)
    watch = Watch(hanging, Brightness(), settings=LIMITS)
    async with running(watch):
        watch.submit("hanging")
        await hung(watch, hanging)
        await until(lambda: watch.cause("hanging"))
        release.set()
        await until(lambda: hanging.late)
        watch.submit("brightness")
        assert (await watch.result()).detector == "brightness"
    assert len(watch.out) == 0
    assert watch.scheduler.stats().detectors["hanging"].scored == 0


async def test_a_batch_that_waited_behind_the_one_that_hangs_is_scored_by_a_new_thread(
    release: threading.Event,
) -> None:
    hanging, full = Hanging(release), Brightness(max_batch=1)
    watch = Watch(hanging, full, settings=LIMITS)
    async with running(watch):
        watch.submit("hanging")
        await until(hanging.entered.is_set)
        watch.submit("brightness")
        await until(lambda: watch.scheduler.pending(StreamId("s")) == 0)
        watch.clock.leap(61.0)
        assert (await watch.result()).detector == "brightness"
        assert not hanging.late
    assert watch.scheduler.stats().detectors["brightness"].scored == 1


async def test_what_waits_behind_it_for_the_same_detector_is_lost_with_it(
    release: threading.Event,
) -> None:
    hanging = Hanging(release)
    watch = Watch(hanging, settings=LIMITS, streams=["s", "t"])
    async with running(watch):
        watch.submit("hanging", stream="s")
        await until(hanging.entered.is_set)
        watch.submit("hanging", stream="t")
        watch.submit("hanging", 1, stream="s")
        watch.clock.leap(61.0)
        await until(lambda: watch.cause("hanging"))
        stats = watch.scheduler.stats().detectors["hanging"]
        assert (stats.submitted, stats.failed, stats.queued) == (3, 3, 0)


async def test_a_detector_that_hangs_while_it_loads_fails_alone(release: threading.Event) -> None:
    hanging = Hanging(release, at="load")
    watch = Watch(hanging, Brightness(), settings=LIMITS)
    async with asyncio.TaskGroup() as group:
        group.create_task(hung(watch, hanging))
        async with running(watch):
            assert "load did not come back for 60 s" in watch.cause("hanging")
            watch.submit("brightness")
            assert (await watch.result()).detector == "brightness"


async def test_a_device_on_which_everything_hangs_ends_the_run_loudly(
    release: threading.Event,
) -> None:
    names = [f"h{number}" for number in range(guard.MOST_ABANDONED + 1)]
    stuck = [Hanging(release, name) for name in names]
    watch = Watch(*stuck, settings=LIMITS)
    await watch.scheduler.load()
    for name in names:
        watch.submit(name)

    async def hang_one_after_the_other() -> None:
        for each in stuck:
            await hung(watch, each)

    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        group.create_task(hang_one_after_the_other())
        with pytest.raises(ExceptionGroup) as raised:
            await watch.scheduler.run(watch.out)
    (error,) = raised.value.exceptions
    assert isinstance(error, Permanent)
    assert "cpu is stuck" in str(error)
    assert all(name in str(error) for name in names)


async def test_a_slow_batch_within_the_limit_is_no_hang(release: threading.Event) -> None:
    hanging = Hanging(release)
    watch = Watch(hanging, settings=LIMITS)
    async with running(watch):
        watch.submit("hanging")
        await until(hanging.entered.is_set)
        watch.clock.leap(50.0)
        await asyncio.sleep(0.2)  # some looks
        release.set()
        assert (await watch.result()).detector == "hanging"
    assert not watch.cause("hanging")


# --- the end -----------------------------------------------------------------------------------


async def test_closed_with_a_time_limit_it_returns_though_a_detector_is_still_busy(
    release: threading.Event,
) -> None:
    hanging = Hanging(release)
    watch = Watch(hanging, settings=ON_CPU)
    await watch.scheduler.load()
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        task = group.create_task(watch.scheduler.run(watch.out))
        watch.submit("hanging")
        await until(hanging.entered.is_set)
        watch.scheduler.close(within_s=0.2)
        await task
    assert not hanging.late, "it is not waited for"
    assert "still busy when the monitor had to end" in watch.cause("hanging")


async def test_cancelled_it_does_not_wait_for_ever(
    release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "STOP_S", 0.2)
    hanging = Hanging(release)
    watch = Watch(hanging, settings=ON_CPU)
    await watch.scheduler.load()
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        task = group.create_task(watch.scheduler.run(watch.out))
        watch.submit("hanging")
        await until(hanging.entered.is_set)
        task.cancel()
        await asyncio.wait({task})
    assert task.cancelled()


# --- detectors elsewhere -----------------------------------------------------------------------


async def test_detectors_elsewhere_wait_on_threads_of_their_own_and_hold_up_nobody(
    release: threading.Event,
) -> None:
    far, further = (Hall(release, name, longest_wait_s=60.0) for name in ("far", "further"))
    watch = Watch(far, further, Brightness(), settings=ON_CPU)
    async with running(watch):
        for name in ("far", "further"):
            watch.submit(name)
        await until(lambda: far.entered.is_set() and further.entered.is_set())
        watch.submit("brightness")
        assert (await watch.result()).detector == "brightness"
        devices = watch.scheduler.stats().devices
        assert set(devices) == {"cpu", "elsewhere:far", "elsewhere:further"}
        release.set()
        assert {(await watch.result()).detector for _ in range(2)} == {"far", "further"}
        assert watch.scheduler.stats().detectors["far"].device == "elsewhere:far"


async def test_a_detector_elsewhere_may_take_as_long_as_it_says_but_not_much_longer(
    release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streammon.scheduler.work.ELSEWHERE_SLACK_S", 0.2)
    patient = Hall(threading.Event(), "patient", longest_wait_s=600.0)
    late = Hall(release, "late", longest_wait_s=99.8)
    watch = Watch(patient, late, settings=LIMITS)
    try:
        async with running(watch):
            watch.submit("patient")
            watch.submit("late")
            await until(lambda: patient.entered.is_set() and late.entered.is_set())
            watch.clock.leap(90.0)
            await asyncio.sleep(0.2)  # some looks
            assert not watch.cause("late")
            watch.clock.leap(11.0)
            await until(lambda: watch.cause("late"))
            assert "for 100 s" in watch.cause("late")
            assert not watch.cause("patient"), "longer than hang_s already"
            patient.release.set()
            assert (await watch.result()).detector == "patient"
    finally:
        patient.release.set()


async def test_one_that_does_a_part_here_has_the_device_for_it(release: threading.Event) -> None:
    part = Hall(release, "part", longest_wait_s=60.0)
    part.on_device = True
    watch = Watch(part, settings=SchedulerConfig(device="cpu", cpu_threads=1))
    release.set()
    async with running(watch):
        watch.submit("part")
        assert (await watch.result()).detector == "part"
        assert watch.scheduler.stats().detectors["part"].device == "elsewhere:part"
    assert part.loaded_on == "cpu"
