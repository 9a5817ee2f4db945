"""The scheduler as the pipeline knows it: threads, tasks and health around the pure `desk`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from streammon.config import SchedulerConfig
from streammon.core.errors import Permanent
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
from streammon.scheduler.batching import Batch
from streammon.scheduler.desk import Desk
from streammon.scheduler.device import (
    CPU,
    Choice,
    DeviceThread,
    autocast,
    choose_device,
    tune_threads,
)
from streammon.scheduler.tally import SchedulerStats

log = logging.getLogger(__name__)

PLAN_EVERY_S = 1.0


@dataclass(slots=True, eq=False)
class _Lane:
    """One device: its thread, and the events that wake its loop."""

    thread: DeviceThread
    detectors: tuple[str, ...]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    timed: asyncio.Event = field(default_factory=asyncio.Event)
    """Something waits that becomes due by itself: the timer is to set `wake` then."""


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of a batch on the device."""

    batch: Batch
    results: Sequence[DetectionResult]
    took_s: float
    ended_ns: int
    error: Exception | None = None


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
        self._detectors = dict(detectors)
        self._settings = settings
        self._clock = clock
        self._report = report
        self._desk = Desk(self._detectors, settings)
        self._lanes: dict[str, _Lane] = {}
        self._lane_of: dict[str, _Lane] = {}
        self._choice = Choice(CPU)
        self._said: dict[str, tuple[HealthState, str]] = {}
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
        """Offer a window; never waits. Of one slot, the newest wins."""
        if self._closing.is_set():
            return
        if self._desk.submit(detector_name, window, self._clock.now_ns()):
            self._lane_of[detector_name].wake.set()

    def stats(self) -> SchedulerStats:
        return self._desk.stats()

    # --- life ------------------------------------------------------------------------------

    async def load(self) -> None:
        """Load every detector on its device. One that cannot be loaded fails alone."""
        done = False
        try:
            self._lanes[CPU] = _Lane(DeviceThread(CPU), ())
            await self._choose()
            async with asyncio.TaskGroup() as group:
                for lane in self._lanes.values():
                    group.create_task(self._load_lane(lane), name=f"load:{lane.thread.device}")
            done = True
        finally:
            if not done:
                self._stop_threads()
        self._report_plan("")

    async def run(self, out: Channel[DetectionResult]) -> None:
        """Score until `close`, then what is queued, then return. `out` is left open.

        Results go out in the order in which batches end; a full `out` holds the devices back.
        Cancelled, it waits for the batches that are on a device: threads cannot be interrupted.
        """
        if self._closing.is_set():
            return
        self._running = True
        try:
            async with asyncio.TaskGroup() as group:
                helpers = [group.create_task(self._plan_for_ever(), name="scheduler:plan")]
                serving = [group.create_task(self._closed(), name="scheduler:close")]
                for device, lane in self._lanes.items():
                    helpers.append(group.create_task(self._wake_in_time(lane)))
                    serve = self._serve(lane, out)
                    serving.append(group.create_task(serve, name=f"scheduler:{device}"))
                await asyncio.wait(serving)
                for helper in helpers:
                    helper.cancel()
        finally:
            self._running = False
            self._stop_threads()

    def close(self) -> None:
        """Take no more windows; `run` finishes what is queued, unless it has yet to begin."""
        self._closing.set()
        for lane in self._lanes.values():
            lane.wake.set()
        if not self._running:
            self._stop_threads()

    async def _closed(self) -> None:
        await self._closing.wait()

    # --- loading ---------------------------------------------------------------------------

    async def _choose(self) -> None:
        """Settle which device the models run on, and make a lane for each that is used."""
        thread = self._lanes[CPU].thread
        on_device = [name for name, each in self._detectors.items() if each.on_device]
        if on_device:
            self._choice = await thread.start(choose_device, self._settings.device)
        accelerator = self._choice.device
        if on_device and accelerator == CPU:
            threads = await thread.start(tune_threads, self._settings.cpu_threads)
            log.info("cpu_threads", extra={"threads": threads})
        if accelerator != CPU:
            self._lanes[accelerator] = _Lane(DeviceThread(accelerator), tuple(on_device))
            on_cpu = tuple(name for name in self._detectors if name not in on_device)
        else:
            on_cpu = tuple(self._detectors)
        self._lanes[CPU].detectors = on_cpu

    async def _load_lane(self, lane: _Lane) -> None:
        for name in lane.detectors:
            await self._load_detector(name, lane)

    async def _load_detector(self, name: str, lane: _Lane) -> None:
        component = f"detector:{name}"
        self._say(component, HealthState.STARTING, "")
        started_ns = self._clock.now_ns()
        try:
            await lane.thread.start(self._detectors[name].load, lane.thread.device)
        except Permanent as error:
            self._fail(name, str(error))
            return
        except Exception as error:  # the worker border: one broken detector must not stop others
            log.exception("detector_load_failed", extra={"detector": name})
            self._fail(name, f"defect while loading: {type(error).__name__}: {error}")
            return
        took_s = (self._clock.now_ns() - started_ns) / 1e9
        log.info("detector_loaded", extra={"detector": name, "took_s": round(took_s, 3)})
        self._lane_of[name] = lane
        self._desk.place(name, lane.thread.device)
        self._say(component, HealthState.UP, "")

    # --- the loop of one device ------------------------------------------------------------

    async def _serve(self, lane: _Lane, out: Channel[DetectionResult]) -> None:
        """Keep the device busy while something is due.

        Results of one batch go out while the next one is on the device.
        """
        done: _Outcome | None = None
        while True:
            lane.wake.clear()
            closing = self._closing.is_set()
            device = lane.thread.device
            batch = self._desk.take(device, self._clock.now_ns(), all_due=closing)
            running = None if batch is None else lane.thread.start(self._score, batch, device)
            if done is not None:
                await self._settle(done, out)
                done = None
            elif running is None:
                if closing:
                    return
                lane.timed.set()
                await lane.wake.wait()
            if running is not None:
                done = await running

    async def _wake_in_time(self, lane: _Lane) -> None:
        """Wake an idle lane when the windows that wait have waited long enough for company."""
        while True:
            await lane.timed.wait()
            lane.timed.clear()
            due_ns = self._desk.next_due_ns(lane.thread.device)
            if due_ns is not None:
                await self._clock.sleep(max(0, due_ns - self._clock.now_ns()) / 1e9)
                lane.wake.set()

    def _score(self, batch: Batch, device: str) -> _Outcome:
        """Run on the device's thread. Never raises: what went wrong is in the outcome."""
        detector = self._detectors[batch.detector]
        started_ns = self._clock.now_ns()
        results: Sequence[DetectionResult] = ()
        failure: Exception | None = None
        try:
            with autocast(device, enabled=self._settings.mixed_precision):
                results = detector.score(batch.windows)
            _check(batch, results)
        except Exception as error:  # the worker border: counted and reported by `_settle`
            log.exception("detector_score_failed", extra={"detector": batch.detector})
            failure = error
        ended_ns = self._clock.now_ns()
        return _Outcome(batch, results, (ended_ns - started_ns) / 1e9, ended_ns, failure)

    async def _settle(self, outcome: _Outcome, out: Channel[DetectionResult]) -> None:
        """Count what came of a batch and send its results."""
        batch = outcome.batch
        component = f"detector:{batch.detector}"
        if outcome.error is not None:
            cause = f"{type(outcome.error).__name__}: {outcome.error}"
            if self._desk.failed(batch) or isinstance(outcome.error, Permanent):
                self._fail(batch.detector, cause)
            else:
                self._say(component, HealthState.DEGRADED, f"a batch was lost: {cause}")
            return
        self._desk.finished(
            batch, outcome.results, took_s=outcome.took_s, ended_ns=outcome.ended_ns
        )
        if batch.detector in self._desk.able:
            self._say(component, HealthState.UP, "")
        share_s = outcome.took_s / len(batch.windows)
        for result in outcome.results:
            await out.send(
                result if result.processing_time_s else replace(result, processing_time_s=share_s)
            )

    # --- plan and health -------------------------------------------------------------------

    async def _plan_for_ever(self) -> None:
        while True:
            await self._clock.sleep(PLAN_EVERY_S)
            self._report_plan(self._desk.replan(self._clock.now_ns()))

    def _report_plan(self, too_much: str) -> None:
        """The health of the scheduler: too much to do, a fallback, or well."""
        choice = self._choice
        causes = [
            cause for cause in (choice.cause if choice.is_fallback else "", too_much) if cause
        ]
        state = HealthState.DEGRADED if causes else HealthState.UP
        self._say("scheduler", state, "; ".join(causes))

    def _fail(self, name: str, cause: str) -> None:
        self._desk.drop(name)
        self._say(f"detector:{name}", HealthState.FAILED, cause)

    def _say(self, component: str, state: HealthState, cause: str) -> None:
        """Report a health that is news."""
        if self._said.get(component) != (state, cause):
            self._said[component] = (state, cause)
            self._report(Health(component, state, cause, self._clock.now_ns()))

    def _stop_threads(self) -> None:
        for lane in self._lanes.values():
            lane.thread.stop()


def _check(batch: Batch, results: Sequence[DetectionResult]) -> None:
    """Raises `ValueError` unless there is one result per window, in the same order."""
    if len(results) != len(batch.windows):
        raise ValueError(f"{len(batch.windows)} windows gave {len(results)} results")
    for window, result in zip(batch.windows, results, strict=True):
        asked = (window.stream, window.participant, window.epoch, window.start_s)
        if (result.stream, result.participant, result.epoch, result.start_s) != asked:
            raise ValueError(f"a result for {result.stream} stands where {window.stream} belongs")
