"""Chat as JSON, one message a line: a recording, a growing file, or standard input.

`{"captured_s": 12.5, "author_id": "u1", "text": "hello", "message_id": "m1", "room": "main"}`;
only `author_id` and `text` must be there. `name` and `roles` (of `core.moderation.AuthorRole`) say
who the author is to whoever moderates. A line that cannot be read is counted and reported, never
with its content, and the next one is read.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import stat
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from streammon.config import state_folder
from streammon.core.errors import Permanent, Retryable
from streammon.core.moderation import KnownAuthor
from streammon.core.ports import Demand, Source, SourceContext
from streammon.core.types import ChatMessage, HealthState, Item, Modality, StreamId
from streammon.flow.channel import WhenFull
from streammon.flow.threads import on_thread
from streammon.ingest.chat.author_ids import (
    FILE_NAME,
    LINES,
    RECORDED_KEY,
    AuthorIds,
    hashed_author,
    load_key,
)
from streammon.ingest.chat.book import Book
from streammon.ingest.chat.lines import BadLine, Line, LineCutter, Numbers, Stamper, parse_line
from streammon.ingest.chat.said import Said
from streammon.ingest.pace import Pacer
from streammon.registry import AdapterConfig

log = logging.getLogger(__name__)

STDIN = "-"
MOST_WAITING = 256
BLOCK_BYTES = 64 * 1024
LOOK_AGAIN_S = 0.2
"""How often a growing file, standard input and the wish to leave are looked at."""


class ChatJsonlConfig(AdapterConfig):
    """Chat from a file of JSON lines or from standard input."""

    type: Literal["chat_jsonl"] = "chat_jsonl"
    path: str = Field(min_length=1)
    """A file, or `-` for standard input."""
    pace: Literal["realtime", "fast"] = "realtime"
    """Of a recording; pauses of more than ten seconds are stepped over.

    Standard input and followed files bring their own pace.
    """
    loop: bool = False
    """Begin again at the end, as a new epoch."""
    follow: bool = False
    """Read what is added from now on, also when the file is truncated or replaced."""
    max_line_bytes: int = Field(65_536, ge=256, le=16 * 2**20)
    hash_authors: bool = True
    """Author ids leave the source as pseudonyms; false: as the lines have them."""
    author_key_file: Path | None = None
    """File with the key they are hashed with, made if it is not there; unset:
    `$XDG_STATE_HOME/streammon/authors.key`."""

    @model_validator(mode="after")
    def one_way_of_reading(self) -> Self:
        if self.loop and (self.follow or self.path == STDIN):
            raise ValueError("loop needs a recording: neither `follow` nor standard input")
        if self.follow and self.path == STDIN:
            raise ValueError("follow needs a file; standard input is followed anyway")
        return self

    def build(self, stream: StreamId) -> Source:
        return ChatJsonl(stream, self)


class BadLines:
    """Counts lines that could not be read, and tells of the 1st, 10th, 100th, ..."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self.count = 0

    def add(self, cause: str) -> None:
        self.count += 1
        digits = str(self.count)
        if digits.rstrip("0") == "1":
            lines = "line" if self.count == 1 else "lines"
            self._tell(f"{self.count} {lines} of chat could not be read; the newest: {cause}")


class ChatJsonl:
    """Satisfies `ports.Source`, `ports.RealTime`, `ports.Recording` and `moderation.AuthorBook`.

    Reads on a thread of its own.
    """

    modalities = frozenset({Modality.TEXT})

    def __init__(self, stream: StreamId, settings: ChatJsonlConfig) -> None:
        self.stream = stream
        self.real_time = settings.follow or settings.path == STDIN
        self._settings = settings
        self._numbers = Numbers()
        self._opened_before = False
        self._book = Book()

    def author(self, author_id: str) -> KnownAuthor | None:
        """See `moderation.AuthorBook`."""
        return self._book.known(author_id)

    @asynccontextmanager
    async def open(self, context: SourceContext) -> AsyncIterator[AsyncIterator[Item]]:
        """Leaving waits for the thread, 0.2 s at most; a sender is slowed, no line is dropped."""
        loop = asyncio.get_running_loop()
        if self._opened_before:
            self._numbers.epoch += 1
        self._opened_before = True

        def tell(cause: str) -> None:
            log.warning("chat_lines_bad", extra={"stream": self.stream, "cause": cause})
            loop.call_soon_threadsafe(context.report, HealthState.DEGRADED, cause)

        def items(leaving: threading.Event) -> Iterator[Item]:
            return self._live(leaving, context.clock.now_ns, BadLines(tell))

        async with on_thread(
            f"ingest:{self.stream}", items, capacity=MOST_WAITING, when_full=WhenFull.BLOCK
        ) as channel:
            yield channel

    def items(self, demand: Demand) -> Iterator[Item]:
        """All of a recording; see `ports.Recording`. `demand` is for pictures and sound.

        A line without a time is taken to be of the moment of the line before it. Raises
        `Permanent` for what cannot be opened or never ends.
        """
        if self._settings.loop or self._settings.follow or self._settings.path == STDIN:
            raise Permanent("standard input, a followed or a looping chat cannot be replayed")
        stamper = Stamper(self.stream, Numbers())
        bad = BadLines(lambda cause: log.warning("chat_lines_bad", extra={"cause": cause}))
        ids = AuthorIds(RECORDED_KEY, platform=LINES) if self._settings.hash_authors else None
        for line in self._lines_of_file(threading.Event()):
            taken = _message(line, stamper, bad, since_open_s=0.0)
            if taken is not None:
                yield hashed_author(taken[0], ids)

    def _live(
        self, leaving: threading.Event, now_ns: Callable[[], int], bad: BadLines
    ) -> Iterator[Item]:
        stamper, ids = Stamper(self.stream, self._numbers), self._ids()
        paced = not self.real_time and self._settings.pace == "realtime"
        pacer = Pacer() if paced else None
        while not leaving.is_set():
            opened_ns, seen = now_ns(), self._numbers.seq
            for line in self._lines(leaving, stamper):
                since_open_s = (now_ns() - opened_ns) / 1e9
                taken = _message(line, stamper, bad, since_open_s=since_open_s)
                if taken is None:
                    continue
                message = hashed_author(taken[0], ids)
                self._book.note(message.author_id, _said(taken[1]))
                if pacer is not None:
                    pacer.wait(message.media_s, leaving)
                if leaving.is_set():
                    return
                yield replace(message, captured_ns=now_ns())
            if leaving.is_set() or not self._settings.loop:
                return
            if self._numbers.seq == seen:
                raise Permanent(f"{self._settings.path}: there is nothing in it to loop")
            stamper.begin_epoch()
            if pacer is not None:
                pacer.next_epoch()

    def _ids(self) -> AuthorIds | None:
        if not self._settings.hash_authors:
            return None
        path = self._settings.author_key_file or state_folder() / FILE_NAME
        return AuthorIds(load_key(path), platform=LINES)

    def _lines(self, leaving: threading.Event, stamper: Stamper) -> Iterator[bytes | None]:
        if self._settings.path == STDIN:
            return self._lines_of_stdin(leaving)
        if self._settings.follow:
            return self._lines_of_growing_file(leaving, stamper)
        return self._lines_of_file(leaving)

    def _lines_of_file(self, leaving: threading.Event) -> Iterator[bytes | None]:
        cutter = LineCutter(self._settings.max_line_bytes)
        path = self._settings.path
        with _opened(path, absent=Permanent) as descriptor:
            while not leaving.is_set() and (data := _read(descriptor, path)):
                yield from cutter.push(data)
        yield from cutter.flush()

    def _lines_of_stdin(self, leaving: threading.Event) -> Iterator[bytes | None]:
        """Never blocks for longer than `LOOK_AGAIN_S`, so a silent sender cannot hold us up."""
        cutter = LineCutter(self._settings.max_line_bytes)
        try:
            descriptor = sys.stdin.fileno()
        except (AttributeError, OSError, ValueError):
            raise Permanent("standard input is closed") from None
        while not leaving.is_set():
            if not select.select([descriptor], [], [], LOOK_AGAIN_S)[0]:
                continue
            data = _read(descriptor, "standard input")
            if not data:
                break
            yield from cutter.push(data)
        yield from cutter.flush()

    def _lines_of_growing_file(
        self, leaving: threading.Event, stamper: Stamper
    ) -> Iterator[bytes | None]:
        """From the end of what is there; from the beginning once it was truncated or replaced."""
        path, whence = self._settings.path, os.SEEK_END
        while not leaving.is_set():
            cutter = LineCutter(self._settings.max_line_bytes)
            with _opened(path, absent=Retryable) as descriptor:
                os.lseek(descriptor, 0, whence)
                while not leaving.is_set():
                    if data := _read(descriptor, path):
                        yield from cutter.push(data)
                    elif _is_other_file(descriptor, path):
                        break
                    else:
                        leaving.wait(LOOK_AGAIN_S)
            yield from cutter.flush()
            whence = os.SEEK_SET
            stamper.begin_epoch()


@contextmanager
def _opened(path: str, *, absent: type[Permanent] | type[Retryable]) -> Iterator[int]:
    """A file's descriptor for reading; a file that is not there raises `absent`."""
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for its other end for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise absent(f"{path}: cannot be read: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise Permanent(f"{path}: not a file; send other things to standard input (path: '-')")
        yield descriptor
    finally:
        os.close(descriptor)


def _read(descriptor: int, path: str) -> bytes:
    try:
        return os.read(descriptor, BLOCK_BYTES)
    except OSError as error:
        raise Retryable(f"{path}: cannot be read: {error.strerror}") from error


def _message(
    line: bytes | None, stamper: Stamper, bad: BadLines, *, since_open_s: float
) -> tuple[ChatMessage, Line] | None:
    """The message of a line and the line; `None` for an empty or a bad one, which is counted."""
    if line is not None and not line.strip():
        return None
    try:
        if line is None:
            raise BadLine("longer than max_line_bytes")
        parsed = parse_line(line)
        return stamper.stamp(parsed, since_open_s=since_open_s), parsed
    except BadLine as error:
        bad.add(str(error))
        return None


def _said(line: Line) -> Said:
    return Said(line.author_id, "", room=line.room, name=line.name, roles=line.roles)


def _is_other_file(descriptor: int, path: str) -> bool:
    """Whether the path now names another file, or ours was cut shorter than we have read."""
    ours = os.fstat(descriptor)
    if ours.st_size < os.lseek(descriptor, 0, os.SEEK_CUR):
        return True
    try:
        named = os.stat(path)
    except FileNotFoundError:
        return False  # being replaced: the new one will come
    return (named.st_dev, named.st_ino) != (ours.st_dev, ours.st_ino)
