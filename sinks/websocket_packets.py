"""Encoded pictures for one WebSocket client: which streams, and whose turn it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from streammon.core.ports import CodedSource, CodedView, Coding, Source
from streammon.core.types import StreamId
from streammon.sinks import wire

MOST_STREAMS = 64
"""Streams that a client may have encoded at once."""

TICK_S = 0.04
"""How often a client that has nothing else to wait for is looked after: what it adds to the age."""

SourceOf: TypeAlias = Callable[[StreamId], Source | None]
"""The source behind a stream, `None` while there is none."""


class PictureWish(BaseModel):
    """How a client wants the pictures of one stream."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    mode: Literal["packets", "jpeg"] = "jpeg"
    every_s: float | None = Field(None, gt=0.0, le=60.0)
    """Packets: keyframes only, at most one in so many seconds of media."""


@dataclass(slots=True)
class _Seen:
    """One stream as this client has it; a stream may get another source under the same name."""

    wish: PictureWish
    source: Source | None = None
    view: CodedView | None = None


class PacketViews:
    """What one client sees of encoded pictures. On the event loop only.

    Nothing waits here: each view has its place in the ring of its source, so a client that is slow
    costs no memory and is moved on to a later keyframe.
    """

    def __init__(self, source_of: SourceOf | None) -> None:
        """`None`: there are no encoded pictures here, which every client that asks is told."""
        self._source_of = source_of
        self._seen: dict[StreamId, _Seen] = {}
        self._turn: deque[StreamId] = deque()
        self.jumps = 0
        """How often a view was moved on because the client was slow."""

    def next_look_s(self, now_s: float) -> float | None:
        """When to `take` again, the same moment for all clients: one wake-up does for many.

        `None`: nothing will come.
        """
        half_s = TICK_S / 2  # a timer that is a little early is not set for the same moment again
        return ((now_s + half_s) // TICK_S + 1) * TICK_S if self._turn else None

    def choose(self, wishes: Mapping[StreamId, PictureWish]) -> None:
        """Follow these streams and no others. What is wanted as before goes on where it is."""
        kept = {
            stream: seen for stream, seen in self._seen.items() if wishes.get(stream) == seen.wish
        }
        self._seen = {
            stream: kept.get(stream) or _Seen(wish)
            for stream, wish in wishes.items()
            if wish.mode == "packets"
        }
        self._turn = deque(self._seen)

    def take(self, now_s: float) -> list[str | bytes]:
        """What is new of the next stream that has something, as it is sent; empty for none."""
        for _ in range(len(self._turn)):
            stream = self._turn[0]
            self._turn.rotate(-1)
            if messages := self._of(stream, self._seen[stream], now_s):
                return messages
        return []

    def _of(self, stream: StreamId, seen: _Seen, now_s: float) -> list[str | bytes]:
        if self._source_of is None:
            return self._refuse(stream, "this server has no encoded pictures")
        source = self._source_of(stream)
        if source is not seen.source:
            seen.source, seen.view = source, None
            if isinstance(source, CodedSource):
                seen.view = source.look(every_s=seen.wish.every_s)
            elif source is not None:
                return self._refuse(stream, "its source keeps no encoded pictures")
        if seen.view is None:
            return []
        before = seen.view.jumps
        told = seen.view.take(now_s)
        self.jumps += seen.view.jumps - before
        return [
            wire.coding_message(stream, each)
            if isinstance(each, Coding)
            else wire.packet_frame(stream, each)
            for each in told
        ]

    def _refuse(self, stream: StreamId, why: str) -> list[str | bytes]:
        """Say it once; the client has to ask for something else."""
        self._turn.remove(stream)
        return [wire.coding_message(stream, Coding(0, 0.0, None, why_not=why))]
