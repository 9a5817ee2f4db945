"""SIGINT and SIGTERM: the first asks to drain, the second ends at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EXIT_AT_ONCE = 1
PATIENCE_S = 1.0
"""So long a person waits after Ctrl-C before wondering."""


@contextmanager
def stop_on_signals(
    stop: asyncio.Event, *, still_here: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Set `stop` on the first SIGINT or SIGTERM; a second one exits the process with 1.

    `still_here` is called where the first has not ended the block after `PATIENCE_S`.
    """
    loop = asyncio.get_running_loop()
    timers: list[asyncio.TimerHandle] = []

    def asked() -> None:
        if stop.is_set():
            os._exit(EXIT_AT_ONCE)
        stop.set()
        timers.append(loop.call_later(PATIENCE_S, still_here))

    handled = (signal.SIGINT, signal.SIGTERM)
    for number in handled:
        loop.add_signal_handler(number, asked)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
        for timer in timers:
            timer.cancel()
