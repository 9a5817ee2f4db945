"""Keeps every source running and routes what it gives."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from streammon.core.ports import Admitting, Answering, Clock, Demand, Source, SourceContext
from streammon.core.types import HealthState, Item, StreamId
from streammon.flow.supervise import Report, Supervision, keep_running
from streammon.pipelines.streams import Stream

log = logging.getLogger(__name__)

Take = Callable[[Stream, Item], None]


class NameTaken(Exception):
    """A stream of this name is watched already."""


class Backlog(Protocol):
    """What was read and has yet to be looked at. Only text has to wait: media never do."""

    def is_full(self, stream: StreamId) -> bool:
        """Whether no more of it should be read now; cheap."""

    async def room(self, stream: StreamId, *, live: bool = False) -> None:
        """Wait while it is full; `live`: whoever is read from does not wait."""

    async def emptied(self, stream: StreamId) -> None:
        """Wait until nothing of it has to wait any more."""


class Roster(Protocol):
    """The streams that are watched now."""

    def join(self, source: Source) -> Stream:
        """Watch this one, too. Raises `NameTaken`."""

    async def leave(self, stream: Stream) -> None: ...


class Ingest:
    """Runs sources. `run` lasts until every stream of the config has ended or failed for good, and
    for ever where streams are admitted; or until cancelled.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        demand: Callable[[StreamId], Demand],
        reporter: Callable[[StreamId], Report],
        take: Take,
        backlog: Backlog,
        supervision: Supervision = Supervision(),
    ) -> None:
        self._clock = clock
        self._demand = demand
        self._reporter = reporter
        self._take = take
        self._backlog = backlog
        self._supervision = supervision

    async def run(
        self, streams: Iterable[Stream], entrances: Iterable[Admitting], roster: Roster
    ) -> None:
        async with asyncio.TaskGroup() as group:
            for entrance in entrances:
                group.create_task(self._admit(entrance, roster), name="admit")
            for stream in streams:
                group.create_task(self._watch(stream), name=f"ingest:{stream.stream}")

    async def _admit(self, entrance: Admitting, roster: Roster) -> None:
        """Watch whoever comes, for as long as they stay.

        Names come from outside, by several entrances: one that is taken costs its bearer the entry
        and nobody else anything.
        """
        async with entrance.arrivals() as arrivals, asyncio.TaskGroup() as group:
            async for source in arrivals:
                try:
                    stream = roster.join(source)
                except NameTaken:
                    log.warning("stream_turned_away", extra={"stream": source.stream})
                    entrance.left(source.stream)
                    continue
                visit = self._visit(stream, entrance, roster)
                group.create_task(visit, name=f"ingest:{source.stream}")

    async def _visit(self, stream: Stream, entrance: Admitting, roster: Roster) -> None:
        await self._watch(stream)
        await roster.leave(stream)
        entrance.left(stream.stream)

    async def _watch(self, stream: Stream) -> None:
        report = self._reporter(stream.stream)
        context = SourceContext(self._demand(stream.stream), self._clock, report)
        await keep_running(
            f"stream:{stream.stream}",
            partial(_ingest, stream, context, self._take, self._backlog),
            clock=self._clock,
            report=report,
            supervision=self._supervision,
        )


async def _ingest(stream: Stream, context: SourceContext, take: Take, backlog: Backlog) -> None:
    """One connection, until it ends or raises. While it is tried again, the last cause stands.

    Text is read no faster than it is looked at, and has ended once all of it was.
    """
    if not stream.opens:
        context.report(HealthState.STARTING, "")
    stream.opens += 1
    up = False
    async with stream.source.open(context) as items:
        try:
            async for item in items:
                if not up:
                    up = True
                    context.report(HealthState.UP, "")
                take(stream, item)
                if backlog.is_full(stream.stream):
                    with stream.held_back():
                        await backlog.room(stream.stream, live=stream.real_time)
        except asyncio.CancelledError:
            if isinstance(stream.source, Answering):
                for item in stream.source.stop():
                    take(stream, item)
            raise
    stream.finish()
    await backlog.emptied(stream.stream)
    context.report(HealthState.ENDED, "read to its end")
