"""Chat of a Twitch channel, by EventSub over a WebSocket.

The client is our own, on httpx and websockets: see docs/adr for why.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from streammon.core.errors import Permanent, Retryable
from streammon.core.types import StreamId
from streammon.flow.channel import WhenFull
from streammon.ingest.chat.acting import ActingFeed
from streammon.ingest.chat.feed import ChatConfig, Desk
from streammon.ingest.chat.said import Said
from streammon.ingest.chat.twitch_actor import TwitchActor
from streammon.ingest.chat.twitch_events import (
    CHAT_MESSAGE,
    NOTIFICATION,
    RECONNECT,
    REVOCATION,
    WELCOME,
    kind_of,
    said_of,
    session_of,
    silence_s_of,
    why_revoked,
)
from streammon.ingest.chat.twitch_login import Helix, Renewal, Tokens
from streammon.ingest.chat.web_api import objects_in, private_url, text_of
from streammon.ingest.chat.web_line import Line

READ = "user:read:chat"
WELCOME_S = 10.0
GRACE_S = 5.0
"""A keepalive may come so much later than was said."""
REST_S = 1.0
"""After a change of connections: the old one is read until it has been silent for so long,"""
REST_MOST_S = 10.0
"""or for so long in all."""
HOUR_NS = 3_600 * 10**9


class TwitchConfig(ChatConfig):
    """The chat of one Twitch channel, read and moderated as the user of a token."""

    type: Literal["twitch"] = "twitch"
    channel: str = Field(pattern=r"^[A-Za-z0-9_]{1,25}$")
    """The channel's login name, as in its address."""
    token: SecretStr = Field(min_length=4)
    """User access token with `user:read:chat`; more scopes to moderate: see docs/chat.md."""
    client_id: str | None = None
    client_secret: SecretStr | None = None
    refresh_token: SecretStr | None = None
    """With these three, tokens that run out are renewed; the new ones stay in memory."""
    api_url: str = "https://api.twitch.tv/helix"
    accounts_url: str = "https://id.twitch.tv"
    eventsub_url: str = "wss://eventsub.wss.twitch.tv/ws"

    @field_validator("api_url", "accounts_url")
    @classmethod
    def is_private(cls, value: str) -> str:
        return private_url(value, "https")

    @field_validator("eventsub_url")
    @classmethod
    def is_private_line(cls, value: str) -> str:
        return private_url(value, "wss")

    @model_validator(mode="after")
    def renewal_is_whole(self) -> Self:
        given = (self.client_id, self.client_secret, self.refresh_token)
        if any(given) and not all(given):
            raise ValueError("set all of client_id, client_secret and refresh_token, or none")
        return self

    def build(self, stream: StreamId) -> TwitchChat:
        return TwitchChat(stream, self)

    def tokens(self) -> Tokens:
        renewal = None
        if self.client_id and self.client_secret and self.refresh_token:
            secrets = self.client_secret.get_secret_value(), self.refresh_token.get_secret_value()
            renewal = Renewal(self.client_id, *secrets)
        return Tokens(self.token.get_secret_value(), renewal)


class TwitchChat(ActingFeed):
    """Satisfies `ports.Source` and `moderation.ChatActor`.

    When Twitch asks to move to another connection nothing is lost; what is said while there is
    none is: EventSub does not tell it later.
    """

    def __init__(self, stream: StreamId, settings: TwitchConfig) -> None:
        super().__init__(
            stream,
            settings,
            platform="twitch",
            connect=self._connection,
            when_full=WhenFull.DROP_NEWEST,
        )
        self._twitch = settings
        self._tokens = settings.tokens()

    @asynccontextmanager
    async def _connection(self, desk: Desk) -> AsyncGenerator[AsyncIterator[Said]]:
        settings, worked = self._twitch, desk.worked_before
        async with Helix.opened(
            settings.api_url, settings.accounts_url, self._tokens, worked_before=worked
        ) as helix:
            session = _Session(helix, settings, desk)
            try:
                broadcaster_id = await session.begin()
                self.acts.actor = TwitchActor(helix, broadcaster_id)
                desk.up()
                yield session.said()
            finally:
                self.acts.actor = None
                await session.close()


class _Session:
    """A session of EventSub, over one WebSocket after the other."""

    def __init__(self, helix: Helix, settings: TwitchConfig, desk: Desk) -> None:
        self._helix = helix
        self._settings = settings
        self._desk = desk
        self._line: Line | None = None
        self._silence_s = 0.0
        self._checked_ns = desk.context.clock.now_ns()

    async def begin(self) -> str:
        """Connect and subscribe; the channel's number. Raises `Permanent` for what is missing."""
        helix = self._helix
        if READ not in helix.user.scopes:
            raise Permanent(f"Twitch: the token lacks the scope {READ}: see docs/chat.md")
        broadcaster_id = await self._number_of(self._settings.channel)
        self._line, session_id = await self._welcomed(self._settings.eventsub_url)
        subscription = {
            "type": CHAT_MESSAGE,
            "version": "1",
            "condition": {
                "broadcaster_user_id": broadcaster_id,
                "user_id": helix.user.user_id,
            },
            "transport": {"method": "websocket", "session_id": session_id},
        }
        answer = await helix.ask("POST", "/eventsub/subscriptions", body=subscription)
        if answer.status == 403:
            raise Permanent("Twitch: the user may not read this chat: is it banned there?")
        if not answer.good:
            raise Retryable(f"Twitch answered {answer.status} to the subscription")
        return broadcaster_id

    async def said(self) -> AsyncGenerator[Said]:
        """What is said, until the connection ends. Raises `Retryable` and `Permanent`."""
        while True:
            assert self._line is not None
            message = await self._line.receive(self._silence_s + GRACE_S)
            kind = kind_of(message)
            if kind == NOTIFICATION and (said := said_of(message, room=self._settings.channel)):
                yield said
            elif kind == RECONNECT:
                old, url = self._line, text_of(session_of(message), "reconnect_url")
                self._line, _ = await self._welcomed(url)
                async for said in self._rest(old):
                    yield said
            elif kind == REVOCATION:
                raise Permanent(f"Twitch: {why_revoked(message)}")
            await self._check_hourly()

    async def close(self) -> None:
        if self._line is not None:
            await self._line.close()

    async def _rest(self, old: Line) -> AsyncGenerator[Said]:
        """What still comes over the old connection; it closes it."""
        clock = self._desk.context.clock
        until_ns = clock.now_ns() + round(REST_MOST_S * 1e9)
        try:
            while clock.now_ns() < until_ns:
                message = await old.receive(REST_S)
                if kind_of(message) == NOTIFICATION and (
                    said := said_of(message, room=self._settings.channel)
                ):
                    yield said
        except Retryable:  # silent, or closed by the server
            pass
        finally:
            await old.close()

    async def _welcomed(self, url: str) -> tuple[Line, str]:
        """A connection, and the id of the session that it is greeted with."""
        line = await Line.connected("Twitch", url, worked_before=self._desk.worked_before)
        try:
            welcome = await line.until(lambda said: kind_of(said) == WELCOME, within_s=WELCOME_S)
        except BaseException:
            await line.close()
            raise
        self._silence_s = silence_s_of(welcome)
        return line, text_of(session_of(welcome), "id")

    async def _number_of(self, channel: str) -> str:
        answer = await self._helix.ask("GET", "/users", query={"login": channel.lower()})
        if not answer.good:
            raise Retryable(f"Twitch answered {answer.status} to the question for the channel")
        for user in objects_in(answer.body, "data"):
            return text_of(user, "id")
        raise Permanent(f"Twitch knows no channel {channel}: check `channel`")

    async def _check_hourly(self) -> None:
        now_ns = self._desk.context.clock.now_ns()
        if now_ns - self._checked_ns > HOUR_NS:
            self._checked_ns = now_ns
            await self._helix.validate()
