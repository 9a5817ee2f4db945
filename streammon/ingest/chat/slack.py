"""Chat of a Slack workspace, by Socket Mode: events over a WebSocket, no public address needed.

The client is our own, on httpx and websockets: see docs/adr for why.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from streammon.core.errors import Permanent, Retryable
from streammon.core.moderation import AuthorRole, KnownAuthor
from streammon.core.ports import Clock
from streammon.core.types import StreamId
from streammon.ingest.chat.acting import ActingFeed
from streammon.ingest.chat.book import Newest
from streammon.ingest.chat.feed import ChatConfig, Desk
from streammon.ingest.chat.rate import Rate
from streammon.ingest.chat.said import Said
from streammon.ingest.chat.slack_actor import SlackActor
from streammon.ingest.chat.slack_events import error_of, failure, roles_of, said_of
from streammon.ingest.chat.web_api import Answer, Fields, WebApi, fields_in, private_url, text_of
from streammon.ingest.chat.web_line import Line

HELLO_S = 10.0
PING_S = 20.0
REST_S = 1.0
"""After a change of connections: the old one is read until it has been silent for so long,"""
REST_MOST_S = 10.0
"""or for so long in all."""
LOOK_UP_S = 3.0
LOOK_UPS_PER_S, LOOK_UPS_AT_ONCE = 0.8, 20.0
"""Slack answers so many questions for accounts: about 50 a minute are always allowed."""
MOST_ACCOUNTS = 50_000
READ_USERS = "users:read"


class SlackConfig(ChatConfig):
    """The channels of a Slack workspace that an app is in."""

    type: Literal["slack"] = "slack"
    app_token: SecretStr = Field(min_length=4)
    """`xapp-...`, with `connections:write`."""
    bot_token: SecretStr = Field(min_length=4)
    """`xoxb-...`, with `channels:history`, `users:read` and, to warn, `chat:write`."""
    user_token: SecretStr | None = None
    """`xoxp-...`, with `chat:write`, of a person who administers the workspace: to delete."""
    channels: tuple[str, ...] = Field((), max_length=500)
    """Ids of the channels to read; none: all that the app is in."""
    api_url: str = "https://slack.com/api"

    @field_validator("api_url")
    @classmethod
    def is_private(cls, value: str) -> str:
        return private_url(value, "https")

    def build(self, stream: StreamId) -> SlackChat:
        return SlackChat(stream, self)


class SlackChat(ActingFeed):
    """Satisfies `ports.Source` and `moderation.ChatActor`.

    Slack tells an event again until it is acknowledged, which is done once it was handed on, and
    asks to change connections now and then, at which nothing is lost.
    """

    def __init__(self, stream: StreamId, settings: SlackConfig) -> None:
        super().__init__(stream, settings, platform="slack", connect=self._connection)
        self._slack = settings
        self._roles: Newest[str, frozenset[AuthorRole]] = Newest(MOST_ACCOUNTS)

    def author(self, author_id: str) -> KnownAuthor | None:
        """See `moderation.AuthorBook`. Messages say nothing of roles: an author of whom Slack was
        not asked yet is not known, as it may be an administrator.
        """
        author = self.book.author(author_id)
        if author is None or (roles := self._roles.get(author.platform_id)) is None:
            return None
        return KnownAuthor(author.name, roles)

    @asynccontextmanager
    async def _connection(self, desk: Desk) -> AsyncGenerator[AsyncIterator[Said]]:
        settings = self._slack
        bot_token = settings.bot_token.get_secret_value()
        user_token = settings.user_token.get_secret_value() if settings.user_token else None
        async with WebApi.opened(
            "Slack", settings.api_url, worked_before=desk.worked_before
        ) as api:
            socket = _Socket(api, settings, desk)
            try:
                await socket.begin()
                self.acts.actor = SlackActor(api, bot_token=bot_token, user_token=user_token)
                desk.up()
                yield self._said(
                    socket, _Directory(api, bot_token, self._roles, desk.context.clock)
                )
            finally:
                self.acts.actor = None
                await socket.close()

    async def _said(self, socket: _Socket, directory: _Directory) -> AsyncGenerator[Said]:
        async for said in socket.said():
            yield said
            await directory.meet(said)


class _Directory:
    """Asks Slack who administers the workspace, an account once, and no faster than it likes."""

    def __init__(
        self, api: WebApi, token: str, roles: Newest[str, frozenset[AuthorRole]], clock: Clock
    ) -> None:
        self._api = api
        self._headers = {"Authorization": f"Bearer {token}"}
        self._roles = roles
        self._clock = clock
        self._rate = Rate(per_s=LOOK_UPS_PER_S, burst=LOOK_UPS_AT_ONCE)

    async def meet(self, said: Said) -> None:
        """Find out who this is; for whom there is no time now, it is when they write again."""
        if said.author_id in self._roles:
            return
        if AuthorRole.BOT in said.roles:
            self._roles.put(said.author_id, said.roles)
        elif self._rate.allows(1, now_s=self._clock.now_ns() / 1e9):
            await self._ask(said.author_id)

    async def _ask(self, user_id: str) -> None:
        try:
            answer = await self._api.ask(
                "GET",
                "/users.info",
                query={"user": user_id},
                headers=self._headers,
                timeout_s=LOOK_UP_S,
            )
        except Retryable:
            return
        if not error_of(answer):
            self._roles.put(user_id, roles_of(fields_in(answer.body, "user")))


class _Socket:
    """Socket Mode, over one WebSocket after the other."""

    def __init__(self, api: WebApi, settings: SlackConfig, desk: Desk) -> None:
        self._api = api
        self._settings = settings
        self._desk = desk
        self._line: Line | None = None
        self._me = ""

    async def begin(self) -> None:
        """Check the tokens and connect. Raises `Permanent` for what is missing."""
        answer = await self._ask("auth.test", self._settings.bot_token)
        if error := error_of(answer):
            raise failure(error, token="bot_token", scope="")  # noqa: S106 - its name
        self._me = answer.text("user_id")
        granted = answer.headers.get("x-oauth-scopes")
        if granted is not None and READ_USERS not in granted.replace(" ", "").split(","):
            raise failure("missing_scope", token="bot_token", scope=READ_USERS)  # noqa: S106
        self._line = await self._connected()

    async def said(self) -> AsyncGenerator[Said]:
        """What is said, until the connection ends. Raises `Retryable` and `Permanent`."""
        while True:
            assert self._line is not None
            envelope = await self._line.receive(None)
            if text_of(envelope, "type") == "disconnect":
                if text_of(envelope, "reason") == "link_disabled":
                    raise Permanent("Slack: Socket Mode was switched off for the app: switch it on")
                old, self._line = self._line, await self._connected()
                async for said in self._rest(old):
                    yield said
                continue
            async for said in self._opened(self._line, envelope):
                yield said

    async def close(self) -> None:
        if self._line is not None:
            await self._line.close()

    async def _opened(self, line: Line, envelope: Fields) -> AsyncGenerator[Said]:
        """What is in an envelope; it is acknowledged once that was handed on."""
        payload = fields_in(envelope, "payload")
        if text_of(envelope, "type") == "events_api" and (said := said_of(payload)):
            channels = self._settings.channels
            if said.author_id != self._me and (not channels or said.room in channels):
                yield said
        if envelope_id := text_of(envelope, "envelope_id"):
            await line.send({"envelope_id": envelope_id})

    async def _rest(self, old: Line) -> AsyncGenerator[Said]:
        """What still comes over the old connection; it closes it."""
        clock = self._desk.context.clock
        until_ns = clock.now_ns() + round(REST_MOST_S * 1e9)
        try:
            while clock.now_ns() < until_ns:
                async for said in self._opened(old, await old.receive(REST_S)):
                    yield said
        except Retryable:  # silent, or closed by the server
            pass
        finally:
            await old.close()

    async def _connected(self) -> Line:
        """A connection that was greeted."""
        answer = await self._ask("apps.connections.open", self._settings.app_token)
        if error := error_of(answer):
            raise failure(error, token="app_token", scope="connections:write")  # noqa: S106
        line = await Line.connected(
            "Slack", answer.text("url"), worked_before=self._desk.worked_before, ping_s=PING_S
        )
        try:
            await line.until(lambda said: said.get("type") == "hello", within_s=HELLO_S)
        except BaseException:
            await line.close()
            raise
        return line

    async def _ask(self, method: str, token: SecretStr) -> Answer:
        headers = {"Authorization": f"Bearer {token.get_secret_value()}"}
        answer = await self._api.ask("POST", f"/{method}", headers=headers)
        if answer.status == 429:
            raise Retryable(f"Slack asks to wait {answer.retry_after_s or 0.0:g} s")
        return answer
