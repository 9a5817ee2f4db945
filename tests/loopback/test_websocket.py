"""The stand-alone WebSocket sink with real clients over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from streammon.core.errors import Permanent
from streammon.core.ports import DurableSink
from streammon.core.types import StreamId
from streammon.sinks import wire
from streammon.sinks.websocket import WebSocketConfig, WebSocketSink
from tests.fakes import a_result
from tests.outgoing import a_health, an_alert, an_overlay, stored
from tests.wire_schema import checked


@asynccontextmanager
async def serving(**settings: Any) -> AsyncGenerator[WebSocketSink]:
    async with WebSocketConfig.model_validate({"port": 0, **settings}).build("ws") as sink:
        yield sink


@asynccontextmanager
async def client(
    sink: WebSocketSink, *, subscribe: dict[str, Any] | None = None, **options: Any
) -> AsyncGenerator[ClientConnection]:
    async with connect(sink.url, compression=None, **options) as connection:
        assert checked(text(await connection.recv()))["type"] == "hello"
        if subscribe is not None:
            await connection.send(json.dumps({"type": "subscribe", **subscribe}))
            await taken_up(sink)
        yield connection


async def taken_up(sink: WebSocketSink) -> None:
    """Returns once every client gets what it asked for: live events of before are not for it."""
    async with asyncio.timeout(20):
        while any(each.subscription is None for each in sink._hub._clients):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def text(message: str | bytes) -> str:
    assert isinstance(message, str)
    return message


async def alerts(connection: ClientConnection, count: int) -> list[str]:
    """The next alerts' ids."""
    found: list[str] = []
    async with asyncio.timeout(20):
        while len(found) < count:
            message = await connection.recv()
            if isinstance(message, str) and (event := checked(message))["type"] == "alert":
                found.append(event["alert_id"])
    return found


def ids(numbers: range) -> list[str]:
    return [f"alert-{number}" for number in numbers]


async def closed(connection: ClientConnection) -> tuple[int | None, str | None]:
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionClosed):
            async for _ in connection:
                pass
        await connection.wait_closed()
    return connection.close_code, connection.close_reason


async def test_a_client_gets_alerts_results_health_and_pictures() -> None:
    async with serving() as sink, client(sink, subscribe={}) as connection:
        await sink.deliver(a_health())
        await sink.deliver(a_result())
        await sink.deliver(an_overlay())
        await sink.deliver_alerts([stored(1)])
        got: list[dict[str, Any]] = []
        for _ in range(4):
            message = await connection.recv()
            if isinstance(message, bytes):
                header, jpeg = wire.frame_parts(message)
                assert jpeg == an_overlay().jpeg
                message = wire.dumps(header).decode()
            got.append(checked(message))
        assert {each["type"] for each in got} == {"alert", "health", "overlay", "result"}
        assert all("captured_at" in each or "time" in each for each in got if "seq" not in each)


async def test_alerts_come_from_the_outbox_and_not_through_deliver() -> None:
    async with serving() as sink:
        assert isinstance(sink, DurableSink)
        assert not sink.wants(an_alert())
        assert sink.wants(a_result())


async def test_a_client_that_was_cut_off_misses_nothing(tmp_path: Path) -> None:
    history = tmp_path / "history.db"
    async with serving(history=history) as sink:
        async with client(sink, subscribe={"events": ["alert"]}) as connection:
            await sink.deliver_alerts([stored(seq) for seq in range(1, 4)])
            assert await alerts(connection, 2) == ids(range(1, 3))
            connection.transport.abort()
        await sink.deliver_alerts([stored(seq) for seq in range(4, 6)])
    async with serving(history=history) as sink:
        after = {"events": ["alert"], "alerts_after": "alert-2"}
        async with client(sink, subscribe=after) as connection:
            await sink.deliver_alerts([stored(5), stored(6)])
            assert await alerts(connection, 4) == ids(range(3, 7))


async def test_a_client_that_stops_reading_loses_frames_never_alerts_and_slows_nobody() -> None:
    async with (
        serving() as sink,
        client(sink, subscribe={"streams": ["cam"]}) as fast,
        client(sink, subscribe={"streams": ["cam"]}, max_queue=1) as slow,
    ):
        slow.transport.pause_reading()
        picture = bytes(200_000)
        frames = 0
        for number in range(1, 151):
            await sink.deliver(an_overlay(number, jpeg=picture))
            await sink.deliver_alerts([stored(number)])
            async with asyncio.timeout(5):
                while isinstance(message := await fast.recv(), bytes):
                    frames += 1
            assert checked(message)["alert_id"] == f"alert-{number}"
        assert sink._hub.stats().dropped > 10
        slow.transport.resume_reading()
        assert await alerts(slow, 150) == ids(range(1, 151))
        assert frames > 120


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"additional_headers": {"Authorization": "Bearer wrong"}},
        {"additional_headers": {"Authorization": "Bearer "}},
        {"subprotocols": [Subprotocol("streammon.v1"), Subprotocol("bearer.wrong")]},
    ],
)
async def test_a_bad_token_is_4401(options: dict[str, Any]) -> None:
    async with serving(token="right") as sink, connect(sink.url, **options) as connection:
        assert await closed(connection) == (4401, "bad token")


async def test_the_token_comes_in_a_header_or_as_a_subprotocol() -> None:
    async with serving(token="right") as sink:
        header = {"Authorization": "Bearer right"}
        async with client(sink, additional_headers=header) as connection:
            assert connection.subprotocol is None
        offered = [Subprotocol("streammon.v1"), Subprotocol("bearer.right")]
        async with client(sink, subprotocols=offered) as connection:
            assert connection.subprotocol == "streammon.v1"


async def test_pages_of_other_sites_are_refused() -> None:
    async with serving() as sink:
        with pytest.raises(InvalidStatus) as raised:
            async with client(sink, origin=Origin("http://evil.example")):
                pass
        assert raised.value.response.status_code == 403
        async with client(sink, origin=Origin(sink.url.replace("ws:", "http:"))):
            pass


async def test_pages_of_other_sites_may_connect_with_the_token() -> None:
    async with serving(token="right") as sink:
        header = {"Authorization": "Bearer right"}
        async with client(sink, origin=Origin("http://own.example"), additional_headers=header):
            pass


async def test_a_message_that_is_too_big_is_1009() -> None:
    async with serving() as sink, client(sink) as connection:
        await connection.send("x" * 20_000)
        assert (await closed(connection))[0] == 1009


async def test_a_flood_of_messages_is_1008() -> None:
    async with serving() as sink, client(sink) as connection:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(200):
                await connection.send('{"type":"subscribe"}')
                await asyncio.sleep(0)
        assert (await closed(connection))[0] == 1008


async def test_one_client_too_many_is_1013() -> None:
    async with serving(max_clients=1) as sink, client(sink), connect(sink.url) as late:
        assert (await closed(late))[0] == 1013


async def test_the_end_of_the_sink_is_1001() -> None:
    async with serving() as sink:
        connection = await connect(sink.url)
        await connection.recv()
    assert (await closed(connection))[0] == 1001


async def test_the_greeting_names_the_streams_seen_so_far() -> None:
    async with serving() as sink:
        await sink.deliver(a_result(stream=StreamId("b")))
        await sink.deliver(a_result(stream=StreamId("a")))
        async with connect(sink.url) as connection:
            hello = checked(text(await connection.recv()))
        assert hello["streams"] == ["a", "b"]
        assert hello["monitor"] == "ws"


async def test_a_port_that_is_taken_needs_a_person() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(Permanent, match=r"in use.*choose another `port`"):
            async with serving(port=taken.getsockname()[1]):
                pass


def test_a_token_is_required_where_others_can_reach_it() -> None:
    with pytest.raises(ValidationError, match="set `token`"):
        WebSocketConfig(host="0.0.0.0")
    WebSocketConfig.model_validate({"host": "0.0.0.0", "token": "secret"})
    with pytest.raises(ValidationError):
        WebSocketConfig.model_validate({"host": "0.0.0.0", "token": ""})
