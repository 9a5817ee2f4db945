"""Standard output without blocking: a reader that stopped reading must not stop the monitor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select

STDOUT_FD = 1


class StandardOutput:
    """Writes to a pipe, a terminal or a file, waiting on the event loop for room.

    When the reader has gone (`streammon run ... | head`), `closed` becomes true and everything
    written from then on is discarded: that is how such a pipe is meant to end.
    """

    def __init__(self, fd: int = STDOUT_FD) -> None:
        self.fd = fd
        self.closed = False

    async def write(self, data: bytes) -> None:
        """Return once all of it is out. Cancelled, a part of it may be out."""
        rest = memoryview(data)
        while rest and not self.closed:
            await self._room()
            try:
                # A pipe with room takes this much without blocking.
                rest = rest[os.write(self.fd, rest[: select.PIPE_BUF]) :]
            except BrokenPipeError:
                self.closed = True

    async def _room(self) -> None:
        loop = asyncio.get_running_loop()
        room = asyncio.Event()
        try:
            loop.add_writer(self.fd, room.set)
        except PermissionError:
            return  # a plain file always has room
        try:
            await room.wait()
        finally:
            with contextlib.suppress(OSError):
                loop.remove_writer(self.fd)
