"""Chat of a Discord server, by the gateway, version 10, as a bot.

The client is our own, on httpx and websockets: see docs/adr for why.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, SecretStr, field_validator

from streammon import __version__
from streammon.core.errors import Permanent, Retryable, StreammonError
from streammon.core.types import StreamId
from streammon.flow.channel import Channel
from streammon.ingest.chat import discord_events as events
from streammon.ingest.chat.acting import ActingFeed
from streammon.ingest.chat.discord_actor import DiscordActor, limited_s
from streammon.ingest.chat.discord_events import (
    BEGIN_ANEW,
    HEARTBEAT,
    HELLO,
    IDENTIFY,
    INTENTS,
    NEEDS_A_PERSON,
    RESUME,
    Guild,
    said_of,
)
from streammon.ingest.chat.feed import ChatConfig, Desk, fed
from streammon.ingest.chat.said import Said
from streammon.ingest.chat.web_api import (
    Fields,
    WebApi,
    fields_in,
    objects_in,
    private_url,
    text_of,
    wait_of,
    whole_of,
)
from streammon.ingest.chat.web_line import Line, LineClosed

HELLO_S = 20.0
GOING_AWAY = 4900
"""Our own code of closing: 1000 and 1001 would end the session, which is to be resumed."""
MOST_BEAT_S = 600.0
HELD_UP_S = 1.0
"""So much longer a heartbeat may be unanswered: where we were held up, the answer waits unread."""
MOST_WAIT_S = 60.0
ANEW_LEAST_S, ANEW_MOST_MORE_S = 1.0, 4.0


class DiscordConfig(ChatConfig):
    """The text channels of one Discord server, read and moderated as a bot."""

    type: Literal["discord"] = "discord"
    token: SecretStr = Field(min_length=4)
    """The bot's token, from the developer portal."""
    guild: str = Field(pattern=r"^\d{5,25}$")
    """The server's number."""
    channels: tuple[str, ...] = Field((), max_length=500)
    """Numbers of the channels to read; none: all that the bot can see."""
    ban_as: Literal["ban", "kick"] = "ban"
    """What a ban is here: whoever is kicked may come back."""
    api_url: str = "https://discord.com/api/v10"

    @field_validator("api_url")
    @classmethod
    def is_private(cls, value: str) -> str:
        return private_url(value, "https")

    @field_validator("channels")
    @classmethod
    def are_numbers(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(each.isdigit() for each in value):
            raise ValueError("a channel is given by its number, in quotes")
        return value

    def build(self, stream: StreamId) -> DiscordChat:
        return DiscordChat(stream, self)


@dataclass(slots=True)
class _Session:
    """A session of the gateway: it outlives its connections."""

    session_id: str = ""
    resume_url: str = ""
    seq: int | None = None
    me: str = ""
    """The bot's own number."""

    def end(self) -> None:
        self.session_id = self.resume_url = ""
        self.seq = None


class DiscordChat(ActingFeed):
    """Satisfies `ports.Source` and `moderation.ChatActor`.

    After a lost connection the session is resumed, and Discord tells what was missed; once the
    session is gone, what was said meanwhile is lost.
    """

    def __init__(self, stream: StreamId, settings: DiscordConfig) -> None:
        super().__init__(stream, settings, platform="discord", connect=self._connection)
        self._discord = settings
        self._session = _Session()
        self._guild = Guild()

    @asynccontextmanager
    async def _connection(self, desk: Desk) -> AsyncGenerator[AsyncIterator[Said]]:
        settings = self._discord
        token = settings.token.get_secret_value()
        headers = {
            "Authorization": f"Bot {token}",
            "User-Agent": f"DiscordBot (streammon, {__version__})",
        }
        async with WebApi.opened(
            "Discord", settings.api_url, headers=headers, worked_before=desk.worked_before
        ) as api:
            gateway = _Gateway(settings, self._session, self._guild, desk)
            try:
                await gateway.connect(api)
                async with fed(f"discord:{self.stream}", gateway.run) as said:
                    self.acts.actor = DiscordActor(api, settings.guild, ban_as=settings.ban_as)
                    yield said
            finally:
                self.acts.actor = None
                await gateway.close()


class _Gateway:
    """One connection after the other of one session: heartbeats, and what is dispatched."""

    def __init__(
        self, settings: DiscordConfig, session: _Session, guild: Guild, desk: Desk
    ) -> None:
        self._settings = settings
        self._session = session
        self._guild = guild
        self._desk = desk
        self._line: Line | None = None
        self._beat_s = MOST_BEAT_S
        self._unanswered = False
        self._reading = False
        """Waiting for Discord, not for whoever reads from us."""

    async def connect(self, api: WebApi) -> None:
        """Connect, and identify or resume. Raises `Permanent` for a bad token."""
        await self._greet(self._session.resume_url or await _address(api))

    async def run(self, channel: Channel[Said]) -> None:
        """Read and beat; when Discord asks to connect again, the session goes on at once."""
        while True:
            await self._converse(channel)
            await self.close()
            await self._greet(self._session.resume_url)

    async def close(self) -> None:
        if self._line is not None:
            await self._line.close(GOING_AWAY)

    async def _greet(self, url: str) -> None:
        self._line = await Line.connected(
            "Discord", f"{url}/?v=10&encoding=json", worked_before=self._desk.worked_before
        )
        hello = await self._line.until(lambda said: said.get("op") == HELLO, within_s=HELLO_S)
        interval_s = wait_of(fields_in(hello, "d").get("heartbeat_interval"), unit_s=1e-3)
        self._beat_s = min(interval_s or MOST_BEAT_S, MOST_BEAT_S)
        self._unanswered = False
        token, session = self._settings.token.get_secret_value(), self._session
        if session.session_id:
            known = {"token": token, "session_id": session.session_id, "seq": session.seq}
            await self._line.send({"op": RESUME, "d": known})
            return
        program = {"os": "linux", "browser": "streammon", "device": "streammon"}
        identity = {"token": token, "intents": INTENTS, "properties": program}
        await self._line.send({"op": IDENTIFY, "d": identity})

    async def _converse(self, channel: Channel[Said]) -> None:
        """Returns when Discord asks to connect again. Raises `Retryable` and `Permanent`."""
        failure: StreammonError | None = None
        async with asyncio.TaskGroup() as group:
            beating = group.create_task(self._beat())
            try:
                await self._read(channel)
            except LineClosed as error:
                failure = self._why_closed(error)
            except (Retryable, Permanent) as error:
                failure = error
            finally:
                beating.cancel()
        if failure is not None:
            raise failure

    async def _beat(self) -> None:
        """Keep the connection alive, and close one on which nothing is answered any more."""
        assert self._line is not None
        try:
            await asyncio.sleep(self._beat_s * secrets.randbelow(1000) / 1000)
            while not (self._unanswered and self._reading):
                self._unanswered = True
                await self._line.send({"op": HEARTBEAT, "d": self._session.seq})
                await asyncio.sleep(self._beat_s)
                if self._unanswered:
                    await asyncio.sleep(min(HELD_UP_S, self._beat_s))
        except LineClosed:
            return  # the reader sees it too
        await self._line.close(GOING_AWAY)

    async def _read(self, channel: Channel[Said]) -> None:
        assert self._line is not None
        while True:
            self._reading = True
            message = await self._line.receive(None)
            self._reading = False
            match message.get("op"):
                case events.DISPATCH:
                    await self._dispatched(message, channel)
                case events.HEARTBEAT:
                    await self._line.send({"op": HEARTBEAT, "d": self._session.seq})
                case events.HEARTBEAT_ACK:
                    self._unanswered = False
                case events.RECONNECT:
                    if self._session.session_id:
                        return
                    raise Retryable("Discord asks to connect again")
                case events.INVALID_SESSION:
                    await self._refused(resumable=message.get("d") is True)

    async def _dispatched(self, message: Fields, channel: Channel[Said]) -> None:
        kind, event = text_of(message, "t"), fields_in(message, "d")
        if kind == "READY":
            self._ready(event)
        elif kind == "RESUMED":
            self._desk.up()
        elif kind == "GUILD_DELETE" and event.get("id") == self._settings.guild:
            if event.get("unavailable") is not True:
                raise Permanent("Discord: the bot was removed from the server: invite it again")
        elif self._settings.guild in (event.get("guild_id"), event.get("id")):
            self._guild.take(kind, event)
        if kind in ("MESSAGE_CREATE", "MESSAGE_UPDATE") and (said := self._said(kind, event)):
            await channel.send(said)
        self._session.seq = whole_of(message.get("s")) or self._session.seq

    def _ready(self, event: Fields) -> None:
        self._session.session_id = text_of(event, "session_id")
        self._session.resume_url = text_of(event, "resume_gateway_url").rstrip("/")
        self._session.me = text_of(fields_in(event, "user"), "id")
        if self._settings.guild not in {
            text_of(each, "id") for each in objects_in(event, "guilds")
        }:
            raise Permanent("Discord: the bot is not in the server: invite it, and check `guild`")
        self._desk.up()

    def _said(self, kind: str, event: Fields) -> Said | None:
        channels, author_id = self._settings.channels, text_of(fields_in(event, "author"), "id")
        if event.get("guild_id") != self._settings.guild or author_id == self._session.me:
            return None
        if channels and text_of(event, "channel_id") not in channels:
            return None
        if kind == "MESSAGE_UPDATE" and not text_of(event, "edited_timestamp"):
            return None  # a preview was added, or it was pinned
        return said_of(event, guild=self._guild)

    async def _refused(self, *, resumable: bool) -> None:
        """The session cannot be begun or resumed; Discord wants a pause of 1 to 5 s."""
        if not resumable:
            self._session.end()
        await asyncio.sleep(ANEW_LEAST_S + ANEW_MOST_MORE_S * secrets.randbelow(1000) / 1000)
        lost = "" if resumable else ": what was said since the connection was lost is not known"
        raise Retryable(f"Discord did not take the session up again{lost}")

    def _why_closed(self, error: LineClosed) -> StreammonError:
        if (cause := NEEDS_A_PERSON.get(error.code)) is not None:
            return Permanent(cause)
        if error.code in BEGIN_ANEW:
            self._session.end()
        return error


async def _address(api: WebApi) -> str:
    """Where the gateway is. Raises `Permanent` for a bad token."""
    answer = await api.ask("GET", "/gateway/bot")
    if answer.status == 401:
        raise Permanent(NEEDS_A_PERSON[4004])
    if answer.status == 429:
        await asyncio.sleep(min(limited_s(answer) or 0.0, MOST_WAIT_S))
    if not answer.good or not answer.text("url"):
        raise Retryable(f"Discord answered {answer.status} to the question for its gateway")
    limit = fields_in(answer.body, "session_start_limit")
    if whole_of(limit.get("remaining")) == 0:
        wait_s = wait_of(limit.get("reset_after"), unit_s=1e-3) or 0.0
        raise Retryable(f"Discord allows no new session for {wait_s:.0f} s: too many were begun")
    return answer.text("url").rstrip("/")
