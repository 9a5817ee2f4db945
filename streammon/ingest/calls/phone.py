"""Phone calls from Twilio Media Streams or Telnyx media streaming: each track a stream.

The provider connects to us, proves who it is, says which call it brings, and sends what each
side of it says, 20 ms at a time, as telephones code it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Literal
from urllib.parse import urlsplit

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, field_validator
from websockets.asyncio.server import ServerConnection

from streammon.core.ports import Source
from streammon.core.types import Modality, StreamId
from streammon.flow.channel import Channel, WhenFull
from streammon.ingest.calls.call_source import CallSource, SoundPacket
from streammon.ingest.calls.g711 import decoded
from streammon.ingest.calls.listener import Door, listening
from streammon.ingest.calls.phone_messages import (
    RATE_HZ,
    TRACKS,
    BadMessage,
    Media,
    Started,
    Stopped,
    parse,
)
from streammon.ingest.calls.proofs import Asked, token_proves, twilio_proves
from streammon.ingest.calls.reorder import Reorder
from streammon.registry import AdapterConfig

log = logging.getLogger(__name__)

MOST_MESSAGE_BYTES = 32 * 1024
MOST_BAD = 5
"""Messages that are not what the documents say; one more ends the call."""
START_WITHIN_S = 10.0
MOST_AHEAD_S = 30.0
"""Media time may run ahead of ours by so much: what was buffered before the stream began."""
BAD_DATA, GONE_SILENT = 1008, 1001


class PhoneConfig(AdapterConfig):
    """Calls that Twilio or Telnyx sends here; every track is a stream while it lasts."""

    type: Literal["phone"] = "phone"
    provider: Literal["twilio", "telnyx"]
    public_url: str
    """Where the provider connects, as it is written there: `wss://voice.example.org/calls`."""
    auth_token: SecretStr = Field(min_length=8)
    """Twilio: the account's auth token, with which it signs. Telnyx: the `stream_auth_token`."""
    host: str = "127.0.0.1"
    """A reverse proxy with TLS stands before it: providers connect to `wss` alone."""
    port: int = Field(8790, ge=0, le=65535)
    """0 takes a free one and logs it."""
    most_calls: PositiveInt = Field(8, le=1_000)
    tracks: frozenset[Literal["inbound", "outbound"]] = frozenset({"inbound", "outbound"})
    """Inbound is what the caller says."""
    silent_s: PositiveFloat = 15.0
    """A call that sends nothing for so long has ended without saying so."""

    @field_validator("public_url")
    @classmethod
    def is_a_websocket(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("ws", "wss") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("expected wss://HOST/PATH, without a query")
        return value

    def build(self, stream: StreamId) -> PhoneLine:
        return PhoneLine(stream, self)


class PhoneLine:
    """Satisfies `ports.Admitting`, `ports.Prefixing`: streams are `<name>.<call>.<track>`."""

    def __init__(self, name: StreamId, settings: PhoneConfig) -> None:
        self.name = name
        self.port = 0
        """Where it listens, once it does."""
        self._settings = settings
        self._held: set[StreamId] = set()
        """Streams that the monitor has not let go of."""
        self._calls: set[str] = set()

    @asynccontextmanager
    async def arrivals(self) -> AsyncGenerator[AsyncIterator[Source]]:
        """See `ports.Admitting`. Leaving ends every call."""
        settings = self._settings
        arriving: Channel[Source] = Channel(
            f"calls:{self.name}", len(TRACKS) * settings.most_calls, WhenFull.DROP_NEWEST
        )
        door = Door(
            name=self.name,
            host=settings.host,
            port=settings.port,
            path=urlsplit(settings.public_url).path or "/",
            most=settings.most_calls,
            most_message_bytes=MOST_MESSAGE_BYTES,
        )

        async def talk(connection: ServerConnection) -> None:
            await self._talk(connection, arriving)

        async with listening(door, self._proves, talk) as self.port:
            yield arriving

    def left(self, stream: StreamId) -> None:
        self._held.discard(stream)

    def _proves(self, asked: Asked) -> bool:
        token = self._settings.auth_token.get_secret_value()
        if self._settings.provider == "twilio":
            return twilio_proves(asked, url=self._settings.public_url, auth_token=token)
        return token_proves(asked, token=token)

    async def _talk(self, connection: ServerConnection, arriving: Channel[Source]) -> None:
        """One call, from its first message to its end, however it ends."""
        call: _Call | None = None
        try:
            async with aclosing(_messages(connection, self._settings.silent_s)) as messages:
                async for message in messages:
                    if isinstance(message, Media):
                        if call is not None:
                            call.take(message)
                    elif call is None and (call := self._begin(message, arriving)) is None:
                        await connection.close(BAD_DATA, "this call is streamed already")
                        return
        finally:
            if call is not None:
                self._calls.discard(call.name)
                call.end()

    def _begin(self, started: Started, arriving: Channel[Source]) -> _Call | None:
        """The call, or `None` where one of its name goes on."""
        name = re.sub(r"[^A-Za-z0-9_-]", "-", started.call_id)[:40]
        streams = {track: StreamId(f"{self.name}.{name}.{track}") for track in TRACKS}
        if name in self._calls or self._held & set(streams.values()):
            return None
        self._calls.add(name)
        log.info("call_began", extra={"source": self.name, "call": name})

        def arrive(track: str) -> CallSource | None:
            if track not in self._settings.tracks:
                return None
            source = CallSource(streams[track], frozenset({Modality.AUDIO}))
            if not arriving.offer(source):
                return None
            self._held.add(source.stream)
            return source

        return _Call(name, started.coding, arrive)


class _Call:
    """The tracks of one call. A track is a stream from its first media on."""

    def __init__(self, name: str, coding: str, arrive: Callable[[str], CallSource | None]) -> None:
        self.name = name
        self._coding = coding
        self._arrive = arrive
        self._tracks: dict[str, _Track] = {}
        self._began_ns = time.monotonic_ns()

    def take(self, media: Media) -> None:
        now_ns = time.monotonic_ns()
        if media.timestamp_ms / 1e3 > (now_ns - self._began_ns) / 1e9 + MOST_AHEAD_S:
            return  # a time that cannot be
        if media.track not in self._tracks:
            self._tracks[media.track] = _Track(self._arrive(media.track))
        track = self._tracks[media.track]
        for each in track.order.push(media.chunk, media):
            track.give(each, self._coding, now_ns)

    def end(self) -> None:
        now_ns = time.monotonic_ns()
        for name, track in self._tracks.items():
            for each in track.order.flush():
                track.give(each, self._coding, now_ns)
            if track.source is not None:
                track.source.end()
            order = track.order
            said = {"call": self.name, "track": name, "lost": order.missing, "late": order.late}
            log.info("call_track_ended", extra=said)


class _Track:
    def __init__(self, source: CallSource | None) -> None:
        self.source = source
        """`None`: nobody listens to this track."""
        self.order: Reorder[Media] = Reorder()

    def give(self, media: Media, coding: str, now_ns: int) -> None:
        if self.source is not None and media.payload:
            samples = decoded(media.payload, coding)
            at_s = media.timestamp_ms / 1e3
            self.source.offer(SoundPacket(at_s, samples, RATE_HZ, now_ns))


async def _messages(
    connection: ServerConnection, silent_s: float
) -> AsyncGenerator[Started | Media]:
    """What the provider says, until it stops, falls silent, or talks nonsense."""
    bad, patience_s = 0, START_WITHIN_S
    while True:
        try:
            async with asyncio.timeout(patience_s):
                text = await connection.recv()
        except TimeoutError:
            await connection.close(GONE_SILENT, "nothing came")
            return
        try:
            message = parse(text)
        except BadMessage as error:
            bad += 1
            if bad > MOST_BAD:
                log.warning("call_cut", extra={"cause": str(error)})
                await connection.close(BAD_DATA, str(error))
                return
            continue
        if isinstance(message, Stopped):
            return
        if isinstance(message, Started | Media):
            patience_s = silent_s
            yield message
