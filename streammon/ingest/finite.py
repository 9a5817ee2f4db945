"""What every source shares whose items are at hand: read in one go, with no clock of its own."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace

from streammon.core.ports import Demand, SourceContext
from streammon.core.types import Item, Modality, StreamId
from streammon.flow.channel import WhenFull
from streammon.flow.threads import on_thread

MOST_WAITING = 4


class Finite:
    """Satisfies `ports.Source` and `ports.Recording`: items of one modality, each time the same.

    `make(demand)` gives them in media order, numbered from 0, in epoch 0. It may block: `open`
    runs it on a thread of its own.
    """

    def __init__(
        self, stream: StreamId, modality: Modality, make: Callable[[Demand], Iterator[Item]]
    ) -> None:
        self.stream = stream
        self.modalities = frozenset({modality})
        self._make = make
        self._opens = self._given = 0

    @asynccontextmanager
    async def open(self, context: SourceContext) -> AsyncIterator[AsyncIterator[Item]]:
        """All of it as fast as it is taken, as a new epoch; leaving waits for one item at most."""
        epoch, first = self._opens, self._given
        self._opens += 1

        def items(leaving: threading.Event) -> Iterator[Item]:
            for item in self._make(context.demand):
                if leaving.is_set():
                    return
                seq = first + item.seq
                self._given = seq + 1
                yield replace(item, seq=seq, epoch=epoch, captured_ns=context.clock.now_ns())

        async with on_thread(
            f"ingest:{self.stream}", items, capacity=MOST_WAITING, when_full=WhenFull.BLOCK
        ) as channel:
            yield channel

    def items(self, demand: Demand) -> Iterator[Item]:
        """See `ports.Recording`."""
        return self._make(demand)
