"""Judges content for HTTP clients beside the live monitor, on a thread of its own."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from types import TracebackType
from typing import Self

from prometheus_client import Counter

from streammon.core.errors import Permanent
from streammon.pipelines.content import Asked, Limits
from streammon.pipelines.detect import Detection, Panel
from streammon.telemetry.metrics import Metrics

LIMITS = Limits(bytes=32 * 2**20, pixels=40_000_000, duration_s=600.0, characters=200_000)
JUDGED_WITHIN_S = 60.0
"""Looked at between windows; loading the models does not count."""
RUNNING, WAITING = 1, 4
"""Requests in work and behind them, bodies on their way in included; one more is turned away."""
NICENESS = 10
"""On Linux threads have priorities of their own: live windows go first."""


class Busy(Exception):
    """As many requests as may wait are there already."""


class Detecting:
    """A panel behind a bounded queue. An async context manager; its detectors are its own, and
    are loaded when a request first needs them.
    """

    def __init__(self, panel: Panel, metrics: Metrics) -> None:
        self.panel = panel
        self._worker = ThreadPoolExecutor(
            RUNNING, thread_name_prefix="detect", initializer=_step_back
        )
        self._leaving = threading.Event()
        self._admitted = 0
        self._requests = Counter(
            "streammon_detect_requests",
            "Content sent to be judged, by outcome: judged, abstained, refused, busy, failed.",
            ("outcome",),
            registry=metrics.registry,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Waits for the window in work; what is behind it is given up."""
        self._leaving.set()
        await asyncio.to_thread(self._worker.shutdown, wait=True, cancel_futures=True)

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the queue while the block runs. Raises `Busy` at once when there is none."""
        if self._admitted >= RUNNING + WAITING:
            raise Busy
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    def count(self, outcome: str) -> None:
        self._requests.labels(outcome).inc()

    async def judge(
        self, content: bytes, modality: Asked, *, only: Collection[str] | None
    ) -> Detection:
        """See `Panel.detect`, whose errors come through."""
        work = partial(
            self.panel.detect,
            content,
            modality,
            only=only,
            within_s=JUDGED_WITHIN_S,
            progress=self._go_on,
        )
        return await asyncio.get_running_loop().run_in_executor(self._worker, work)

    def _go_on(self, media_s: float) -> None:
        if self._leaving.is_set():
            raise Permanent("the server is shutting down")


def _step_back() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICENESS)
