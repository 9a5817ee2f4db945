"""Chat from a WebSocket server of somebody else's, in JSON of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from streammon.core.types import HealthState, StreamId
from streammon.ingest.chat.websocket import ChatSocket, ChatSocketConfig
from tests.answering_here import let_in
from tests.loopback.watched_chat import watched

SECRET = "hunter2"


class Platform:
    """Sends each client what the test says, and keeps what it hears."""

    def __init__(self) -> None:
        self.port = 0
        self.heard: list[str] = []
        self.connections: set[ServerConnection] = set()

    async def talk(self, connection: ServerConnection) -> None:
        self.connections.add(connection)
        try:
            async for message in connection:
                self.heard.append(str(message))
        except ConnectionClosed:
            return
        finally:
            self.connections.discard(connection)

    def look(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.headers.get("Authorization") != f"Bearer {SECRET}":
            return connection.respond(401, "no\n")
        return None

    async def say(self, *messages: object) -> None:
        for connection in self.connections:
            for each in messages:
                await connection.send(each if isinstance(each, str) else json.dumps(each))


@asynccontextmanager
async def a_platform() -> AsyncGenerator[Platform]:
    platform = Platform()
    async with serve(
        platform.talk, "127.0.0.1", 0, process_request=platform.look, close_timeout=1
    ) as server:
        platform.port = server.sockets[0].getsockname()[1]
        yield platform


def a_source(platform: Platform, folder: Path, **settings: Any) -> ChatSocket:
    given = {
        "url": f"ws://127.0.0.1:{platform.port}/?token={SECRET}",
        "headers": {"Authorization": f"Bearer {SECRET}"},
        "author_key_file": folder / "authors.key",
        **settings,
    }
    return ChatSocketConfig.model_validate(given).build(StreamId("chat"))


async def test_messages_are_found_where_the_settings_say(tmp_path: Path) -> None:
    async with a_platform() as platform:
        source = a_source(
            platform,
            tmp_path,
            first_say=['{"subscribe": "chat"}'],
            messages="data.items",
            only={"type": "chat"},
            fields={"author_id": "user.id", "text": "body", "message_id": "id"},
        )
        async with watched(source) as seen:
            await seen.up()
            items = [{"user": {"id": 5}, "body": "hi", "id": 1}, {"body": "nobody's", "id": 2}]
            await platform.say(
                {"type": "ad", "data": {"items": items}},
                {"type": "chat"},
                "no JSON",
                {"type": "chat", "data": {"items": items}},
                [{"type": "chat", "data": {"items": [items[0] | {"id": 3}]}}],
            )
            got = [await seen.next(), await seen.next()]
            assert "left out" in await seen.told(HealthState.DEGRADED)
        assert [(each.text, each.message_id) for each in got] == [("hi", "1"), ("hi", "3")]
        assert platform.heard == ['{"subscribe": "chat"}']


async def test_a_connection_that_ends_is_made_again_and_repeats_are_known(tmp_path: Path) -> None:
    said = {"author_id": "u", "text": "hi", "message_id": "1"}
    async with a_platform() as platform, watched(a_source(platform, tmp_path)) as seen:
        await seen.up()
        await platform.say(said)
        first = await seen.next()
        for connection in tuple(platform.connections):
            await connection.close(1012)
        assert await seen.told(HealthState.RETRYING) == "the server closed the connection (1012)"
        await seen.up()
        await platform.say(said, said | {"message_id": "2"})
        second = await seen.next()
    assert (second.message_id, second.seq) == ("2", 1)
    assert second.epoch > first.epoch


async def test_a_refused_login_needs_a_person_and_keeps_its_secrets(tmp_path: Path) -> None:
    async with a_platform() as platform:
        source = a_source(platform, tmp_path, headers={"Authorization": "Bearer wrong"})
        async with watched(source) as seen:
            cause = await seen.told(HealthState.FAILED)
    assert cause == "the server refuses us (401): check the token"
    assert SECRET not in cause + repr(source._settings)


async def test_a_server_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    async with (
        a_platform() as platform,
        watched(a_source(platform, tmp_path, ping_s=0.2)) as seen,
    ):
        await seen.up()
        for connection in platform.connections:
            connection.transport.pause_reading()
        cause = await seen.told(HealthState.RETRYING)
    assert cause == "the server is gone, or does not answer pings"


async def test_a_server_that_is_away_is_named(tmp_path: Path) -> None:
    async with a_platform() as platform:
        pass
    async with watched(a_source(platform, tmp_path)) as seen:
        assert "is the server running" in await seen.told(HealthState.RETRYING)


async def test_what_is_no_websocket_is_named(tmp_path: Path) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        platform = Platform()
        platform.port = server.sockets[0].getsockname()[1]
        async with watched(a_source(platform, tmp_path)) as seen:
            cause = await seen.told(HealthState.RETRYING)
        await let_in()
    assert cause == "the server answered 404 instead of a WebSocket"


@pytest.mark.parametrize(
    "url", ["https://example.org", "ws://example.org", "wss://", "wss://[", "wss://h:x", "wss://h/#f"]
)  # fmt: skip
def test_an_address_that_is_none_or_open_to_all_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        ChatSocketConfig(url=url)
    assert ChatSocketConfig(url="ws://example.org", allow_plain=True)
