"""Threads that make blocking calls one after the other, and can be given up when a call hangs."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

MOST_CALLS = 64
"""Calls that may wait for one thread."""
STOP_S = 5.0
"""How long a thread that is stopped may go on with the call it is in."""


class CallThread:
    """A thread that makes calls in order. It starts with the first one.

    It is a daemon: a call that never comes back does not keep the process from ending.
    """

    def __init__(self, name: str, *, most: int = MOST_CALLS) -> None:
        self._name = name
        self._most = most
        self._calls: deque[tuple[Callable[[], object], Future[object]]] = deque()
        self._changed = threading.Condition()
        self._ending = False
        self._thread: threading.Thread | None = None

    def submit(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """Have `work` called; never waits. Safe from any thread.

        Raises `RuntimeError` after `end`, and when `most` calls wait already.
        """
        future: Future[T] = Future()
        call = partial(_carry_out, future, partial(work, *args, **kwargs))
        with self._changed:
            if self._ending or len(self._calls) >= self._most:
                raise RuntimeError(f"{self._name}: takes no more calls")
            self._calls.append((call, future))  # type: ignore[arg-type]  # read as Future[object]
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify()
        return future

    def end(self) -> None:
        """Let the thread end after the calls that wait; never waits itself."""
        with self._changed:
            self._ending = True
            self._changed.notify()

    def abandon(self) -> None:
        """Let it end after the call it is in, if that ever ends; those that wait are cancelled."""
        with self._changed:
            self._ending = True
            left = list(self._calls)
            self._calls.clear()
            self._changed.notify()
        for _, future in left:
            future.cancel()

    def join(self, within_s: float) -> bool:
        """Wait for the thread to end; returns whether it has."""
        if self._thread is not None:
            self._thread.join(within_s)
        return self._thread is None or not self._thread.is_alive()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._calls and not self._ending:
                    self._changed.wait()
                if not self._calls:
                    return
                call, future = self._calls.popleft()
            if future.set_running_or_notify_cancel():
                call()
            del call, future  # what a call held is not kept until the next one


def _carry_out(future: Future[T], work: Callable[[], T]) -> None:
    try:
        result = work()
    except BaseException as error:  # noqa: BLE001 - handed to whoever waits for it
        future.set_exception(error)
        del future  # the error holds this frame, which is not to hold the error
    else:
        future.set_result(result)


@dataclass(frozen=True, slots=True)
class Step:
    """What a device's thread is in the middle of."""

    detector: str
    doing: str
    """In words: `load`, `unload`, `score`."""
    since_ns: int
    limit_s: float

    def overdue(self, now_ns: int) -> bool:
        return now_ns - self.since_ns > self.limit_s * 1e9


class DeviceThread:
    """The one thread that talks to a device, so that nothing on it ever runs twice at once."""

    def __init__(self, device: str) -> None:
        self.device = device
        self.step: Step | None = None
        """Written by the call that runs, read by whoever watches it."""
        self.abandoned = False
        self._calls = CallThread(f"streammon-{device}")
        self._stopped = False

    def start(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> asyncio.Future[T]:
        """Begin `work` on the thread; it goes on to its end even if the future is cancelled."""
        return asyncio.wrap_future(self._calls.submit(work, *args, **kwargs))

    async def stop(self, *, within_s: float = STOP_S) -> bool:
        """Return when the calls that were started have ended, and the thread with them.

        After `within_s` the thread is abandoned; returns whether it ended. Cancelled, it returns
        at once, and the thread still ends after its calls.
        """
        if self._stopped:
            return True
        last = self.start(int)
        self.stop_when_idle()
        await asyncio.wait({last}, timeout=within_s)
        if not last.done():
            last.cancel()
            self.abandon()
            return False
        return self._calls.join(within_s)

    def stop_when_idle(self) -> None:
        """Let the thread end after what it has to do; never waits."""
        self._stopped = True
        self._calls.end()

    def abandon(self) -> None:
        """Give it up with the call that it is in; nothing that it does from now on counts."""
        self._stopped = self.abandoned = True
        self._calls.abandon()
