"""A source of WebRTC that is open and read, for tests that publish to it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest

from streammon.core.clock import MonotonicClock
from streammon.core.ports import LinkStats, SourceContext
from streammon.core.types import AudioChunk, HealthState, Item, StreamId, VideoFrame
from streammon.flow.channel import Channel, WhenFull
from streammon.ingest.webrtc.config import WebRtcConfig
from streammon.ingest.webrtc.offer import read_offer
from streammon.ingest.webrtc.session import Session
from streammon.ingest.webrtc.source import WebRtcSource
from tests.fakes import Reports, WantAll
from tests.publishers import FPS, HERE

CALL = StreamId("call")
SOON_S = 40.0
STALL_S = 4.0
"""Longer than a busy machine is held up: whoever sent nothing for so long is gone."""

ItemT = TypeVar("ItemT", VideoFrame, AudioChunk)


@dataclass(slots=True)
class Open:
    """An open source that is being read, what it reported, and the sessions that it let in."""

    source: WebRtcSource
    reports: Reports
    items: Channel[Item]
    sessions: list[Session] = field(default_factory=list)

    async def publish(self, offer: str) -> str:
        session, answer = await self.source.publish(read_offer(offer), addresses=HERE)
        self.sessions.append(session)
        return answer

    async def some(self, enough: Callable[[list[Item]], bool]) -> list[Item]:
        """The items up to when they are enough."""
        got: list[Item] = []
        async for item in self.items:
            got.append(item)
            if enough(got):
                break
        return got

    async def frames(self, count: int) -> list[VideoFrame]:
        def enough(got: list[Item]) -> bool:
            return sum(isinstance(item, VideoFrame) for item in got) == count

        return [item for item in await self.some(enough) if isinstance(item, VideoFrame)]

    async def told(self, state: HealthState, words: str) -> None:
        """Returns once this was reported."""
        while not any(one is state and words in cause for one, cause in self.reports):  # noqa: ASYNC110 - reports come by a plain call
            await asyncio.sleep(0.02)


@asynccontextmanager
async def opened(
    *, interval_s: float | None = 0.2, audio: bool = True, **settings: Any
) -> AsyncGenerator[Open]:
    source = WebRtcConfig(**settings).build(CALL)
    assert isinstance(source, WebRtcSource)
    reports = Reports()
    context = SourceContext(WantAll(interval_s, audio), MonotonicClock(), reports)
    channel: Channel[Item] = Channel("items", 10_000, WhenFull.BLOCK)

    async def read() -> None:
        async with source.open(context) as items:
            async for item in items:
                await channel.send(item)

    async with asyncio.timeout(SOON_S), asyncio.TaskGroup() as group:
        reading = group.create_task(read())
        await source.opened.wait()
        try:
            yield Open(source, reports, channel)
        finally:
            reading.cancel()
            await asyncio.wait({reading})


# --- what came ----------------------------------------------------------------------------------


def newest(got: list[Item]) -> list[Item]:
    """What is of the last epoch: the sender's first report may begin one anew, on a busy machine
    that encoded its first picture late."""
    return [item for item in got if item.epoch == got[-1].epoch]


def following(items: list[ItemT]) -> list[tuple[ItemT, ItemT]]:
    """Those that follow one another. On a machine that was held up the oldest of many that came
    at once are left out, which their numbers tell."""
    pairs = [each for each in itertools.pairwise(items) if each[1].seq == each[0].seq + 1]
    assert len(pairs) > len(items) / 2
    return pairs


def gap_free(chunks: list[AudioChunk]) -> bool:
    return all(
        abs(after.media_s - before.media_s - before.duration_s) < 0.05
        for before, after in following(chunks)
    )


def is_well(link: LinkStats | None) -> bool:
    """Whether these are the figures of a publisher that was not held up of late."""
    return (
        link is not None
        and link.frames_per_s == pytest.approx(FPS, rel=0.3)
        and link.frame_age_s is not None
        and link.frame_age_s < 1.0
    )
