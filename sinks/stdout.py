"""Standard output without blocking: a reader that stopped reading must not stop the monitor."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select

STDOUT_FD = 1


class StandardOutput:
    """Writes to a pipe, a terminal or a file, waiting on the event loop for room.

    Any task of the loop may write; what each writes comes out in one piece. When the reader has
    gone (`streammon run ... | head`), `closed` becomes true and everything written from then on
    is discarded: that is how such a pipe is meant to end.
    """

    def __init__(self, fd: int = STDOUT_FD) -> None:
        self.fd = fd
        self.closed = False
        self._turn = asyncio.Lock()
        self._rest = memoryview(b"")
        """What a cancelled write has left to do. The next one begins with it: lines stay whole."""

    async def write(self, data: bytes) -> None:
        """Return once all of it is out, or the reader has gone; see `closed`.

        Waits for as long as the reader does not read. Cancelled, or after an `OSError` (a full
        disk under a file), a part of it may be out: the rest goes before whatever comes next.
        """
        async with self._turn:
            await self._drain()
            self._rest = memoryview(data)
            await self._drain()

    async def _drain(self) -> None:
        while self._rest and not self.closed:
            await self._room()
            try:
                self._rest = self._rest[self._write_some(self._rest[: select.PIPE_BUF]) :]
            except BlockingIOError:
                continue  # others write to the same pipe, such as our own log
            except BrokenPipeError:
                self.closed = True

    def _write_some(self, data: memoryview) -> int:
        """Bytes written. A terminal with room for a little would block until it has all: the
        file is shared with other processes, so it is non-blocking for this one call only.
        """
        blocking = os.get_blocking(self.fd)
        os.set_blocking(self.fd, False)
        try:
            return os.write(self.fd, data)
        finally:
            os.set_blocking(self.fd, blocking)

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
