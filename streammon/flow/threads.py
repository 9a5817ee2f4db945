"""Brings a blocking iterator (PyAV demux, a sound card) onto the event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar

from streammon.flow.channel import Channel, ChannelClosed, WhenFull

T = TypeVar("T")


@asynccontextmanager
async def on_thread(
    name: str,
    items: Callable[[threading.Event], Iterator[T]],
    *,
    capacity: int,
    when_full: WhenFull,
) -> AsyncGenerator[Channel[T]]:
    """Run `items(leaving)` on its own thread; yield a channel of what it makes.

    With BLOCK the thread waits for room, else it never waits. The channel closes when the
    iterator ends; an exception of the iterator is raised on leaving the block.

    A thread cannot be cancelled: leaving the block sets `leaving` and waits for the thread, so
    `items` must look at the event, or come back from any blocking call, within its own
    stated time limit.
    """
    loop = asyncio.get_running_loop()
    room = threading.Semaphore(capacity) if when_full is WhenFull.BLOCK else None
    channel: Channel[T] = _Roomy(name, capacity, when_full, room)
    leaving = threading.Event()
    finished: asyncio.Future[None] = loop.create_future()

    def work() -> None:
        error: BaseException | None = None
        try:
            for item in items(leaving):
                if room is not None:
                    room.acquire()
                if leaving.is_set():
                    break
                loop.call_soon_threadsafe(_offer_if_open, channel, item)
        except BaseException as raised:  # noqa: BLE001 - handed to the loop, never lost here
            error = raised
        loop.call_soon_threadsafe(_finish, channel, finished, error)

    thread = threading.Thread(target=work, name=name, daemon=True)
    thread.start()
    try:
        yield channel
    finally:
        leaving.set()
        channel.close()
        if room is not None:
            room.release()  # the thread may be waiting for it
        # Should this wait be cancelled, the thread still ends by itself; its error is looked at
        # so that the loop does not complain of one that nobody retrieved.
        finished.add_done_callback(lambda done: done.cancelled() or done.exception())
        await asyncio.wait({finished})
        thread.join()
        finished.result()


class _Roomy(Channel[T]):
    """A channel whose receiver gives the sending thread its room back, one item at a time.

    Cheaper than to await `send` from the thread, which takes a task and a future per item.
    """

    def __init__(
        self, name: str, capacity: int, when_full: WhenFull, room: threading.Semaphore | None
    ) -> None:
        super().__init__(name, capacity, when_full)
        self._room = room

    async def recv(self) -> T:
        item = await super().recv()
        if self._room is not None:
            self._room.release()
        return item


def _offer_if_open(channel: Channel[T], item: T) -> None:
    try:
        channel.offer(item)
    except ChannelClosed:
        return  # the block was left between the thread's call and now


def _finish(
    channel: Channel[T], finished: asyncio.Future[None], error: BaseException | None
) -> None:
    channel.close()
    if finished.done():
        return
    if error is None:
        finished.set_result(None)
    else:
        finished.set_exception(error)
