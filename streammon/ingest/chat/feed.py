"""A chat platform as a source: its connections one after the other, what they say as messages."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, PositiveFloat, PositiveInt

from streammon.config import state_folder
from streammon.core.errors import Permanent, Retryable, StreammonError
from streammon.core.moderation import KnownAuthor
from streammon.core.ports import SourceContext
from streammon.core.types import ChatMessage, HealthState, Item, Modality, StreamId
from streammon.flow.channel import Channel, WhenFull
from streammon.flow.supervise import Report
from streammon.ingest.chat.author_ids import FILE_NAME, AuthorIds, load_key
from streammon.ingest.chat.book import Book
from streammon.ingest.chat.intake import Bounds, Intake, Refused
from streammon.ingest.chat.said import Said
from streammon.registry import AdapterConfig

log = logging.getLogger(__name__)

MOST_WAITING = 256
"""Messages between a library's own task and the source; full, the library waits."""
MOST_UNREAD = 2_048
"""Messages that came and wait for whoever reads the source."""
TELL_EVERY_S = 10.0
"""How often losses are told of while they go on, and how long none make it up again."""

T = TypeVar("T")


class ChatConfig(AdapterConfig):
    """What every chat platform's settings have."""

    hash_authors: bool = True
    """Author ids leave the source as pseudonyms; false: as the platform has them."""
    author_key_file: Path | None = None
    """File with the key they are hashed with, made if it is not there; unset:
    `$XDG_STATE_HOME/streammon/authors.key`. A new key makes every author a new one."""
    clock: Literal["arrival", "sent"] = "arrival"
    """What windows go by. `sent` where old messages come late in one go: a bridge, a backlog."""
    max_chars: PositiveInt = Field(4_000, le=100_000)
    """Of one text; what is longer is cut."""
    max_per_s: PositiveFloat = Field(5_000.0, le=100_000.0)
    """In the long run, twice as many at once; more are dropped, counted and reported."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What one connection is given."""

    context: SourceContext
    worked_before: bool
    """An earlier connection came up: what is refused now may be accepted again later."""
    up: Callable[[], None]
    """Tell that the connection stands and would bring what is said, though nobody has yet."""
    degraded: Callable[[str], None]
    """Tell that it stands but not as wanted, and why: one room of several cannot be entered."""
    lost: Callable[[str], None]
    """Tell that a message could not be read, and why: without anything of its content."""


Connect = Callable[[Desk], AbstractAsyncContextManager[AsyncIterator[Said]]]
"""One connection of a platform. Entering it connects and logs in; iterating gives what is said;
leaving frees everything. It raises `Retryable` when a later try may work and `Permanent` when a
person is needed, with causes that hold no credentials, names or texts."""


class ChatFeed:
    """Satisfies `ports.Source`, `ports.RealTime` and `moderation.AuthorBook` for any platform.

    Which connection it is, and who brings it back, is not its business: `connect` makes one, the
    ingest stage opens the next after a pause. A task of its own reads it, so that messages are of
    the moment when they came, and pings are answered, also while whoever reads the source waits.
    What it read and nobody took is gone when the source is left.
    """

    modalities = frozenset({Modality.TEXT})
    real_time = True

    def __init__(
        self,
        stream: StreamId,
        settings: ChatConfig,
        *,
        platform: str,
        connect: Connect,
        when_full: WhenFull = WhenFull.BLOCK,
    ) -> None:
        """`platform` names the space in which author ids are unique.

        `when_full`: once `MOST_UNREAD` messages wait, the connection is left alone until there is
        room (BLOCK), or read all the same where it would be lost else (DROP_NEWEST): messages are
        then left out and counted.
        """
        self.stream = stream
        self.book = Book()
        self._settings = settings
        self._platform = platform
        self._connect = connect
        self._when_full = when_full
        self._worked = False
        bounds = Bounds(most_chars=settings.max_chars, most_per_s=settings.max_per_s)
        self.intake = Intake(stream, bounds=bounds, book=self.book, clock=settings.clock)
        self._ids: AuthorIds | None = None

    def author(self, author_id: str) -> KnownAuthor | None:
        """See `moderation.AuthorBook`."""
        return self.book.known(author_id)

    def hashed(self, author_id: str) -> str:
        """The id under which others see the author of this id of the platform. Once open."""
        return author_id if self._ids is None else self._ids.hashed(author_id)

    @asynccontextmanager
    async def open(self, context: SourceContext) -> AsyncGenerator[AsyncIterator[Item]]:
        """One connection, as a new epoch. Raises `Retryable` when the platform ends it."""
        self._begin()
        standing = _Standing(context.report)
        losses = Losses(self.stream, context.report, recovered=standing.tell)
        desk = Desk(
            context,
            worked_before=self._worked,
            up=lambda: self._stands(standing, ""),
            degraded=lambda cause: self._stands(standing, cause),
            lost=losses.add,
        )
        ended = False
        failed: list[StreammonError] = []

        async def messages(read: Channel[ChatMessage]) -> AsyncGenerator[Item]:
            nonlocal ended
            first = True
            async for message in read:
                yield message
                if first and not losses.tell_again() and standing.cause:
                    standing.tell()  # whoever reads us has just called us up
                first = False
            if failed:
                raise failed[0]
            ended = True

        try:
            async with (
                self._connect(desk) as said,
                fed(
                    f"chat:{self.stream}",
                    self._reading(said, desk, failed),
                    most=MOST_UNREAD,
                    when_full=self._when_full,
                ) as read,
                aclosing(messages(read)) as items,
            ):
                yield items
        finally:
            losses.close()
        if ended:
            raise Retryable("the server ended the connection")

    def _reading(
        self, said: AsyncIterator[Said], desk: Desk, failed: list[StreammonError]
    ) -> Callable[[Channel[ChatMessage]], Coroutine[None, None, None]]:
        """Reads a connection to its end; why it ended is for after all that was said."""

        async def read(channel: Channel[ChatMessage]) -> None:
            try:
                async for each in said:
                    await self._pass_on(each, channel, desk)
            except (Permanent, Retryable) as error:
                failed.append(error)

        return read

    async def _pass_on(self, said: Said, channel: Channel[ChatMessage], desk: Desk) -> None:
        if self._when_full is not WhenFull.BLOCK and len(channel) >= channel.capacity:
            desk.lost("more come than are looked at")
            return
        taken = self.intake.take(said, now_ns=desk.context.clock.now_ns())
        if isinstance(taken, ChatMessage):
            self._worked = True
            await channel.send(taken)
        elif taken in (Refused.TOO_FAST, Refused.BAD_ID):
            desk.lost(self._why(taken))

    def _begin(self) -> None:
        if self._ids is None:
            self._ids = author_ids(self._settings, platform=self._platform)
        self.intake.begin_epoch(self._ids)

    def _stands(self, standing: _Standing, cause: str) -> None:
        self._worked = True
        standing.cause = cause
        standing.tell()

    def _why(self, refused: Refused) -> str:
        if refused is Refused.TOO_FAST:
            return f"more than max_per_s ({self._settings.max_per_s:g})"
        return "an id that is too long"


def author_ids(settings: ChatConfig, *, platform: str) -> AuthorIds | None:
    """What hashes the authors of a platform; `None`: nothing is to. Raises `Permanent`."""
    if not settings.hash_authors:
        return None
    path = settings.author_key_file or state_folder() / FILE_NAME
    return AuthorIds(load_key(path), platform=platform)


class _Standing:
    """How a connection stands, apart from what is lost on it."""

    def __init__(self, report: Report) -> None:
        self.cause = ""
        self._report = report

    def tell(self) -> None:
        self._report(HealthState.DEGRADED if self.cause else HealthState.UP, self.cause)


class Losses:
    """Counts messages that are left out, and tells of them: `degraded` while it goes on;
    `recovered` is called once none was for `TELL_EVERY_S`. On the event loop only.
    """

    def __init__(self, stream: StreamId, report: Report, *, recovered: Callable[[], None]) -> None:
        self._stream = stream
        self._report = report
        self._recovered = recovered
        self._counts: Counter[str] = Counter()
        self._told = 0
        self._cause = ""
        self._next: asyncio.TimerHandle | None = None

    def add(self, why: str) -> None:
        self._counts[why] += 1
        if self._next is None:
            self._tell()

    def tell_again(self) -> bool:
        """Tell what was told last, while it holds; returns whether it does."""
        if self._next is not None:
            self._report(HealthState.DEGRADED, self._cause)
        return self._next is not None

    def close(self) -> None:
        """Tell nothing more: the connection is over."""
        if self._next is not None:
            self._next.cancel()

    def _look(self) -> None:
        if self._counts.total() > self._told:
            self._tell()
        else:
            self._next = None
            self._recovered()

    def _tell(self) -> None:
        self._told = self._counts.total()
        why, _ = self._counts.most_common(1)[0]
        messages = "message was" if self._told == 1 else "messages were"
        cause = f"{self._told} {messages} left out on this connection, mostly: {why}"
        log.warning("chat_left_out", extra={"stream": self._stream, "cause": cause})
        self._cause = cause
        self._report(HealthState.DEGRADED, cause)
        self._next = asyncio.get_running_loop().call_later(TELL_EVERY_S, self._look)


@asynccontextmanager
async def fed(
    name: str,
    run: Callable[[Channel[T]], Coroutine[None, None, None]],
    *,
    most: int = MOST_WAITING,
    when_full: WhenFull = WhenFull.BLOCK,
) -> AsyncGenerator[Channel[T]]:
    """Run `run(channel)` on a task beside the block: for libraries that call back.

    The channel closes when `run` ends. What `run` raises is raised on leaving the block, what the
    block raises comes out as it is; leaving cancels `run` and waits for it.
    """
    channel: Channel[T] = Channel(name, most, when_full)
    failed: list[Exception] = []

    async def work() -> None:
        try:
            await run(channel)
        except (Permanent, Retryable) as error:
            failed.append(error)
        finally:
            channel.close()

    try:
        async with asyncio.TaskGroup() as group:
            working = group.create_task(work(), name=name)
            try:
                yield channel
            finally:
                working.cancel()
    except BaseExceptionGroup as failures:
        if len(failures.exceptions) == 1:
            raise failures.exceptions[0] from None
        raise
    if failed:
        raise failed[0]
