"""Bounded channels between tasks: the only way data crosses a task boundary."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import StrEnum
from typing import Generic, Self, TypeVar

T = TypeVar("T")


class WhenFull(StrEnum):
    BLOCK = "block"
    """The sender waits: nothing is lost, the pressure goes upstream."""
    DROP_OLDEST = "drop_oldest"
    """The newest wins: for live media, where old is worthless."""
    DROP_NEWEST = "drop_newest"
    """What is already waiting wins."""


class ChannelClosed(Exception):
    """Raised by `send` after `close`, and by `recv` once closed and drained."""


class Channel(Generic[T]):
    """A bounded queue with one stated policy for a full buffer.

    Invariant, whatever the policy and whatever is cancelled:
    `sent == received + dropped + len(self)`.

    Any number of senders and receivers on one event loop. Not thread-safe: from a thread, use
    `loop.call_soon_threadsafe(channel.offer, item)`.
    """

    def __init__(self, name: str, capacity: int, when_full: WhenFull) -> None:
        if capacity < 1:
            raise ValueError(f"{name}: capacity must be at least 1, got {capacity}")
        self.name = name
        self.capacity = capacity
        self.when_full = when_full
        self.sent = self.received = self.dropped = 0
        self._items: deque[T] = deque()
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def closed(self) -> bool:
        return self._closed

    def offer(self, item: T) -> bool:
        """Send without waiting. A full channel drops by its policy (BLOCK drops the newest).

        Returns whether `item` itself was taken.
        """
        if self._closed:
            raise ChannelClosed(self.name)
        self.sent += 1
        if len(self._items) >= self.capacity:
            self.dropped += 1
            if self.when_full is not WhenFull.DROP_OLDEST:
                return False
            self._items.popleft()
        self._items.append(item)
        self._readable.set()
        return True

    async def send(self, item: T) -> None:
        """Send; with BLOCK, wait for room first. Cancelled while waiting, nothing was sent."""
        if self.when_full is WhenFull.BLOCK:
            while len(self._items) >= self.capacity and not self._closed:
                self._writable.clear()
                await self._writable.wait()
        self.offer(item)

    async def recv(self) -> T:
        """The oldest item. Cancelled while waiting, nothing was taken."""
        while not self._items:
            if self._closed:
                raise ChannelClosed(self.name)
            self._readable.clear()
            await self._readable.wait()
        self.received += 1
        self._writable.set()
        return self._items.popleft()

    def drain(self) -> list[T]:
        """All that waits, oldest first, received at once."""
        items = list(self._items)
        self._items.clear()
        self.received += len(items)
        self._writable.set()
        return items

    def close(self) -> None:
        """Refuse new items; receivers still get what is buffered, then stop. Idempotent."""
        self._closed = True
        self._readable.set()
        self._writable.set()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.recv()
        except ChannelClosed:
            raise StopAsyncIteration from None
