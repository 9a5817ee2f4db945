"""The loop that keeps one device busy: batches to its thread, results out."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from streammon.core.ports import Clock
from streammon.core.types import DetectionResult, HealthState
from streammon.flow.channel import Channel
from streammon.scheduler.batching import Switch
from streammon.scheduler.desk import Desk
from streammon.scheduler.guard import GuardedThread
from streammon.scheduler.news import News
from streammon.scheduler.thread import Step
from streammon.scheduler.work import Job

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Given:
    """A job that the thread has."""

    job: Job
    done: asyncio.Future[Job]


class Lane:
    """One device, its thread, and the detectors that run there."""

    def __init__(
        self, name: str, desk: Desk, guard: GuardedThread, *, clock: Clock, news: News
    ) -> None:
        self.name = name
        self.guard = guard
        self.wake = asyncio.Event()
        """Set it when there may be something to do."""
        self._timed = asyncio.Event()
        """Something waits that becomes due by itself: the timer is to set `wake` then."""
        self._desk = desk
        self._station = desk.open_device(name)
        self._clock = clock
        self._news = news
        self._current: _Given | None = None
        self._ahead: _Given | None = None
        self._hanging: Step | None = None

    async def load(self, name: str) -> None:
        """Load a detector here. One that cannot be loaded, or hangs while it is, fails alone."""
        self._news.tell(f"detector:{name}", HealthState.STARTING)
        while name in self._desk.able and not self._desk.is_placed(name):
            job = await self._finished(Job(self._station.residency.first(name)))
            if job is None:
                continue  # another one hung while it was unloaded, or this one did
            too_large = self._switched(job)
            self._blame(job)
            if name in job.errors:
                return
            if too_large:
                away = await self._finished(Job(Switch(unload=(name,))))
                if away is not None:
                    self._switched(away)
                self._fail(name, too_large)
                return
            log.info("detector_loaded", extra={"detector": name, "took_s": job.switch_s})
            self._desk.place(name, self.name)
            self._news.works(name, self._desk.able[name])

    async def serve(self, out: Channel[DetectionResult], closing: asyncio.Event) -> None:
        """Keep the device busy while something is due; after `closing`, empty the queue.

        Results of one batch go out while the next one is on the device. A batch that is full
        already is handed over before the one on the device ends: nothing is gained by waiting.
        """
        try:
            while True:
                self.wake.clear()
                ending, done = closing.is_set(), self._take_done()
                if done is None and self._hanging is not None:
                    self._give_up_on(self._hanging)
                if self._current is None:
                    self._current = self._next(all_due=ending)
                elif self._ahead is None:
                    self._ahead = self._next(only_full=True)
                if done is not None:
                    await self._settle(done, out)
                    continue
                if self._current is None:
                    if ending:
                        return
                    self._timed.set()
                await self.wake.wait()
        finally:
            if self._ahead is not None:
                self._ahead.done.cancel()

    async def wake_in_time(self) -> None:
        """For ever: wake the idle lane when what waits has waited long enough for company."""
        while True:
            await self._timed.wait()
            self._timed.clear()
            due_ns = self._desk.next_due_ns(self.name)
            if due_ns is not None:
                await self._clock.sleep(max(0, due_ns - self._clock.now_ns()) / 1e9)
                self.wake.set()

    async def watch(self) -> None:
        """For ever: wake the lane when a call does not come back."""
        while True:
            await self._clock.sleep(self.guard.look_every_s)
            self._hanging = self.guard.overdue()
            if self._hanging is not None:
                self.wake.set()

    def give_up(self) -> None:
        """The end has come: what is on the device does not count any more."""
        step = self.guard.thread.step
        if step is not None:
            cause = "it was still busy when the monitor had to end"
            self._news.tell(f"detector:{step.detector}", HealthState.FAILED, cause)
        self.guard.thread.abandon()

    # --- jobs ------------------------------------------------------------------------------

    def _next(self, *, all_due: bool = False, only_full: bool = False) -> _Given | None:
        """Hand the next batch to the device's thread, if there is one; `wake` tells of its end."""
        now_ns = self._clock.now_ns()
        batch = self._desk.take(self.name, now_ns, all_due=all_due, only_full=only_full)
        return None if batch is None else self._start(Job(batch.switch, batch))

    def _start(self, job: Job) -> _Given:
        done = self.guard.do(job)
        done.add_done_callback(lambda _: self.wake.set())
        return _Given(job, done)

    def _take_done(self) -> Job | None:
        """The job that has ended, if one has; the one handed over ahead is now the current."""
        if self._current is None or not self._current.done.done():
            return None
        done, self._current, self._ahead = self._current, self._ahead, None
        return done.done.result()

    async def _finished(self, job: Job) -> Job | None:
        """Have a job done while nothing else goes on here; `None` when it hangs, and is told."""
        given = self._current = self._start(job)
        try:
            while not given.done.done():
                await asyncio.wait({given.done}, timeout=self.guard.look_every_s)
                step = None if given.done.done() else self.guard.overdue()
                if step is not None and self._give_up_on(step):
                    return None
            return given.done.result()
        finally:
            self._current = None

    # --- calls that hang -------------------------------------------------------------------

    def _give_up_on(self, step: Step) -> bool:
        """Go on without the detector that hangs, unless it has come back meanwhile.

        Raises `Permanent` when there were too many.
        """
        self._hanging = None
        if not self.guard.leave(step):
            return False
        given, ahead, self._current, self._ahead = self._current, self._ahead, None, None
        assert given is not None
        self._switched(given.job)
        if given.job.batch is not None:
            self._desk.failed(given.job.batch, ended_ns=self._clock.now_ns())
        cause = f"{step.doing} did not come back for {step.limit_s:g} s"
        self._fail(step.detector, f"{cause}: it was given up until streammon is started again")
        for name, why in self._station.lose(step.detector).items():
            self._fail(name, why)
        self.guard.raise_if_stuck()
        if ahead is not None and (batch := ahead.job.batch) is not None:  # it had not begun
            if batch.detector in self._desk.able:
                self._current = self._start(Job(batch.switch, batch))
            else:
                self._desk.failed(batch, ended_ns=self._clock.now_ns())
        return True

    # --- what came of it -------------------------------------------------------------------

    async def _settle(self, job: Job, out: Channel[DetectionResult]) -> None:
        """Count what came of a job and send its results."""
        batch = job.batch
        assert batch is not None
        too_large = self._switched(job)
        lost = batch.detector in job.errors
        too_often = lost and self._desk.failed(batch, ended_ns=job.ended_ns)
        self._blame(job, too_often=too_often)
        if too_large:
            self._fail(batch.detector, too_large)
        if lost:
            return
        cached = len(batch.windows) - job.fresh
        self._desk.finished(
            batch, job.results, took_s=job.took_s, ended_ns=job.ended_ns, cached=cached
        )
        if batch.detector in self._desk.able:
            self._news.works(batch.detector, self._desk.able[batch.detector])
        for result in job.results:
            await out.send(result)

    def _switched(self, job: Job) -> str:
        """Tell the desk which models are loaded now; returns why one of them cannot stay."""
        sizes = dict(job.sizes)  # a call that was given up may write on
        return self._station.switched(job.switch, sizes, took_s=job.switch_s)

    def _blame(self, job: Job, *, too_often: bool = False) -> None:
        """Fail those whose fault it was that a model did not come or go, or that fail too often."""
        for name, cause, is_final in job.faults():
            if name in job.switch.unload:
                self._station.lose(name)
            if is_final or too_often:
                self._fail(name, cause)
            else:
                tell = f"a batch was lost: {cause}"
                self._news.tell(f"detector:{name}", HealthState.DEGRADED, tell)

    def _fail(self, name: str, cause: str) -> None:
        if name in self._desk.able:
            self._desk.drop(name)
            self._news.tell(f"detector:{name}", HealthState.FAILED, cause)
