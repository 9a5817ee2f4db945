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
from streammon.scheduler.cache import ResultCache
from streammon.scheduler.desk import Desk
from streammon.scheduler.lanes import Lanes
from streammon.scheduler.news import News
from streammon.scheduler.readers import Readers
from streammon.scheduler.streams import MOST_TEXTS
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
        """Raises `ConfigError` when a cache in Redis is wanted and its client is not there."""
        self._settings = settings
        self._clock = clock
        self._news = News(report, clock)
        self._readers = Readers(clock.now_ns)
        self._desk = Desk(detectors, settings, texts_left=self._readers.wake)
        self._cache = ResultCache(settings.cache) if settings.cache.entries else None
        self._lanes = Lanes(self._desk, settings, clock=clock, news=self._news, cache=self._cache)
        self._too_much = ""
        self._too_much_ns = 0
        self._closing = asyncio.Event()
        self._running = False
        self._finish_within_s: float | None = None

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

    def is_full(self, stream: StreamId) -> bool:
        """Whether no more of this text should be read now: see `room`. Cheap."""
        return self._desk.texts(stream) >= MOST_TEXTS

    async def room(self, stream: StreamId, *, live: bool = False) -> None:
        """Wait until fewer than `MOST_TEXTS` windows of a stream of text wait, or until `close`.

        For whoever reads it, after each message: so nothing is lost and memory is bounded. A stream
        that has sound or pictures, too, never waits. `live`: people are told while it lasts.
        """
        await self._readers.wait(stream, lambda: not self.is_full(stream), live=live)

    async def emptied(self, stream: StreamId) -> None:
        """Wait until no window of a stream of text waits, or until `close`."""
        await self._readers.wait(stream, lambda: not self._desk.texts(stream))

    def submit(self, detector_name: str, window: Window) -> None:
        """Offer a window; never waits. After `close`: nothing.

        Of one slot the newest wins, but windows of text are kept: whoever reads it asks `is_full`.
        """
        if self._closing.is_set():
            return
        if self._desk.submit(detector_name, window, self._clock.now_ns()):
            self._lanes.of[detector_name].wake.set()

    def stats(self) -> SchedulerStats:
        return self._desk.stats(self._cache.stats() if self._cache is not None else None)

    # --- life ------------------------------------------------------------------------------

    async def load(self) -> None:
        """Load every detector on its device. One that cannot be loaded fails alone.

        Cancelled, it first waits for the call that is loading, up to `STOP_S`: threads cannot be
        interrupted. Raises `Permanent`, in a group, when a device hangs again and again.
        """
        loaded = False
        try:
            await self._lanes.load()
            loaded = True
        finally:
            if not loaded:
                await self._stop()
        self._report_plan("")

    async def run(self, out: Channel[DetectionResult]) -> None:
        """Score until `close`, then what is queued, then return. `out` is left open.

        Results go out as batches end; a full `out` holds the devices back. Cancelled, it waits
        for the batches that are on a device, up to `STOP_S`. Raises `Permanent`, in a group, when
        a device hangs again and again.
        """
        if self._closing.is_set():
            return
        self._running = True
        try:
            async with asyncio.TaskGroup() as group:
                around = [group.create_task(self._plan_for_ever(), name="scheduler:plan")]
                serving = []
                for lane in self._lanes:
                    serve = lane.serve(out, self._closing)
                    serving.append(group.create_task(serve, name=f"scheduler:{lane.name}"))
                    around.append(group.create_task(lane.wake_in_time(), name=f"timer:{lane.name}"))
                    around.append(group.create_task(lane.watch(), name=f"watch:{lane.name}"))
                await self._closing.wait()
                await self._lanes.finish(serving, self._finish_within_s)
                for task in around:
                    task.cancel()
        finally:
            await self._stop()

    def close(self, *, within_s: float | None = None) -> None:
        """Take no more windows; `run` finishes what is queued, unless it has yet to begin.

        After `within_s` it returns all the same, without what is still on a device.
        """
        self._finish_within_s = within_s
        self._closing.set()
        self._readers.close()
        for lane in self._lanes:
            lane.wake.set()
            if not self._running:
                lane.guard.thread.stop_when_idle()

    # --- inside ----------------------------------------------------------------------------

    async def _plan_for_ever(self) -> None:
        while True:
            await self._clock.sleep(PLAN_EVERY_S)
            too_much = [self._desk.replan(self._clock.now_ns())]
            if held := self._readers.held_back():
                too_much.append(
                    f"{'1 chat is' if held == 1 else f'{held} chats are'} held back: more is said "
                    "than can be looked at; use a faster detector or device"
                )
            self._report_plan("; ".join(filter(None, too_much)))

    def _report_plan(self, too_much: str) -> None:
        """The health of the scheduler: too much to do, a fallback, or well."""
        now_ns = self._clock.now_ns()
        old = now_ns - self._too_much_ns > NEW_FIGURES_AFTER_S * 1e9
        if old or bool(too_much) != bool(self._too_much):
            self._too_much, self._too_much_ns = too_much, now_ns
        choice = self._lanes.choice
        fallback = choice.cause if choice.is_fallback else ""
        causes = [cause for cause in (fallback, self._too_much) if cause]
        state = HealthState.DEGRADED if causes else HealthState.UP
        self._news.tell("scheduler", state, "; ".join(causes))

    async def _stop(self) -> None:
        await self._lanes.stop()
        if self._cache is not None:
            self._cache.close()
