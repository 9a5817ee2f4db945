"""Lets a thread that is blocked inside FFmpeg be asked to leave.

FFmpeg asks PyAV ten times a second whether to go on waiting, and PyAV compares
`time.monotonic()` with the timeout; it offers no other way to say no. So the `time` that
`av.container.core` sees is ours: on a thread that is to leave, time runs out. Everywhere else
it is the real one. Should PyAV change, waiting ends with the timeouts as it always did, and
tests/loopback/test_av_url.py fails.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from av.container import core

AGES_S = 1e6
"""Longer than any timeout."""


class _PatienceClock:
    def __init__(self) -> None:
        self._here = threading.local()

    def leave_when(self, leaving: threading.Event | None) -> None:
        self._here.leaving = leaving
        self._here.ages = 0.0

    def monotonic(self) -> float:
        leaving: threading.Event | None = getattr(self._here, "leaving", None)
        if leaving is None or not leaving.is_set():
            return time.monotonic()
        # Later with every look: a wait that begins now must run out, too.
        self._here.ages += AGES_S
        return float(time.monotonic() + self._here.ages)


_CLOCK = _PatienceClock()
vars(core)["time"] = _CLOCK


@contextmanager
def interruptible(leaving: threading.Event) -> Iterator[None]:
    """Inside, this thread's waits in FFmpeg end with `ExitError` soon after `leaving` is set."""
    _CLOCK.leave_when(leaving)
    try:
        yield
    finally:
        _CLOCK.leave_when(None)
