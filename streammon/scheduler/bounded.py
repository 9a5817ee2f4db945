"""Calls to detectors that may take so long and no longer, for those who wait for each of them.

What `Lane` and `GuardedThread` are for live streams, this is for one recording after another: no
event loop, one call at a time, and a call that hangs is left behind on its thread.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as NotYet
from typing import TypeVar

from streammon.core.errors import Permanent
from streammon.scheduler.thread import CallThread

T = TypeVar("T")
log = logging.getLogger(__name__)

SECOND_LOOK_S = 1.0
"""A call that is late is believed to hang after so much longer: a process that was stopped for a
while blames nobody."""


class Hangs(Permanent):
    """A call to a detector did not come back within its limit."""


class BoundedCalls:
    """A thread on which detectors are called, and a new one whenever it has to be left behind.

    For one thread at a time. The thread ends with `close`, or when nobody holds this any more.
    """

    def __init__(self) -> None:
        self._renew()

    def call(self, name: str, doing: str, limit_s: float, work: Callable[[], T]) -> T:
        """What `work` returns or raises; blocking. `doing` is `load` or `score`.

        Raises `Hangs`, naming the detector, when it does not come back within `limit_s`; then it
        goes on somewhere, and what it does counts no more.
        """
        future = self._thread.submit(work)
        try:
            if not _came(future, limit_s) and not _came(future, SECOND_LOOK_S):
                raise self._left_behind(name, doing, limit_s)
            return future.result()
        finally:
            del future  # an error holds this frame, which is not to hold the error

    def close(self) -> None:
        """Let the thread end after the call it is in; the next call starts another one."""
        self._finish()
        self._renew()

    def _left_behind(self, name: str, doing: str, limit_s: float) -> Hangs:
        self._finish.detach()
        self._thread.abandon()
        self._renew()
        log.error("detector_hangs", extra={"detector": name, "at": doing})
        setting = "load_hang_s" if doing == "load" else "hang_s"
        return Hangs(
            f"{name}: {doing} did not come back for {limit_s:g} s, it was given up; if it is "
            f"only slow, raise scheduler.{setting} in the configuration"
        )

    def _renew(self) -> None:
        self._thread = CallThread("streammon-bounded")
        self._finish = weakref.finalize(self, self._thread.end)


def _came(future: Future[T], within_s: float) -> bool:
    """Whether it is done by then, in whatever way."""
    try:
        future.exception(timeout=within_s)
    except NotYet:
        return future.done()
    return True
