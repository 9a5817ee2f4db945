"""Chat that is pushed over HTTP and WebSocket, through the whole server on a real socket."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from streammon.config import ServerConfig
from streammon.core.clock import MonotonicClock
from streammon.core.ports import Clock, SourceContext
from streammon.core.types import ChatMessage, Item, StreamId
from streammon.ingest.chat.push import ChatPush, ChatPushConfig
from streammon.server.app import build_app
from streammon.server.chat_ingest import MOST_BYTES, ChatIngest
from streammon.server.serve import serving
from streammon.telemetry.metrics import Metrics
from tests.browser.scripted_monitor import ScriptedMonitor
from tests.fakes import FakeClock, Reports, WantAll

TOKEN = "a-long-secret"


@dataclass(slots=True)
class Door:
    """A server that takes chat, the stream behind it, and a client."""

    source: ChatPush
    items: AsyncIterator[Item]
    client: httpx.AsyncClient
    url: str

    async def post(self, content: object, **headers: str) -> httpx.Response:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        given = {"Content-Type": "application/json"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        return await self.client.post("/ingest/chat/chat", content=body, headers=given)

    async def read(self, count: int) -> list[ChatMessage]:
        got = [await anext(self.items) for _ in range(count)]
        return [item for item in got if isinstance(item, ChatMessage)]


@asynccontextmanager
async def a_door(
    folder: Path,
    *,
    server_token: str | None = None,
    clock: Clock = MonotonicClock(),
    **settings: Any,
) -> AsyncGenerator[Door]:
    given = {"author_key_file": folder / "authors.key", **settings}
    source = ChatPushConfig.model_validate(given).build(StreamId("chat"))
    token = SecretStr(server_token) if server_token else None
    config = ServerConfig(port=0, token=token)
    async with ScriptedMonitor([]) as monitor:
        chats = ChatIngest([source], token=token)
        app = build_app(monitor, monitor.hub, Metrics(), config, chats=chats)
        context = SourceContext(WantAll(), clock, Reports())
        async with (
            serving(app, config) as url,
            httpx.AsyncClient(base_url=url) as client,
            source.open(context) as items,
        ):
            yield Door(source, items, client, url)


def a_message(number: int, **more: object) -> dict[str, object]:
    return {"author_id": f"u{number}", "text": f"text {number}", "message_id": str(number), **more}


async def test_one_message_a_list_and_lines_are_taken(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door:
        one = await door.post(a_message(1))
        several = await door.post([a_message(2), a_message(3, room="b")])
        lines = b"".join(json.dumps(a_message(n)).encode() + b"\n" for n in (4, 5))
        in_lines = await door.post(lines, Content_Type="application/x-ndjson")
        got = await door.read(5)
    assert [answer.status_code for answer in (one, several, in_lines)] == [202] * 3
    assert several.json() == {"accepted": 2, "duplicate": 0, "rejected": []}
    assert [each.text for each in got] == [f"text {n}" for n in range(1, 6)]
    assert [each.seq for each in got] == list(range(5))
    assert got[2].room == "b"
    assert "u1" not in repr(got)


async def test_a_batch_that_is_sent_again_is_taken_once(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door:
        batch = [a_message(1), a_message(2), a_message(2)]
        first, again = await door.post(batch), await door.post([*batch, a_message(3)])
        got = await door.read(3)
    assert first.json() == {"accepted": 2, "duplicate": 1, "rejected": []}
    assert again.json() == {"accepted": 1, "duplicate": 3, "rejected": []}
    assert [each.message_id for each in got] == ["1", "2", "3"]


async def test_what_is_rejected_is_named_by_place_and_reason(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door:
        bad = [{"text": "secret"}, "secret", a_message(4, message_id="m" * 300)]
        answer = await door.post([a_message(1), *bad, a_message(5, text=" ")])
    assert answer.status_code == 202
    assert answer.json()["rejected"] == [
        {"index": 1, "reason": "author_id is missing or not a string"},
        {"index": 2, "reason": "not an object"},
        {"index": 3, "reason": "an id or a room longer than 256 characters"},
        {"index": 4, "reason": "no author or no text"},
    ]
    assert "secret" not in answer.text


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"{}", {"Content_Type": "text/plain"}, 415),
        (b"{}", {"Origin": "https://evil.example"}, 403),
        (b"x" * (MOST_BYTES + 1), {}, 413),
        ([a_message(n) for n in range(11)], {}, 413),
    ],
)
async def test_what_cannot_be_taken_is_refused_as_a_whole(
    content: object, headers: dict[str, str], status: int, tmp_path: Path
) -> None:
    async with a_door(tmp_path, max_batch=10) as door:
        answer = await door.post(content, **headers)
        assert answer.status_code == status
        assert (await door.post(a_message(1))).json()["accepted"] == 1


async def test_a_token_of_its_own_or_the_servers_is_needed(tmp_path: Path) -> None:
    right, wrong = f"Bearer {TOKEN}", "Bearer other"
    async with a_door(tmp_path, token=TOKEN, server_token="other") as door:
        for headers in ({}, {"Authorization": wrong}):
            answer = await door.post(a_message(1), **headers)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Bearer")
        assert (await door.post(a_message(1), Authorization=right)).status_code == 202
        unknown = await door.client.post("/ingest/chat/x", headers={"Authorization": right})
        assert unknown.status_code == 401, "whether there is one is not told"
    async with a_door(tmp_path, server_token=TOKEN) as door:
        assert (await door.post(a_message(1), Authorization=wrong)).status_code == 401
        assert (await door.post(a_message(1), Authorization=right)).status_code == 202
    async with a_door(tmp_path) as door:
        assert (await door.client.post("/ingest/chat/x")).status_code == 404
        assert (await door.client.get("/ingest/chat/chat")).status_code == 405


async def test_too_much_is_asked_to_come_again_and_nothing_of_it_is_taken(tmp_path: Path) -> None:
    clock = FakeClock(auto=False)
    async with a_door(tmp_path, max_per_s=5.0, clock=clock) as door:
        assert (await door.post([a_message(n) for n in range(10)])).status_code == 202
        answer = await door.post([a_message(n) for n in range(8, 14)])
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "2")
        assert len(await door.read(10)) == 10
        await clock.advance(2.0)
        assert (await door.post([a_message(n) for n in range(8, 14)])).json()["accepted"] == 4
    async with a_door(tmp_path, max_waiting=3) as door:
        assert (await door.post([a_message(1), a_message(2)])).status_code == 202
        answer = await door.post([a_message(3), a_message(4)])
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
        await door.read(2)
        assert (await door.post([a_message(3), a_message(4)])).json()["accepted"] == 2


async def test_before_the_monitor_watches_pushers_are_asked_to_come_again(tmp_path: Path) -> None:
    async with a_door(tmp_path) as door:
        source = door.source
        door.source._open = None
        answer = await door.post(a_message(1))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "2"
    assert not source.is_open


async def test_over_a_websocket_each_batch_gets_its_answer(tmp_path: Path) -> None:
    async with a_door(tmp_path, token=TOKEN) as door:
        url = door.url.replace("http", "ws", 1) + "ingest/chat/chat"
        async with connect(url, additional_headers={"Authorization": f"Bearer {TOKEN}"}) as line:
            await line.send(json.dumps([a_message(1), a_message(1), {}]))
            told = json.loads(await line.recv())
            await line.send("{")
            bad = json.loads(await line.recv())
            await line.send(b"binary")
            with pytest.raises(ConnectionClosed):
                await line.recv()
        assert (told["status"], told["accepted"], told["duplicate"]) == (202, 1, 1)
        assert told["rejected"][0]["index"] == 2
        assert bad["status"] == 400
        async with connect(url) as line:
            with pytest.raises(ConnectionClosed) as closed:
                await line.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401
        with pytest.raises(InvalidStatus):
            await connect(url, origin="https://evil.example")  # type: ignore[arg-type]
        assert len(await door.read(1)) == 1
