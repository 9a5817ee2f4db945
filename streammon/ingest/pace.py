"""Holds recorded media back to the speed at which they were recorded."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

BURST_S = 0.04
"""Packets are let through in bursts this long: fewer wake-ups, and never early."""

GIVE_UP_S = 2.0
"""Later than this (the machine slept), the lost time is not made up for."""

HOLE_S = 10.0
"""A hole in the recording longer than this is stepped over."""

LEAST_EPOCH_S = 0.04
"""A recording of one picture, looped, is shown again after this."""


class Pacer:
    """Lets media time pass no faster than the monotonic clock.

    Each wait is against the start, so errors do not add up: no drift, however long it runs.
    """

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._start_s = now_s()
        self._base_s = self._reached_s = 0.0

    def next_epoch(self) -> None:
        """Media time starts at 0 again, right after what was reached so far."""
        self._base_s = self._reached_s = max(self._reached_s, self._base_s + LEAST_EPOCH_S)

    def wait(self, media_s: float, leaving: threading.Event) -> None:
        """Return once `media_s` is due, or at once when `leaving` is set."""
        due_s = self._base_s + media_s
        self._reached_s = max(self._reached_s, due_s)
        early_s = due_s - (self._now_s() - self._start_s)
        if not -GIVE_UP_S <= early_s <= HOLE_S:
            self._start_s -= early_s
        elif early_s > 0:
            leaving.wait(early_s + BURST_S)
