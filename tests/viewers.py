"""A hub on a real outbox, and its clients in memory: slow, dead or hostile as they are told."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.ports import StoredAlert
from streammon.sinks import wire
from streammon.sinks.outbox import MEMORY, Outbox
from streammon.sinks.websocket_client import PeerGone
from streammon.sinks.websocket_hub import Hub
from tests.outgoing import a_row
from tests.wire_schema import checked


class Pipe:
    """A connection in memory. The peer reads only while `reading` is set.

    `room` is whether something can be sent to it without waiting.
    """

    def __init__(self, *, reading: bool = True, room: bool = False) -> None:
        self.room = room
        self.got: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.held = False
        """Whether something is being sent to it and waits until it reads."""
        self.reading = asyncio.Event()
        self._asked: deque[str | bytes] = deque()
        self._news = asyncio.Event()
        self._gone = False
        if reading:
            self.reading.set()

    # what the hub does

    def send_now(self, message: str | bytes) -> bool:
        if self.room and self.reading.is_set():
            self._take(message)
            return True
        return False

    async def send_text(self, text: str) -> None:
        await self._taken()
        self._take(text)

    async def send_bytes(self, data: bytes) -> None:
        await self._taken()
        self._take(data)

    async def receive(self) -> str | bytes:
        while not self._asked:
            await self._wait()
            if self._gone:
                raise PeerGone
        return self._asked.popleft()

    async def close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (code, reason)

    # what the peer does

    def say(self, message: str | bytes) -> None:
        self._asked.append(message)
        self._news.set()

    def subscribe(self, **fields: Any) -> None:
        self.say(json.dumps({"type": "subscribe", **fields}))

    def toggle(self) -> None:
        """Stop reading, or read on."""
        if self.reading.is_set():
            self.reading.clear()
        else:
            self.reading.set()

    def leave(self) -> None:
        self._gone = True
        self._news.set()
        self.reading.set()

    async def until(self, count: int, kind: str) -> list[dict[str, Any]]:
        """The messages of one kind, once there are so many."""
        async with asyncio.timeout(10):
            while len(found := [each for each in self.got if each["type"] == kind]) < count:
                await self._wait()
        return found

    def _take(self, message: str | bytes) -> None:
        if isinstance(message, str):
            self.got.append(checked(message))
        else:
            header, jpeg = wire.frame_parts(message)
            self.got.append({**checked(wire.dumps(header)), "jpeg": jpeg})
        self._news.set()

    async def _taken(self) -> None:
        await asyncio.sleep(0)
        self.held = not self.reading.is_set()
        await self.reading.wait()
        self.held = False
        if self._gone:
            raise PeerGone

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()


class Stage:
    """A hub with its outbox and its clients."""

    def __init__(self, hub: Hub, outbox: Outbox, group: asyncio.TaskGroup) -> None:
        self.hub = hub
        self.outbox = outbox
        self._group = group
        self._alerts = 0

    async def client(
        self, *, reading: bool = True, room: bool = False, **subscription: Any
    ) -> Pipe:
        pipe = Pipe(reading=reading, room=room)
        self.serve(pipe)
        if reading:
            await pipe.until(1, "hello")
        pipe.subscribe(**subscription)
        await asyncio.sleep(0.01)
        return pipe

    def serve(self, pipe: Pipe) -> asyncio.Task[None]:
        return self._group.create_task(self.hub.serve(pipe))

    async def alert(self, count: int = 1, *, backwards: bool = False, **more: Any) -> None:
        """Store alerts and tell of them, all in one turn of the loop."""
        rows = [a_row(self._alerts + at, **more) for at in range(count)]
        self._alerts += count
        numbers = await self.outbox.append_many(rows)
        for seq, row in sorted(zip(numbers, rows, strict=True), reverse=backwards):
            self.hub.publish_alert(StoredAlert(seq, row.alert_id, row.stream, row.body))


@asynccontextmanager
async def a_stage(**more: Any) -> AsyncGenerator[Stage]:
    options = {"max_clients": 10, "stall_s": 5.0, **more}
    outbox = Outbox(OutboxConfig(), MEMORY, clock=MonotonicClock())
    async with outbox, asyncio.TaskGroup() as group:
        hub = Hub(
            outbox, wall=None, hello=lambda: {"monitor": "door", "streams": ["cam"]}, **options
        )
        yield Stage(hub, outbox, group)
        hub.close()


def numbers(alerts: list[dict[str, Any]]) -> list[int]:
    return [alert["seq"] for alert in alerts]
