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
        self._poll = select.poll()
        self._poll.register(fd, select.POLLOUT)

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
            if not self._poll.poll(0):
                continue  # others may write to the same pipe, such as our own log
            try:
                # A pipe with room takes this much without blocking.
                self._rest = self._rest[os.write(self.fd, self._rest[: select.PIPE_BUF]) :]
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
