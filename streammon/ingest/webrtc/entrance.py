"""Where streams of any name come in, up to a number: an entry of the config with `admits`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

from streammon.core.ports import Source
from streammon.core.types import StreamId
from streammon.flow.channel import Channel, WhenFull
from streammon.ingest.webrtc.source import Door, NotOpen, WebRtcSource

OPENED_WITHIN_S = 5.0


class Full(Exception):
    """As many streams as are admitted are there already."""


class Entrance:
    """Satisfies `ports.Admitting`. On the event loop only."""

    def __init__(
        self, name: StreamId, door: Door, make: Callable[[StreamId], WebRtcSource], *, most: int
    ) -> None:
        self._entry = name
        self.door = door
        self._make = make
        self._most = most
        self._sources: dict[StreamId, WebRtcSource] = {}
        self._arrivals: Channel[Source] | None = None

    @property
    def sources(self) -> Mapping[StreamId, WebRtcSource]:
        """The streams that are there now."""
        return self._sources

    @asynccontextmanager
    async def arrivals(self) -> AsyncGenerator[AsyncIterator[Source]]:
        """See `ports.Admitting`. Only while this is open is anybody admitted."""
        arrivals: Channel[Source] = Channel(f"{self._entry}.arrivals", self._most, WhenFull.BLOCK)
        self._arrivals = arrivals
        try:
            yield arrivals
        finally:
            self._arrivals = None
            arrivals.close()
            self._sources.clear()

    async def admit(self, stream: StreamId) -> WebRtcSource:
        """The source of this name, new if there is none, once the monitor watches it.

        Raises `Full`, and `NotOpen` when the monitor does not watch it in time.
        """
        source = self._sources.get(stream)
        if source is None:
            if self._arrivals is None:
                raise NotOpen
            if len(self._sources) >= self._most:
                raise Full
            source = self._sources[stream] = self._make(stream)
            self._arrivals.offer(source)
        try:
            async with asyncio.timeout(OPENED_WITHIN_S):
                await source.opened.wait()
        except TimeoutError:
            raise NotOpen from None
        return source

    def left(self, stream: StreamId) -> None:
        """See `ports.Admitting`."""
        self._sources.pop(stream, None)
