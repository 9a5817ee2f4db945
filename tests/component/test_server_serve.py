"""The real server on a socket: binding, WebSockets, and a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from streammon.config import ServerConfig
from streammon.core.errors import Permanent
from streammon.server import patience, serve
from streammon.server.app import build_app
from streammon.server.serve import serving
from streammon.telemetry.metrics import Metrics
from tests.browser.scripted_monitor import VIDEO, ScriptedMonitor, stream_view

TOKEN = "s3cret"
SUBSCRIBE = json.dumps({"type": "subscribe", "streams": ["*"], "events": ["alert", "overlay"]})


@asynccontextmanager
async def served(
    *, port: int = 0, token: str | None = None, max_clients: int = 50
) -> AsyncGenerator[tuple[ScriptedMonitor, str]]:
    """A scripted monitor behind the real server; yields it and the URL of the wall."""
    secret = None if token is None else SecretStr(token)
    settings = ServerConfig(port=port, token=secret)
    monitor = ScriptedMonitor([stream_view("lobby", VIDEO)], max_clients=max_clients)
    async with monitor:
        app = build_app(monitor, monitor.hub, Metrics(), settings)
        async with serving(app, settings) as url:
            yield monitor, url


@asynccontextmanager
async def talking(
    url: str, *, subprotocols: Sequence[str] = ("streammon.v1",), **more: Any
) -> AsyncGenerator[ClientConnection]:
    address = url.replace("http", "ws") + "ws"
    offered = [Subprotocol(name) for name in subprotocols]
    async with connect(address, subprotocols=offered, **more) as client:
        yield client


WHOLE = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
UPGRADE = (
    b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def connected(
    url: str, *, sending: bytes
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection on which this lies ready before the server takes it up."""
    host, _, port = url.removeprefix("http://").rstrip("/").partition(":")
    raw = socket.create_connection((host, int(port)))
    raw.sendall(sending)
    return await asyncio.open_connection(sock=raw)


async def hello(client: ClientConnection) -> dict[str, Any]:
    message: dict[str, Any] = json.loads(await client.recv())
    assert message["type"] == "hello"
    return message


async def test_the_url_that_is_told_answers_at_once() -> None:
    async with served() as (_, url), httpx.AsyncClient(base_url=url) as client:
        page = await client.get("/")
        health = await client.get("/health")
    assert url.startswith("http://127.0.0.1:")
    assert "<title>streammon</title>" in page.text
    assert "server" not in page.headers
    assert health.json()["status"] == "ok"


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "])
async def test_a_request_that_is_never_finished_holds_no_connection(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with asyncio.timeout(20.0), served() as (_, url):
        for before in (b"", WHOLE):
            monkeypatch.setattr(patience, "HEAD_WITHIN_S", 20.0 if before else 0.3)
            reader, writer = await connected(url, sending=before)
            if before:
                assert b"200 OK" in await reader.readuntil(b"}")
                monkeypatch.setattr(patience, "HEAD_WITHIN_S", 0.3)
            writer.write(begun)
            with contextlib.suppress(ConnectionResetError):
                for _ in range(3):  # dripping on does not help
                    await asyncio.sleep(0.2)
                    writer.write(begun[-1:])
                assert await reader.read() == b""
            writer.close()


async def test_clients_that_take_their_time_between_requests_are_let_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "HEAD_WITHIN_S", 0.2)
    async with asyncio.timeout(20.0), served() as (_, url):
        plain, asking = await connected(url, sending=WHOLE)
        web, upgrading = await connected(url, sending=UPGRADE)
        assert b"101" in await web.readline()
        for again in (WHOLE, b""):
            assert b"200 OK" in await plain.readuntil(b"}")
            await asyncio.sleep(0.5)
            assert not plain.at_eof()
            assert not web.at_eof()
            asking.write(again)
        for writer in (asking, upgrading):
            writer.close()


async def test_a_port_in_use_is_an_error_that_says_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Permanent, match=rf"server\.port {port} .*in use.*another"):
            async with served(port=port):
                pytest.fail("it was bound twice")


async def test_a_host_that_does_not_exist_is_an_error_that_names_it() -> None:
    settings = ServerConfig(host="no-such-host.invalid", token=SecretStr(TOKEN))
    async with ScriptedMonitor([]) as monitor:
        app = build_app(monitor, monitor.hub, Metrics(), settings)
        with pytest.raises(Permanent, match=r"no-such-host\.invalid"):
            async with serving(app, settings):
                pytest.fail("nobody can bind this")


async def test_events_and_pictures_come_over_the_websocket() -> None:
    async with served() as (monitor, url), talking(url) as client:
        assert (await hello(client))["monitor"] == monitor.name
        assert client.subprotocol == "streammon.v1"
        await client.send(SUBSCRIBE)
        alert = await monitor.alert("lobby", "freeze")
        told = json.loads(await client.recv())
        monitor.show("lobby", 1)
        frame = await client.recv()
    assert told["alert_id"] == alert.alert_id
    assert isinstance(frame, bytes)
    assert b"\xff\xd8\xff" in frame


async def test_the_token_opens_it_from_a_header_or_a_subprotocol() -> None:
    async with served(token=TOKEN) as (_, url):
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        async with talking(url, additional_headers=bearer) as client:
            await hello(client)
        async with talking(url, subprotocols=["streammon.v1", f"bearer.{TOKEN}"]) as client:
            await hello(client)
            assert client.subprotocol == "streammon.v1", "the token is not echoed"


@pytest.mark.parametrize("offered", [["streammon.v1"], ["streammon.v1", "bearer.guess"]])
async def test_a_wrong_token_is_closed_with_a_code_that_pages_can_see(offered: list[str]) -> None:
    async with served(token=TOKEN) as (_, url), talking(url, subprotocols=offered) as client:
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 4401


async def test_a_page_of_another_site_gets_no_websocket() -> None:
    async with served() as (_, url):
        with pytest.raises(InvalidStatus) as refused:
            async with talking(url, origin="http://evil.example"):
                pytest.fail("a page of another site reads along")
        assert refused.value.response.status_code == 403
        with pytest.raises(InvalidStatus):
            async with talking(url, additional_headers={"Host": "evil.example"}):
                pytest.fail("a rebound name reads along")


@pytest.mark.parametrize(
    ("message", "code"), [("x" * 17_000, 1009), ("no json", 1008), (b"\x00", 1008)]
)
async def test_bad_messages_close_with_their_code(message: str | bytes, code: int) -> None:
    async with served() as (_, url), talking(url) as client:
        await hello(client)
        await client.send(message)
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


async def test_one_client_too_many_is_told_so() -> None:
    async with served(max_clients=1) as (_, url), talking(url) as first:
        await hello(first)
        async with talking(url) as second:
            with pytest.raises(ConnectionClosed) as closed:
                await second.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013


async def test_shutdown_says_going_away_to_every_client() -> None:
    async with served() as (_, url):
        clients = [await connect(url.replace("http", "ws") + "ws") for _ in range(3)]
        for client in clients:
            await hello(client)
        reading = [asyncio.ensure_future(client.wait_closed()) for client in clients]
    await asyncio.gather(*reading)
    assert [client.close_code for client in clients] == [1001, 1001, 1001]


async def test_a_client_that_never_answers_does_not_hold_up_the_end() -> None:
    async with served() as (_, url):
        reader, writer = await connected(url, sending=UPGRADE)
        assert b"101" in await reader.readline()
        _, idle = await connected(url, sending=b"GET / HTTP/1.1\r\nHo")
        began_s = time.monotonic()
    assert time.monotonic() - began_s < serve.PING_INTERVAL_S, "until it would be missed"
    for left in (writer, idle):
        left.close()


async def test_the_same_port_can_be_served_again_at_once() -> None:
    async with served() as (_, url), talking(url) as client:
        await hello(client)
    port = int(url.rstrip("/").rpartition(":")[2])
    async with served(port=port) as (_, again), talking(again) as client:
        await hello(client)
    assert again == url


async def test_what_the_block_raises_is_raised_as_it_was() -> None:
    urls: list[str] = []

    async def fail() -> None:
        async with served() as (_, url), talking(url) as client:
            urls.append(url)
            await hello(client)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await fail()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(urls[0].rstrip("/").rpartition(":")[2]))


async def test_a_cancelled_block_still_says_farewell() -> None:
    told = asyncio.Event()
    clients: list[ClientConnection] = []

    async def block() -> None:
        async with served() as (_, url):
            clients.append(await connect(url.replace("http", "ws") + "ws"))
            told.set()
            await asyncio.Event().wait()

    async with asyncio.TaskGroup() as group:
        task = group.create_task(block())
        await told.wait()
        task.cancel()
        await clients[0].wait_closed()
    assert clients[0].close_code == 1001
    assert task.cancelled()


async def test_the_signals_are_left_alone() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with served():
        during = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    assert during == before


async def test_a_wildcard_address_is_told_as_one_that_can_be_opened() -> None:
    settings = ServerConfig(host="0.0.0.0", port=0, token=SecretStr(TOKEN))
    async with ScriptedMonitor([]) as monitor:
        app = build_app(monitor, monitor.hub, Metrics(), settings)
        async with serving(app, settings) as url, httpx.AsyncClient() as client:
            assert url.startswith("http://127.0.0.1:")
            assert (await client.get(url)).status_code == 200
