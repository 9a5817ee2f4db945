"""A device's thread that is left and replaced when a call does not come back."""

from __future__ import annotations

import asyncio
import logging

from streammon.core.errors import Permanent
from streammon.core.ports import Clock
from streammon.scheduler.device import tune_threads
from streammon.scheduler.thread import DeviceThread, Step
from streammon.scheduler.work import Job, Work

log = logging.getLogger(__name__)

WATCH_EVERY_S = 1.0
"""How often it is looked whether a call hangs; it is believed at the second look."""
MOST_ABANDONED = 3
"""Threads that one device may lose to calls that hang; then it is the device that is broken."""


class GuardedThread:
    """The thread of one device, and who is to blame when it does not come back."""

    def __init__(self, device: str, work: Work, *, shortest_limit_s: float, clock: Clock) -> None:
        self.thread = DeviceThread(device)
        self.cpu_threads: int | None = None
        """Set for every new thread too."""
        self.look_every_s = min(WATCH_EVERY_S, shortest_limit_s / 4)
        self._device = device
        self.work = work
        self._clock = clock
        self._suspect: Step | None = None
        self._abandoned: list[str] = []

    def do(self, job: Job) -> asyncio.Future[Job]:
        return self.thread.start(self.work.do, self.thread, job)

    def overdue(self) -> Step | None:
        """What has been overdue since the last look too; to be asked every `look_every_s`.

        Twice, so that a process that was stopped for a while does not blame a detector for it.
        """
        step = self.thread.step
        if step is None or not step.overdue(self._clock.now_ns()):
            self._suspect = None
            return None
        believed, self._suspect = step is self._suspect, step
        return step if believed else None

    def leave(self, step: Step) -> bool:
        """Go on without the call that is in this step; false if it has come back meanwhile."""
        if step is not self.thread.step:
            return False
        log.error("detector_hangs", extra={"detector": step.detector, "at": step.doing})
        self._abandoned.append(step.detector)
        self.renew()
        return True

    def renew(self) -> None:
        """Leave the thread with the call that it is in, and go on with a new one."""
        self.thread.abandon()
        self.thread = DeviceThread(self._device)
        if self.cpu_threads is not None:
            self.thread.start(tune_threads, self.cpu_threads)

    def raise_if_stuck(self) -> None:
        """Raises `Permanent` when more calls hung than one can go on after."""
        if len(self._abandoned) > MOST_ABANDONED:
            names = ", ".join(self._abandoned)
            raise Permanent(
                f"{self._device} is stuck: {names} did not come back from it; restart streammon"
            )
