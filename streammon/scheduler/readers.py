"""Who reads text, and has to wait until enough of what was read has been looked at."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection

from streammon.core.types import StreamId

OFTEN = 0.5
"""A reader that waits for so much of the time is held back; for less, it is a burst."""


class Readers:
    """The readers that wait. On the event loop only."""

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self._now_ns = now_ns
        self._waiting: dict[StreamId, list[asyncio.Future[None]]] = {}
        self._closed = False
        self._since_ns: dict[StreamId, int] = {}
        self._waited_ns: Counter[StreamId] = Counter()
        self._asked_ns = now_ns()

    async def wait(
        self, stream: StreamId, until: Callable[[], bool], *, live: bool = False
    ) -> None:
        """Return once `until` is true, or all is closed; it is asked at every `wake`.

        `live`: whoever is read from does not wait, so `held_back` tells of it.
        """
        if live and not until():
            self._since_ns.setdefault(stream, self._now_ns())
        try:
            while not self._closed and not until():
                woken = asyncio.get_running_loop().create_future()
                self._waiting.setdefault(stream, []).append(woken)
                await woken
        finally:
            self._note(stream)
            self._since_ns.pop(stream, None)

    def wake(self, streams: Collection[StreamId]) -> None:
        for stream in streams:
            for woken in self._waiting.pop(stream, ()):
                if not woken.done():  # its reader was cancelled
                    woken.set_result(None)

    def close(self) -> None:
        """Nobody waits from now on."""
        self._closed = True
        self.wake(tuple(self._waiting))

    def held_back(self) -> int:
        """How many live streams were read only now and then since this was last asked."""
        now_ns = self._now_ns()
        for stream in self._since_ns:
            self._note(stream)
        least_ns = OFTEN * (now_ns - self._asked_ns)
        held = sum(waited_ns > least_ns for waited_ns in self._waited_ns.values())
        self._waited_ns.clear()
        self._asked_ns = now_ns
        return held

    def _note(self, stream: StreamId) -> None:
        since_ns = self._since_ns.get(stream)
        if since_ns is not None:
            now_ns = self._now_ns()
            self._waited_ns[stream] += now_ns - max(since_ns, self._asked_ns)
            self._since_ns[stream] = now_ns
