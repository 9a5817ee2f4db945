"""The server's end of WebSockets, for fakes of platforms, which talk to each client that comes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from tests.answering_here import let_in

SOON_S = 10.0


class Peer:
    """One client that has connected."""

    def __init__(self, connection: ServerConnection) -> None:
        self._connection = connection
        request = connection.request
        assert request is not None
        self.path: str = request.path

    async def send(self, message: object) -> None:
        await self._connection.send(json.dumps(message))

    async def send_text(self, text: str) -> None:
        await self._connection.send(text)

    async def receive(self) -> Any:
        async with asyncio.timeout(SOON_S):
            return json.loads(await self._connection.recv())

    async def close(self, code: int, reason: str = "") -> None:
        await self._connection.close(code, reason)

    def drop(self) -> None:
        """The connection is lost without a word."""
        self._connection.transport.abort()

    async def closed_by_client(self) -> int | None:
        """The code that the client closed with, once it has."""
        async with asyncio.timeout(SOON_S):
            await self._connection.wait_closed()
        return self._connection.close_code


class WebLines:
    """Who came so far, in order."""

    def __init__(self) -> None:
        self.url = ""
        self.peers: list[Peer] = []
        self._came = asyncio.Condition()

    async def peer(self, number: int = 0) -> Peer:
        """The client that came as this one, counted from 0, once it is there."""
        async with asyncio.timeout(SOON_S), self._came:
            await self._came.wait_for(lambda: len(self.peers) > number)
        return self.peers[number]

    async def serve(self, connection: ServerConnection) -> None:
        async with self._came:
            self.peers.append(Peer(connection))
            self._came.notify_all()
        try:
            await connection.wait_closed()
        except ConnectionClosed:
            return


@asynccontextmanager
async def web_lines() -> AsyncGenerator[WebLines]:
    lines = WebLines()
    # What a test does not read must not keep the end of a connection from being seen.
    options: dict[str, Any] = {"close_timeout": 0.5, "max_queue": None, "ping_interval": None}
    async with serve(lines.serve, "127.0.0.1", 0, **options) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        lines.url = f"ws://127.0.0.1:{port}"
        try:
            yield lines
        finally:
            await let_in()
