"""What tests of `av_url` do with a source: build it, read some of it, read it to its failure."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from streammon.core.clock import MonotonicClock
from streammon.core.errors import StreammonError
from streammon.core.ports import SourceContext
from streammon.core.types import AudioChunk, Item, VideoFrame
from streammon.ingest.av_source import AvSource
from streammon.ingest.av_url import AvUrlConfig
from tests.fakes import CAM, Reports, WantAll

STALL_S = 10.0
"""Longer than a busy machine lets a healthy server wait."""


def source(url: str, **settings: Any) -> AvSource:
    settings = {"stall_s": STALL_S, "open_timeout_s": 20.0} | settings
    return AvUrlConfig(url=url, **settings).build(CAM)


@asynccontextmanager
async def opened(
    from_source: AvSource, *, interval_s: float = 0.2, reports: Reports | None = None
) -> AsyncGenerator[AsyncIterator[Item]]:
    told = Reports() if reports is None else reports
    context = SourceContext(WantAll(interval_s), MonotonicClock(), told)
    async with from_source.open(context) as items:
        yield items


async def some_until(items: AsyncIterator[Item], enough: Callable[[], bool]) -> list[Item]:
    got: list[Item] = []
    async for item in items:
        got.append(item)
        if enough():
            break
    return got


async def some_of_both(items: AsyncIterator[Item], count: int) -> list[Item]:
    """So many items, and more until pictures and sound are among them."""
    got: list[Item] = []
    async for item in items:
        got.append(item)
        if len(got) >= count and {type(each) for each in got} == {VideoFrame, AudioChunk}:
            break
    return got


async def until_it_fails(
    from_source: AvSource,
    got: list[Item] | None = None,
    *,
    after: tuple[int, Callable[[], None]] = (0, lambda: None),
) -> StreammonError:
    """The failure of a connection that is read to its end.

    What came goes into `got`; `after` is a number of items and what to do when they are there.
    """
    got = [] if got is None else got
    try:
        async with opened(from_source) as items:
            async for item in items:
                got.append(item)
                if len(got) == after[0]:
                    after[1]()
    except StreammonError as error:
        return error
    pytest.fail("it ended without a failure")
