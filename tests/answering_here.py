"""An HTTP server on the test's own event loop, for fakes whose state is on that loop too."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.answering import Answer, Asked


@asynccontextmanager
async def answering_here(answer: Callable[[Asked], Answer]) -> AsyncGenerator[str]:
    """Serve on a free port of this machine until the block ends; yields the URL."""
    talking: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talking[writer] = asyncio.current_task()
        try:
            while True:
                asked = await _read(reader)
                writer.write(_bytes(answer(asked)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # the client has left, or we do
        finally:
            del talking[writer]
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        await let_in()
        server.close()
        left = [task for task in talking.values() if task is not None]
        for writer in list(talking):
            writer.close()
        await asyncio.gather(*left)


async def let_in() -> None:
    """Before a server is closed: whoever it is just accepting is let in. asyncio would lose that
    connection unclosed, and a warning of it would fail whatever test runs when it is found.
    """
    await asyncio.sleep(0.01)


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    method, target, _ = first.split(" ", 2)
    named = [line.split(":", 1) for line in lines if line]
    headers = {name.lower(): value.strip() for name, value in named}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    parts = urlsplit(target)
    return Asked(method, unquote(parts.path), dict(parse_qsl(parts.query)), headers, body)


def _bytes(answer: Answer) -> bytes:
    headers = {**answer.headers, "Content-Length": str(len(answer.body))}
    lines = [f"HTTP/1.1 {answer.status} {HTTPStatus(answer.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + answer.body
