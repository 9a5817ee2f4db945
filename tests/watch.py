"""The real scheduler with its threads in a test's loop, and what comes out of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager

from streammon.config import SchedulerConfig
from streammon.core.clock import MonotonicClock
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Health, HealthState, Modality, StreamId, Window
from streammon.flow.channel import Channel, WhenFull
from streammon.scheduler.runner import Scheduler
from tests.fakes import a_frame, a_window

LIMIT_S = 20.0
ON_CPU = SchedulerConfig(device="cpu")


def seen(stream: str, number: int = 0, *, level: int = 0) -> Window:
    """A window of one grey frame that has just come."""
    now_ns = time.monotonic_ns()
    frame = a_frame(
        number, stream=StreamId(stream), level=level, captured_ns=now_ns, media_s=float(number)
    )
    return a_window(frame)


class LeapClock(MonotonicClock):
    """The process's own time, and what a test adds to it."""

    def __init__(self) -> None:
        self._leapt_ns = 0

    def now_ns(self) -> int:
        return super().now_ns() + self._leapt_ns

    def leap(self, delay_s: float) -> None:
        """So much later for all who look; who sleeps wakes no sooner."""
        self._leapt_ns += round(delay_s * 1e9)


class Watch:
    """A scheduler on the running loop, what it says of its health, and its results."""

    def __init__(
        self,
        *detectors: Detector,
        settings: SchedulerConfig = ON_CPU,
        streams: Sequence[str] = ("s",),
        modalities: frozenset[Modality] = frozenset({Modality.VIDEO}),
        capacity: int = 256,
    ) -> None:
        self.clock = LeapClock()
        self.health: list[Health] = []
        self.scheduler = Scheduler(
            {each.name: each for each in detectors},
            settings,
            clock=self.clock,
            report=self.health.append,
        )
        for stream in streams:
            self.scheduler.add_stream(StreamId(stream), modalities)
        self.out: Channel[DetectionResult] = Channel("results", capacity, WhenFull.BLOCK)

    def states(self, component: str) -> list[HealthState]:
        return [each.state for each in self.health if each.component == component]

    def cause(self, detector: str, state: HealthState = HealthState.FAILED) -> str:
        """Why the detector is in this state; empty while it is not."""
        return self.cause_of(f"detector:{detector}", state)

    def cause_of(self, component: str, state: HealthState) -> str:
        """As `cause`, of any component."""
        said = [each for each in self.health if each.component == component]
        return said[-1].cause if said and said[-1].state is state else ""

    def submit(self, detector: str, number: int = 0, stream: str = "s") -> None:
        self.scheduler.submit(detector, seen(stream, number))

    async def results(self, count: int) -> list[DetectionResult]:
        async with asyncio.timeout(LIMIT_S):
            return [await self.out.recv() for _ in range(count)]

    async def result(self) -> DetectionResult:
        (result,) = await self.results(1)
        return result


@asynccontextmanager
async def running(watch: Watch) -> AsyncGenerator[asyncio.Task[None]]:
    """Loaded and running inside the block; drained on leaving it, but for what hangs."""
    await watch.scheduler.load()
    async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
        task = group.create_task(watch.scheduler.run(watch.out))
        yield task
        watch.scheduler.close(within_s=LIMIT_S / 2)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(LIMIT_S):
        while not true():  # noqa: ASYNC110 - what is waited for happens on another thread
            await asyncio.sleep(0.005)
