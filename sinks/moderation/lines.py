"""The audit log as JSON lines, for a program that follows: a file, or standard output."""

from __future__ import annotations

import errno
import os

from streammon.core.errors import Retryable
from streammon.core.ports import Clock
from streammon.sinks.moderation.ledger import Ledger
from streammon.sinks.moderation.records import Entry, entry_to_json
from streammon.sinks.moderation.steward import Scribe
from streammon.sinks.stdout import StandardOutput
from streammon.sinks.wire import dumps

STDOUT = "-"
LOOK_EVERY_S = 0.1
AT_A_TIME = 500


class Lines:
    """Follows the ledger from where it stood at the start. The ledger itself misses nothing; a
    process that is killed may leave out the lines of its last tenth of a second.
    """

    def __init__(
        self,
        path: str,
        ledger: Ledger,
        scribe: Scribe,
        *,
        clock: Clock,
        told: int | None = None,
    ) -> None:
        """`told`: up to which step this process has written lines, where it has begun before."""
        self.told = told
        self._path = path
        self._ledger = ledger
        self._scribe = scribe
        self._clock = clock
        self._out = StandardOutput()

    async def begin(self) -> None:
        """What was done before this process began is not told again."""
        if self.told is None:
            self.told = await self._scribe(self._ledger.last_step)

    async def run(self) -> None:
        """Until cancelled. Raises `Retryable` when nothing can be written."""
        while True:
            await self.flush()
            await self._clock.sleep(LOOK_EVERY_S)

    async def flush(self) -> None:
        """Write what is new. Raises `Retryable`; then the next flush begins with the same."""
        assert self.told is not None, "flushed before it began"
        try:
            if self._path == STDOUT:
                while entries := await self._scribe(self._new):
                    await self._out.write(_text(entries))
                    self.told = entries[-1].seq
            else:
                more = True
                while more:
                    more = await self._scribe(self._follow)
        except OSError as error:
            raise Retryable(f"{self._path} cannot be written: {error.strerror}") from error

    def _new(self) -> list[Entry]:
        assert self.told is not None
        return self._ledger.audit(after=self.told, limit=AT_A_TIME)

    def _follow(self) -> bool:
        """One piece of work: who is cancelled while it is done has still told what is written."""
        if entries := self._new():
            self._append(_text(entries))
            self.told = entries[-1].seq
        return bool(entries)

    def _append(self, text: bytes) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        descriptor = os.open(self._path, flags, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if os.write(descriptor, text) < len(text):
                os.ftruncate(descriptor, size)  # half a line would spoil the next one
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)


def _text(entries: list[Entry]) -> bytes:
    return b"".join(dumps(entry_to_json(entry)) + b"\n" for entry in entries)
