"""Chat from any WebSocket that sends JSON: which field means what is said in the settings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, SecretStr, model_validator
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI

from streammon.core.errors import Retryable
from streammon.core.moderation import KnownAuthor
from streammon.core.ports import SourceContext
from streammon.core.types import Item, StreamId
from streammon.flow.channel import WhenFull
from streammon.ingest.chat.causes import in_words, login_refused
from streammon.ingest.chat.feed import ChatConfig, ChatFeed, Desk
from streammon.ingest.chat.fields import MessageFields, Path, objects, value_at
from streammon.ingest.chat.lines import BadLine
from streammon.ingest.chat.said import Said
from streammon.sections import is_loopback

MOST_MESSAGE_BYTES = 1 << 20
CONNECT_WITHIN_S, CLOSE_WITHIN_S = 15.0, 1.0
LOGIN_REFUSED = frozenset({401, 403})


class ChatSocketConfig(ChatConfig):
    """A WebSocket that sends messages as JSON: one, a list, or a list inside an object."""

    type: Literal["chat_socket"] = "chat_socket"
    url: SecretStr
    """`wss://HOST/PATH`; it may hold a token."""
    headers: Mapping[str, SecretStr] = {}
    """Of the handshake: `Authorization`, for one."""
    first_say: tuple[SecretStr, ...] = Field((), max_length=100)
    """What is sent once connected, to log in or subscribe: each a message."""
    messages: Path | None = None
    """Where the list of messages stands; unset: what comes is a message or a list of them."""
    only: Mapping[Path, str] = {}
    """Take what has these values alone: `{type: chat}`."""
    fields: MessageFields = MessageFields()
    platform: str = Field("", max_length=64)
    """Author ids of the same platform get the same pseudonyms; unset: this entry's name."""
    ping_s: Annotated[PositiveFloat, Field(le=3600.0)] = 20.0
    """So often the other side is asked whether it is there, and it has as long to answer."""
    allow_plain: bool = False
    """Take `ws://` from other machines, too: whoever is between may read and write along."""

    @model_validator(mode="after")
    def is_a_websocket(self) -> Self:
        try:
            parts = urlsplit(self.url.get_secret_value())
            host, _ = parts.hostname or "", parts.port
        except ValueError:
            raise ValueError("url: not a URL") from None
        if parts.scheme not in ("ws", "wss") or not host or parts.fragment:
            raise ValueError("url: expected wss://HOST/PATH")
        if parts.scheme == "ws" and not (self.allow_plain or is_loopback(host)):
            raise ValueError("url: expected wss://, or ws:// to this machine; see allow_plain")
        return self

    def build(self, stream: StreamId) -> ChatSocket:
        return ChatSocket(stream, self)


class ChatSocket:
    """Satisfies `ports.Source`, `ports.RealTime` and `moderation.AuthorBook`."""

    modalities = ChatFeed.modalities
    real_time = ChatFeed.real_time

    def __init__(self, stream: StreamId, settings: ChatSocketConfig) -> None:
        self.stream = stream
        self._settings = settings
        platform = settings.platform or str(stream)
        self._feed = ChatFeed(
            stream,
            settings,
            platform=platform,
            connect=self._connect,
            when_full=WhenFull.DROP_NEWEST,
        )

    def open(self, context: SourceContext) -> AbstractAsyncContextManager[AsyncIterator[Item]]:
        return self._feed.open(context)

    def author(self, author_id: str) -> KnownAuthor | None:
        """See `moderation.AuthorBook`."""
        return self._feed.author(author_id)

    @asynccontextmanager
    async def _connect(self, desk: Desk) -> AsyncGenerator[AsyncIterator[Said]]:
        connection = await self._connected(desk)
        try:
            await self._introduce(connection)
            desk.up()
            async with aclosing(self._said(connection, desk)) as said:
                yield said
        finally:
            await connection.close()

    async def _introduce(self, connection: ClientConnection) -> None:
        try:
            for each in self._settings.first_say:
                await connection.send(each.get_secret_value())
        except ConnectionClosed as error:
            raise _closed(error) from None

    async def _connected(self, desk: Desk) -> ClientConnection:
        settings = self._settings
        try:
            async with (
                in_words(worked_before=desk.worked_before),
                asyncio.timeout(CONNECT_WITHIN_S),
            ):
                return await connect(
                    settings.url.get_secret_value(),
                    additional_headers={
                        name: value.get_secret_value() for name, value in settings.headers.items()
                    },
                    proxy=None,
                    open_timeout=None,
                    close_timeout=CLOSE_WITHIN_S,
                    ping_interval=settings.ping_s,
                    ping_timeout=settings.ping_s,
                    max_size=MOST_MESSAGE_BYTES,
                    max_queue=16,
                )
        except InvalidStatus as error:
            status = error.response.status_code
            if status in LOGIN_REFUSED:
                raise login_refused(
                    f"the server refuses us ({status}): check the token",
                    worked_before=desk.worked_before,
                ) from None
            raise Retryable(f"the server answered {status} instead of a WebSocket") from None
        except (InvalidHandshake, InvalidURI) as error:
            raise Retryable(f"no WebSocket there: {type(error).__name__}") from None

    async def _said(self, connection: ClientConnection, desk: Desk) -> AsyncGenerator[Said]:
        while True:
            try:
                raw = await connection.recv()
            except ConnectionClosed as error:
                raise _closed(error) from None
            for said in self._read(raw, desk):
                yield said

    def _read(self, raw: bytes | str, desk: Desk) -> Iterator[Said]:
        """The messages of one frame; what cannot be read is counted."""
        try:
            for fields in self._messages(raw):
                try:
                    yield self._settings.fields.read(fields)
                except BadLine as error:
                    desk.lost(str(error))
        except BadLine as error:
            desk.lost(str(error))

    def _messages(self, raw: bytes | str) -> Iterator[object]:
        """What is to be read as messages; raises `BadLine` for what is not JSON."""
        path = self._settings.messages
        for whole in objects(raw):
            inside = value_at(whole, path) if path else whole
            for fields in inside if isinstance(inside, list) else [inside]:
                if fields is not None and self._wanted(whole, fields):
                    yield fields

    def _wanted(self, whole: object, fields: object) -> bool:
        """By what the message says, or else what stands around it."""
        for path, value in self._settings.only.items():
            found = value_at(fields, path)
            found = value_at(whole, path) if found is None else found
            if str(found) != value:
                return False
        return True


def _closed(error: ConnectionClosed) -> Retryable:
    if error.rcvd is None:
        return Retryable("the server is gone, or does not answer pings")
    return Retryable(f"the server closed the connection ({error.rcvd.code})")
