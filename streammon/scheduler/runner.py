"""The scheduler as the pipeline knows it: tasks, devices and health around the pure `desk`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from streammon.config import SchedulerConfig
from streammon.core.ports import Clock, Demand, Detector
from streammon.core.types import (
    DetectionResult,
    Health,
    HealthState,
    Modality,
    StreamId,
    Window,
    WindowSpec,
)
from streammon.flow.channel import Channel
from streammon.scheduler.desk import Desk
from streammon.scheduler.device import CPU, Choice, choose_device, tune_threads
from streammon.scheduler.lane import Lane, News
from streammon.scheduler.tally import SchedulerStats

log = logging.getLogger(__name__)

PLAN_EVERY_S = 1.0
NEW_FIGURES_AFTER_S = 30.0
"""While it stays degraded, people are given new figures this often, not with every plan."""


class Scheduler:
    """Looks at the windows of all streams with all detectors, on the devices there are.

    Everything but the `Demand` objects is for the event loop only. Order of life: `load`, `run`
    until it returns after `close`. Windows may be submitted all the time; before `load` is done,
    and for detectors that failed, they are counted as not due.
    """

    def __init__(
        self,
        detectors: Mapping[str, Detector],
        settings: SchedulerConfig,
        *,
        clock: Clock,
        report: Callable[[Health], None],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._news = News(report, clock)
        self._desk = Desk(detectors, settings)
        self._lanes: dict[str, Lane] = {}
        self._lane_of: dict[str, Lane] = {}
        self._choice = Choice(CPU)
        self._too_much = ""
        self._too_much_ns = 0
        self._closing = asyncio.Event()
        self._running = False

    # --- streams ---------------------------------------------------------------------------

    def add_stream(
        self, stream: StreamId, modalities: frozenset[Modality], *, weight: float = 1.0
    ) -> None:
        """Watch a stream. When not all can be looked at, twice the weight has twice the share."""
        self._desk.streams.add(stream, modalities, weight=weight)

    def remove_stream(self, stream: StreamId) -> None:
        """Take no more of it. What it has waiting is still scored: see `pending`."""
        self._desk.streams.remove(stream)

    def demand(self, stream: StreamId) -> Demand:
        """What its source is asked for, now and later. Raises `KeyError` if it is not watched."""
        return self._desk.streams.watched(stream).demand

    def set_viewer_interval(self, stream: StreamId, interval_s: float | None) -> None:
        """How often people want a picture of it; `None` when nobody looks."""
        self._desk.streams.set_viewer_interval(stream, interval_s)

    def set_risk(self, stream: StreamId, kind: str, level: float) -> None:
        """How far evidence of one kind has come against it; 1 where the alarm is raised."""
        self._desk.streams.set_risk(stream, kind, level)

    def wants(self, stream: StreamId) -> list[tuple[str, Modality, WindowSpec]]:
        """The windows to cut from it: for which detector, of what, and how."""
        watched = self._desk.streams.watched(stream)
        return [
            (name, modality, spec)
            for name, detector in self._desk.able.items()
            for modality, spec in watched.inputs(detector).items()
        ]

    def pending(self, stream: StreamId) -> int:
        """How many of its windows still wait for their turn."""
        return self._desk.pending(stream)

    def submit(self, detector_name: str, window: Window) -> None:
        """Offer a window; never waits. Of one slot, the newest wins. After `close`: nothing."""
        if self._closing.is_set():
            return
        if self._desk.submit(detector_name, window, self._clock.now_ns()):
            self._lane_of[detector_name].wake.set()

    def stats(self) -> SchedulerStats:
        return self._desk.stats()

    # --- life ------------------------------------------------------------------------------

    async def load(self) -> None:
        """Load every detector on its device. One that cannot be loaded fails alone.

        Cancelled, it first waits for the call that is loading: threads cannot be interrupted.
        """
        loaded = False
        try:
            names_on = await self._assign()
            async with asyncio.TaskGroup() as group:
                for device, names in names_on.items():
                    group.create_task(self._load(names, device), name=f"scheduler:load:{device}")
            loaded = True
        finally:
            if not loaded:
                await self._stop()
        self._report_plan("")

    async def run(self, out: Channel[DetectionResult]) -> None:
        """Score until `close`, then what is queued, then return. `out` is left open.

        Results go out as batches end; a full `out` holds the devices back. Cancelled, it waits
        for the batches that are on a device.
        """
        if self._closing.is_set():
            return
        self._running = True
        try:
            async with asyncio.TaskGroup() as group:
                serving = [group.create_task(self._closed(), name="scheduler:closed")]
                around = [group.create_task(self._plan_for_ever(), name="scheduler:plan")]
                for device, lane in self._lanes.items():
                    serve = lane.serve(out, self._closing)
                    serving.append(group.create_task(serve, name=f"scheduler:{device}"))
                    around.append(group.create_task(lane.wake_in_time(), name=f"timer:{device}"))
                await asyncio.wait(serving)
                for task in around:
                    task.cancel()
        finally:
            await self._stop()

    def close(self) -> None:
        """Take no more windows; `run` finishes what is queued, unless it has yet to begin."""
        self._closing.set()
        for lane in self._lanes.values():
            lane.wake.set()
            if not self._running:
                lane.thread.stop_when_idle()

    # --- inside ----------------------------------------------------------------------------

    async def _assign(self) -> dict[str, list[str]]:
        """Settle which device the models run on; returns the detectors by device."""
        cpu = self._lane(CPU)
        models = [name for name, each in self._desk.detectors.items() if each.on_device]
        others = [name for name in self._desk.detectors if name not in models]
        if not models:
            return {CPU: others}
        self._choice = await cpu.thread.start(choose_device, self._settings.device)
        log.info("device", extra={"device": self._choice.device, "cause": self._choice.cause})
        if self._choice.device != CPU:
            self._lane(self._choice.device)
            return {CPU: others, self._choice.device: models}
        threads = await cpu.thread.start(tune_threads, self._settings.cpu_threads)
        log.info("cpu_threads", extra={"threads": threads})
        return {CPU: [*others, *models]}

    def _lane(self, device: str) -> Lane:
        lane = self._lanes[device] = Lane(
            device,
            self._desk,
            mixed_precision=self._settings.mixed_precision,
            clock=self._clock,
            news=self._news,
        )
        return lane

    async def _load(self, names: list[str], device: str) -> None:
        lane = self._lanes[device]
        self._desk.open_device(device)
        for name in names:
            self._lane_of[name] = lane
            await lane.load(name)

    async def _plan_for_ever(self) -> None:
        while True:
            await self._clock.sleep(PLAN_EVERY_S)
            self._report_plan(self._desk.replan(self._clock.now_ns()))

    async def _closed(self) -> None:
        await self._closing.wait()

    def _report_plan(self, too_much: str) -> None:
        """The health of the scheduler: too much to do, a fallback, or well."""
        now_ns = self._clock.now_ns()
        old = now_ns - self._too_much_ns > NEW_FIGURES_AFTER_S * 1e9
        if old or bool(too_much) != bool(self._too_much):
            self._too_much, self._too_much_ns = too_much, now_ns
        fallback = self._choice.cause if self._choice.is_fallback else ""
        causes = [cause for cause in (fallback, self._too_much) if cause]
        state = HealthState.DEGRADED if causes else HealthState.UP
        self._news.tell("scheduler", state, "; ".join(causes))

    async def _stop(self) -> None:
        for lane in self._lanes.values():
            await lane.thread.stop()
