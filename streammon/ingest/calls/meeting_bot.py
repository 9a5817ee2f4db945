"""Meetings through a bot of Recall.ai, or of whoever speaks like it: participants apart.

The bot connects to us and sends the sound and the picture of each participant. A meeting is one
stream while it lasts; what is judged is judged per participant.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, field_validator, model_validator
from websockets.asyncio.server import ServerConnection

from streammon.core.ports import Source
from streammon.core.signatures import webhook_signature
from streammon.core.types import Modality, StreamId
from streammon.flow.channel import Channel, WhenFull
from streammon.ingest.calls.call_source import CallSource, PicturePacket, SoundPacket
from streammon.ingest.calls.listener import Door, listening
from streammon.ingest.calls.meeting_messages import RATE_HZ, Person, Picture, Sound, parse
from streammon.ingest.calls.phone_messages import BadMessage
from streammon.ingest.calls.proofs import Asked, token_proves, webhook_proves
from streammon.registry import AdapterConfig

log = logging.getLogger(__name__)

MOST_MESSAGE_BYTES = 2 * 2**20 + 64 * 1024
MOST_BAD = 20
"""Messages that are not what the documents say; one more ends the meeting."""
MOST_AHEAD_S = 30.0
STEADY_S = 0.25
"""Times of sound that differ by less from what was expected are jitter."""
BAD_DATA, GONE_SILENT = 1008, 1001


class MeetingBotConfig(AdapterConfig):
    """Meetings that a bot of Recall.ai sends here; each is a stream, with its participants."""

    type: Literal["meeting_bot"] = "meeting_bot"
    secret: SecretStr | None = None
    """The workspace's verification secret, `whsec_...`: it signs the connections."""
    token: SecretStr | None = Field(None, min_length=8)
    """Instead, or as well: what stands behind `?token=` in the bot's WebSocket URL."""
    path: str = Field("/meetings", pattern=r"^/[A-Za-z0-9/_.-]{0,200}$")
    host: str = "127.0.0.1"
    """A reverse proxy with TLS stands before it."""
    port: int = Field(8791, ge=0, le=65535)
    """0 takes a free one and logs it."""
    most_meetings: PositiveInt = Field(4, le=100)
    most_participants: PositiveInt = Field(16, le=200)
    """Of one meeting; those who come later are not judged."""
    screens: bool = False
    """Shared screens too. They hold no face, and stand still by design."""
    names: bool = False
    """Call participants by the names they chose. Unset: by their numbers."""
    silent_s: PositiveFloat = 120.0
    """A meeting that sends nothing for so long has ended without saying so."""

    @field_validator("secret")
    @classmethod
    def is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            webhook_signature(value.get_secret_value(), message_id="", timestamp="", body=b"")
        return value

    @model_validator(mode="after")
    def proves_itself(self) -> MeetingBotConfig:
        if self.secret is None and self.token is None:
            raise ValueError("set `secret` or `token`: behind a reverse proxy everybody is local")
        return self

    def build(self, stream: StreamId) -> MeetingBots:
        return MeetingBots(stream, self)


class MeetingBots:
    """Satisfies `ports.Admitting` and `ports.Prefixing`: streams are called `<name>.<bot>`."""

    def __init__(self, name: StreamId, settings: MeetingBotConfig) -> None:
        self.name = name
        self.port = 0
        """Where it listens, once it does."""
        self._settings = settings
        self._held: set[StreamId] = set()
        """Streams that the monitor has not let go of."""

    @asynccontextmanager
    async def arrivals(self) -> AsyncGenerator[AsyncIterator[Source]]:
        """See `ports.Admitting`. Leaving ends every meeting."""
        settings = self._settings
        arriving: Channel[Source] = Channel(
            f"meetings:{self.name}", settings.most_meetings, WhenFull.DROP_NEWEST
        )
        door = Door(
            name=self.name,
            host=settings.host,
            port=settings.port,
            path=settings.path,
            most=settings.most_meetings,
            most_message_bytes=MOST_MESSAGE_BYTES,
        )

        async def talk(connection: ServerConnection) -> None:
            await self._talk(connection, arriving)

        async with listening(door, self._proves, talk) as self.port:
            yield arriving

    def left(self, stream: StreamId) -> None:
        self._held.discard(stream)

    def _proves(self, asked: Asked) -> bool:
        secret, token = self._settings.secret, self._settings.token
        if token is not None and not token_proves(asked, token=token.get_secret_value()):
            return False
        if secret is None:
            return True
        now_s = time.time_ns() / 1e9
        return webhook_proves(asked, secret=secret.get_secret_value(), now_s=now_s)

    async def _talk(self, connection: ServerConnection, arriving: Channel[Source]) -> None:
        """One meeting, from its first media to its end, however it ends."""
        meeting: _Meeting | None = None
        try:
            async with aclosing(_media(connection, self._settings.silent_s)) as media:
                async for each in media:
                    if meeting is None:
                        meeting = self._begin(each, arriving)
                    if meeting is None:
                        await connection.close(BAD_DATA, "this meeting is streamed already")
                        return
                    meeting.take(each)
        finally:
            if meeting is not None:
                meeting.source.end()
                log.info("meeting_ended", extra={"stream": meeting.source.stream})

    def _begin(self, first: Sound | Picture, arriving: Channel[Source]) -> _Meeting | None:
        """The meeting, or `None` where one of its name goes on."""
        name = re.sub(r"[^A-Za-z0-9_-]", "-", first.meeting)[:40]
        stream = StreamId(f"{self.name}.{name}")
        source = CallSource(stream, frozenset({Modality.AUDIO, Modality.VIDEO}))
        if stream in self._held or not arriving.offer(source):
            return None
        self._held.add(stream)
        log.info("meeting_began", extra={"stream": stream})
        return _Meeting(source, first, self._settings)


class _Meeting:
    """One meeting's clock, and who is in it."""

    def __init__(
        self, source: CallSource, first: Sound | Picture, settings: MeetingBotConfig
    ) -> None:
        self.source = source
        self._bot = first.meeting
        self._settings = settings
        self._origin_s = first.at_s
        self._began_ns = time.monotonic_ns()
        self._known: dict[int, str] = {}
        self._next_s: dict[int, float] = {}

    def take(self, media: Sound | Picture) -> None:
        now_ns = time.monotonic_ns()
        at_s = media.at_s - self._origin_s
        elapsed_s = (now_ns - self._began_ns) / 1e9
        if media.meeting != self._bot or at_s > elapsed_s + MOST_AHEAD_S:
            return  # another meeting's, or a time that cannot be
        who = self._named(media.person)
        if who is None:
            return
        if isinstance(media, Sound):
            at_s = self._steadied(media, at_s)
            self.source.offer(SoundPacket(at_s, media.samples, RATE_HZ, now_ns, who))
        elif media.shows == "webcam":
            self.source.offer(PicturePacket(max(at_s, 0.0), media.png, now_ns, who))
        elif self._settings.screens:
            self.source.offer(PicturePacket(max(at_s, 0.0), media.png, now_ns, f"{who} (screen)"))

    def _steadied(self, sound: Sound, at_s: float) -> float:
        """Its time, without the jitter of messages: sound follows sound."""
        expected_s = self._next_s.get(sound.person.number, at_s)
        starts_s = expected_s if abs(at_s - expected_s) < STEADY_S else at_s
        self._next_s[sound.person.number] = starts_s + len(sound.samples) / RATE_HZ
        return starts_s

    def _named(self, person: Person) -> str | None:
        """What the participant is called here; `None` for one too many."""
        if person.number not in self._known:
            if len(self._known) >= self._settings.most_participants:
                return None
            named = f"{person.name} ({person.number})" if person.name else str(person.number)
            self._known[person.number] = named if self._settings.names else str(person.number)
            if len(self._known) == self._settings.most_participants:
                log.warning("meeting_full", extra={"stream": self.source.stream})
        return self._known[person.number]


async def _media(connection: ServerConnection, silent_s: float) -> AsyncGenerator[Sound | Picture]:
    """What the bot sends, until it leaves, falls silent, or talks nonsense."""
    bad = 0
    while True:
        try:
            async with asyncio.timeout(silent_s):
                text = await connection.recv()
        except TimeoutError:
            await connection.close(GONE_SILENT, "nothing came")
            return
        try:
            message = parse(text)
        except BadMessage as error:
            bad += 1
            if bad > MOST_BAD:
                log.warning("meeting_cut", extra={"cause": str(error)})
                await connection.close(BAD_DATA, str(error))
                return
            continue
        if isinstance(message, Sound | Picture):
            yield message
