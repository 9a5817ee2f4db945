"""Keeps every source running and routes what it gives."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial

from streammon.core.ports import Clock, Demand, SourceContext
from streammon.core.types import HealthState, Item, StreamId
from streammon.flow.supervise import Report, Supervision, keep_running
from streammon.pipelines.streams import Stream

Take = Callable[[Stream, Item], None]


async def ingest_all(
    streams: Iterable[Stream],
    *,
    clock: Clock,
    demand: Callable[[StreamId], Demand],
    reporter: Callable[[StreamId], Report],
    take: Take,
    supervision: Supervision = Supervision(),
) -> None:
    """Run until every source has ended or failed for good, or until cancelled."""
    async with asyncio.TaskGroup() as group:
        for stream in streams:
            report = reporter(stream.stream)
            context = SourceContext(demand(stream.stream), clock, report)
            group.create_task(
                keep_running(
                    f"stream:{stream.stream}",
                    partial(_ingest, stream, context, take),
                    clock=clock,
                    report=report,
                    supervision=supervision,
                ),
                name=f"ingest:{stream.stream}",
            )


async def _ingest(stream: Stream, context: SourceContext, take: Take) -> None:
    """One connection, until it ends or raises. While it is tried again, the last cause stands."""
    if not stream.opens:
        context.report(HealthState.STARTING, "")
    stream.opens += 1
    up = False
    async with stream.source.open(context) as items:
        async for item in items:
            if not up:
                up = True
                context.report(HealthState.UP, "")
            take(stream, item)
    stream.finish()
    context.report(HealthState.ENDED, "read to its end")
