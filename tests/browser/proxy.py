"""A TCP proxy whose line can be cut, left hanging, and mended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.answering_here import let_in


class Line:
    """Forwards a local port to the server at `url`. An async context manager."""

    def __init__(self, url: str) -> None:
        self._port = urlsplit(url).port
        self._open: set[asyncio.StreamWriter] = set()
        self._cut = self._hung = False
        self._holding = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.cut()
        await let_in()
        self._server.close()
        await self._server.wait_closed()
        while self._open:  # noqa: ASYNC110 - the streams' own tasks end by themselves
            await asyncio.sleep(0.01)

    @property
    def is_cut(self) -> bool:
        return self._cut

    def cut(self) -> None:
        """Every connection breaks at once, without a farewell; new ones break too."""
        self._cut = True
        for writer in self._open:
            writer.transport.abort()

    def hang(self) -> None:
        """As `cut`, but new connections are taken and never answered."""
        self.cut()
        self._hung = True
        self._holding.clear()

    async def holds(self) -> None:
        """Returns once a connection was taken that is never answered."""
        await self._holding.wait()

    def mend(self) -> None:
        """From now on new connections are forwarded; those that hang go on hanging."""
        self._cut = self._hung = False

    async def asked(self, said: bytes) -> bytes:
        """What is passed on of what the browser says."""
        return said

    async def heard(self, said: bytes) -> bytes:
        """What is passed on of what the server says."""
        return said

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._hung:
            self._open.add(writer)
            self._holding.set()
            await reader.read()
            self._open.discard(writer)
            writer.close()
            return
        if self._cut:
            writer.transport.abort()
            return
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self._port)
        self._open |= {writer, there_writer}
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pass_on(reader, there_writer, self.asked))
                group.create_task(_pass_on(there_reader, writer, self.heard))
        finally:
            self._open -= {writer, there_writer}


async def _pass_on(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    heard: Callable[[bytes], Awaitable[bytes]],
) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(await heard(data))
            await writer.drain()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
