"""The loop that keeps one device busy: batches to its thread, results out."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from streammon.core.errors import Permanent
from streammon.core.ports import Clock
from streammon.core.types import DetectionResult, Health, HealthState
from streammon.flow.channel import Channel
from streammon.scheduler.batching import Batch
from streammon.scheduler.desk import Desk
from streammon.scheduler.device import DeviceThread, autocast

log = logging.getLogger(__name__)


class News:
    """Reports the health of components, each state and cause once."""

    def __init__(self, report: Callable[[Health], None], clock: Clock) -> None:
        self._report = report
        self._clock = clock
        self._told: dict[str, tuple[HealthState, str]] = {}

    def tell(self, component: str, state: HealthState, cause: str = "") -> None:
        if self._told.get(component) != (state, cause):
            self._told[component] = (state, cause)
            self._report(Health(component, state, cause, self._clock.now_ns()))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of a batch on the device."""

    batch: Batch
    results: Sequence[DetectionResult]
    took_s: float
    ended_ns: int
    error: Exception | None = None


class Lane:
    """One device, its thread, and the detectors that run there."""

    def __init__(
        self, device: str, desk: Desk, *, mixed_precision: bool, clock: Clock, news: News
    ) -> None:
        self.device = device
        self.thread = DeviceThread(device)
        self.wake = asyncio.Event()
        """Set it when there may be something to do."""
        self._timed = asyncio.Event()
        """Something waits that becomes due by itself: the timer is to set `wake` then."""
        self._desk = desk
        self._mixed_precision = mixed_precision
        self._clock = clock
        self._news = news

    async def load(self, name: str) -> None:
        """Load a detector here. One that cannot be loaded fails alone."""
        component = f"detector:{name}"
        self._news.tell(component, HealthState.STARTING)
        started_ns = self._clock.now_ns()
        try:
            await self.thread.start(self._desk.able[name].load, self.device)
        except Permanent as error:
            self._fail(name, str(error))
            return
        except Exception as error:  # the worker border: one broken detector must not stop others
            log.exception("detector_load_failed", extra={"detector": name})
            self._fail(name, f"defect while loading: {type(error).__name__}: {error}")
            return
        took_s = round((self._clock.now_ns() - started_ns) / 1e9, 3)
        log.info("detector_loaded", extra={"detector": name, "took_s": took_s})
        self._desk.place(name, self.device)
        self._news.tell(component, HealthState.UP)

    async def serve(self, out: Channel[DetectionResult], closing: asyncio.Event) -> None:
        """Keep the device busy while something is due; after `closing`, empty the queue.

        Results of one batch go out while the next one is on the device. A batch that is full
        already is handed over before the one on the device ends: nothing is gained by waiting.
        """
        current: asyncio.Future[_Outcome] | None = None
        ahead: asyncio.Future[_Outcome] | None = None
        try:
            while True:
                self.wake.clear()
                ending, done = closing.is_set(), None
                if current is not None and current.done():
                    done, current, ahead = current.result(), ahead, None
                if current is None:
                    current = self._start(all_due=ending)
                elif ahead is None:
                    ahead = self._start(only_full=True)
                if done is not None:
                    await self._settle(done, out)
                    continue
                if current is None:
                    if ending:
                        return
                    self._timed.set()
                await self.wake.wait()
        finally:
            if ahead is not None:
                ahead.cancel()

    def _start(
        self, *, all_due: bool = False, only_full: bool = False
    ) -> asyncio.Future[_Outcome] | None:
        """Hand the next batch to the device's thread, if there is one; `wake` tells of its end."""
        now_ns = self._clock.now_ns()
        batch = self._desk.take(self.device, now_ns, all_due=all_due, only_full=only_full)
        if batch is None:
            return None
        started = self.thread.start(self._score, batch)
        started.add_done_callback(lambda _: self.wake.set())
        return started

    async def wake_in_time(self) -> None:
        """For ever: wake the idle lane when what waits has waited long enough for company."""
        while True:
            await self._timed.wait()
            self._timed.clear()
            due_ns = self._desk.next_due_ns(self.device)
            if due_ns is not None:
                await self._clock.sleep(max(0, due_ns - self._clock.now_ns()) / 1e9)
                self.wake.set()

    def _score(self, batch: Batch) -> _Outcome:
        """Run on the device's thread. Never raises: what went wrong is in the outcome."""
        detector = self._desk.detectors[batch.detector]
        started_ns = self._clock.now_ns()
        results: Sequence[DetectionResult] = ()
        failure: Exception | None = None
        try:
            with autocast(self.device, enabled=self._mixed_precision):
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
            if self._desk.failed(batch, ended_ns=outcome.ended_ns) or isinstance(
                outcome.error, Permanent
            ):
                self._fail(batch.detector, cause)
            else:
                self._news.tell(component, HealthState.DEGRADED, f"a batch was lost: {cause}")
            return
        self._desk.finished(
            batch, outcome.results, took_s=outcome.took_s, ended_ns=outcome.ended_ns
        )
        if batch.detector in self._desk.able:
            self._news.tell(component, HealthState.UP)
        share_s = outcome.took_s / len(batch.windows)
        for result in outcome.results:
            await out.send(
                result if result.processing_time_s else replace(result, processing_time_s=share_s)
            )

    def _fail(self, name: str, cause: str) -> None:
        self._desk.drop(name)
        self._news.tell(f"detector:{name}", HealthState.FAILED, cause)


def _check(batch: Batch, results: Sequence[DetectionResult]) -> None:
    """Raises `ValueError` unless there is one result per window, in the same order."""
    if len(results) != len(batch.windows):
        raise ValueError(f"{len(batch.windows)} windows gave {len(results)} results")
    for window, result in zip(batch.windows, results, strict=True):
        asked = (window.stream, window.participant, window.epoch, window.start_s)
        if (result.stream, result.participant, result.epoch, result.start_s) != asked:
            raise ValueError(f"a result for {result.stream} stands where {window.stream} belongs")
