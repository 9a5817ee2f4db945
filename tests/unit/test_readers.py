"""Readers of text that wait."""

from __future__ import annotations

import asyncio

from streammon.core.types import StreamId
from streammon.scheduler.readers import Readers
from tests.fakes import FakeClock, settle

CHAT, OTHER = StreamId("chat"), StreamId("other")


class Room:
    """Streams that may be read."""

    def __init__(self) -> None:
        self.clock = FakeClock(auto=False)
        self.readers = Readers(self.clock.now_ns)
        self.free: set[StreamId] = set()

    def start(self, stream: StreamId, *, live: bool = False) -> asyncio.Task[None]:
        waiting = self.readers.wait(stream, lambda: stream in self.free, live=live)
        return asyncio.create_task(waiting)

    def make(self, stream: StreamId) -> None:
        self.free.add(stream)
        self.readers.wake([stream])


async def test_each_waits_for_its_own_stream() -> None:
    room = Room()
    chat, again, other = room.start(CHAT), room.start(CHAT), room.start(OTHER)
    await settle()
    room.readers.wake([CHAT])
    await settle()
    assert not chat.done(), "something left, but not enough"
    room.make(CHAT)
    await asyncio.gather(chat, again)
    assert not other.done()
    room.make(OTHER)
    await other
    await room.start(OTHER)


async def test_one_that_was_cancelled_stands_in_nobodys_way() -> None:
    room = Room()
    gone, stays = room.start(CHAT), room.start(CHAT)
    await settle()
    gone.cancel()
    await settle()
    room.make(CHAT)
    await stays
    assert gone.cancelled()


async def test_once_closed_nobody_waits() -> None:
    room = Room()
    waiting = room.start(CHAT)
    await settle()
    room.readers.close()
    await waiting
    await room.start(OTHER)


async def test_live_streams_are_held_back_that_wait_most_of_the_time() -> None:
    room = Room()
    long, recorded = room.start(CHAT, live=True), room.start(OTHER)
    await room.clock.advance(1.0)
    assert room.readers.held_back() == 1
    await room.clock.advance(0.6)
    room.make(CHAT)
    await long
    await room.clock.advance(0.4)
    assert room.readers.held_back() == 1
    room.free.clear()
    short = room.start(CHAT, live=True)
    await room.clock.advance(0.4)
    room.make(CHAT)
    await short
    await room.clock.advance(0.6)
    assert room.readers.held_back() == 0
    recorded.cancel()
