"""A chat source as the ingest stage runs it, with what it gives and how it says that it stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from streammon.core.clock import MonotonicClock
from streammon.core.ports import Source, SourceContext
from streammon.core.types import ChatMessage, HealthState
from streammon.flow.channel import Channel, WhenFull
from streammon.flow.supervise import Backoff, Supervision, keep_running
from tests.fakes import WantAll

SOON_S = 20.0
QUICKLY = Supervision(Backoff(first_s=0.05, most_s=0.2))


class Watched:
    """What has come and what was reported, each to be taken in its order."""

    def __init__(self) -> None:
        self.messages: Channel[ChatMessage] = Channel("said", 10_000, WhenFull.DROP_OLDEST)
        self.reports: Channel[tuple[HealthState, str]] = Channel(
            "reports", 10_000, WhenFull.DROP_OLDEST
        )

    async def next(self) -> ChatMessage:
        async with asyncio.timeout(SOON_S):
            return await self.messages.recv()

    async def told(self, state: HealthState) -> str:
        """The cause of the next report of this state."""
        async with asyncio.timeout(SOON_S):
            while True:
                reported, cause = await self.reports.recv()
                if reported is state:
                    return cause

    async def up(self) -> None:
        await self.told(HealthState.UP)


@asynccontextmanager
async def watched(source: Source) -> AsyncGenerator[Watched]:
    """Opened, and opened again after each `Retryable`, for as long as the block lasts."""
    seen, clock = Watched(), MonotonicClock()

    def report(state: HealthState, cause: str) -> None:
        seen.reports.offer((state, cause))

    async def once() -> None:
        async with source.open(SourceContext(WantAll(), clock, report)) as items:
            async for item in items:
                assert isinstance(item, ChatMessage)
                seen.messages.offer(item)

    running = asyncio.create_task(
        keep_running("chat", once, clock=clock, report=report, supervision=QUICKLY)
    )
    try:
        yield seen
    finally:
        running.cancel()
        await asyncio.wait({running})
