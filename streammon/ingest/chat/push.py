"""Chat that programs push to us, over `POST /ingest/chat/{stream}` or a WebSocket there.

The server stands in front (`streammon.server.chat_ingest`); here a batch becomes messages.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, PositiveInt

from streammon.core.errors import Retryable
from streammon.core.moderation import KnownAuthor
from streammon.core.ports import SourceContext
from streammon.core.types import ChatMessage, HealthState, Item, Modality, StreamId
from streammon.flow.channel import Channel, WhenFull
from streammon.ingest.chat.book import Book
from streammon.ingest.chat.feed import ChatConfig, author_ids
from streammon.ingest.chat.fields import MessageFields
from streammon.ingest.chat.intake import Bounds, Intake, Refused
from streammon.ingest.chat.lines import BadLine
from streammon.sections import Token

PREFIX = "/ingest/chat/"
NOT_TAKEN = {
    Refused.EMPTY: "no author or no text",
    Refused.BAD_ID: "an id or a room longer than 256 characters",
}


class ChatPushConfig(ChatConfig):
    """Chat that others push to `/ingest/chat/<name>`."""

    type: Literal["chat_push"] = "chat_push"
    token: Token = None
    """Bearer token that pushers show; unset: the server's own, if it has one."""
    fields: MessageFields = MessageFields()
    """Which field of an object means what, as dotted paths."""
    platform: str = Field("", max_length=64)
    """Author ids of the same platform get the same pseudonyms; unset: this entry's name."""
    max_batch: PositiveInt = Field(1_000, le=10_000)
    """Messages of one request."""
    max_waiting: PositiveInt = Field(8_192, le=1_000_000)
    """Messages that may wait to be looked at; beyond, pushers are asked to come again later."""

    def build(self, stream: StreamId) -> ChatPush:
        return ChatPush(stream, self)


class Busy(Retryable):
    """Nothing of a batch was taken: try it again, the whole of it, after `retry_after_s`."""

    def __init__(self, cause: str, *, retry_after_s: int) -> None:
        super().__init__(cause)
        self.retry_after_s = retry_after_s


class TooMany(ValueError):
    """A batch that is never taken, whenever it comes."""


@dataclass(frozen=True, slots=True)
class Pushed:
    """What became of a batch."""

    accepted: int
    duplicate: int
    rejected: tuple[tuple[int, str], ...]
    """Place in the batch and the reason."""


class ChatPush:
    """Satisfies `ports.Source`, `ports.RealTime`, `ports.Answering` and `moderation.AuthorBook`.

    What was answered with 202 is cut into windows and judged, also when the monitor is stopped
    right after; from that moment on nothing is taken.
    """

    modalities = frozenset({Modality.TEXT})
    real_time = True

    def __init__(self, stream: StreamId, settings: ChatPushConfig) -> None:
        self.stream = stream
        self.token = settings.token
        self._settings = settings
        self._book = Book()
        self._intake = Intake(
            stream,
            bounds=Bounds(most_chars=settings.max_chars, most_per_s=settings.max_per_s),
            book=self._book,
            clock=settings.clock,
        )
        self._open: tuple[SourceContext, Channel[ChatMessage]] | None = None
        self._why_shut = "not ready to watch it yet"

    @property
    def is_open(self) -> bool:
        """Whether the monitor watches it now."""
        return self._open is not None

    def author(self, author_id: str) -> KnownAuthor | None:
        """See `moderation.AuthorBook`."""
        return self._book.known(author_id)

    @asynccontextmanager
    async def open(self, context: SourceContext) -> AsyncGenerator[AsyncIterator[Item]]:
        """Let messages in while this is open, as a new epoch."""
        platform = self._settings.platform or str(self.stream)
        self._intake.begin_epoch(author_ids(self._settings, platform=platform))
        channel: Channel[ChatMessage] = Channel(
            f"pushed:{self.stream}", self._settings.max_waiting, WhenFull.DROP_NEWEST
        )
        self._open, self._why_shut = (context, channel), "not ready to watch it yet"
        context.report(HealthState.STARTING, f"waiting for messages at {PREFIX}{self.stream}")
        try:
            yield channel
        finally:
            self._open = None
            channel.close()

    def stop(self) -> Sequence[Item]:
        """See `ports.Answering`."""
        if self._open is None:
            return []
        (_, channel), self._open = self._open, None
        self._why_shut = "the monitor is stopping"
        channel.close()
        return channel.drain()

    def push(self, batch: Sequence[object]) -> Pushed:
        """Take a batch of JSON values. On the event loop; quick.

        Raises `Busy` and `TooMany`, and then nothing of it was taken. Each message counts once by
        its id, so a batch may be sent again.
        """
        settings = self._settings
        if len(batch) > min(settings.max_batch, self._intake.rate.burst, settings.max_waiting):
            raise TooMany(f"more than {settings.max_batch} messages in one batch")
        if self._open is None:
            raise Busy(self._why_shut, retry_after_s=2)
        context, channel = self._open
        now_ns = context.clock.now_ns()
        if channel.capacity - len(channel) < len(batch):
            raise Busy("more messages wait than are looked at", retry_after_s=1)
        wait_s = self._intake.rate.wait_s(len(batch), now_s=now_ns / 1e9)
        if wait_s > 0.0:
            cause = f"more than {settings.max_per_s:g} messages/s"
            raise Busy(cause, retry_after_s=math.ceil(wait_s))
        self._intake.rate.allows(len(batch), now_s=now_ns / 1e9)
        counts: Counter[str] = Counter()
        rejected: list[tuple[int, str]] = []
        for index, fields in enumerate(batch):
            try:
                said = settings.fields.read(fields)
            except BadLine as error:
                rejected.append((index, str(error)))
                continue
            taken = self._intake.take(said, now_ns=now_ns, rated=False)
            if isinstance(taken, ChatMessage):
                channel.offer(taken)
                counts["accepted"] += 1
            elif taken is Refused.DUPLICATE:
                counts["duplicate"] += 1
            else:
                rejected.append((index, NOT_TAKEN[taken]))
        return Pushed(counts["accepted"], counts["duplicate"], tuple(rejected))
