"""The stream that a call brings: it ends when the call does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

import av
import numpy as np
from numpy.typing import NDArray

from streammon.core.errors import Permanent
from streammon.core.ports import SourceContext
from streammon.core.types import AudioChunk, Item, Modality, StreamId, VideoFrame
from streammon.flow.channel import Channel, WhenFull
from streammon.ingest.still import decode_image
from streammon.media.convert import RATE_HZ, AudioConverter
from streammon.media.decode import Sampler

MOST_WAITING = 256
"""Packets: five seconds of one phone track."""
MOST_PIXELS = 2_100_000


@dataclass(frozen=True, slots=True, eq=False)
class SoundPacket:
    """Sound of one participant; its time is that of its first sample."""

    at_s: float
    samples: NDArray[np.int16]
    rate_hz: int
    captured_ns: int
    participant: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class PicturePacket:
    """An encoded picture of one participant."""

    at_s: float
    image: bytes
    captured_ns: int
    participant: str = ""


Packet: TypeAlias = SoundPacket | PicturePacket


class CallSource:
    """Satisfies `ports.Source`. Filled by `offer`, ended by `end`, both on the event loop.

    A reader that is late loses the oldest packets, never the call.
    """

    def __init__(self, stream: StreamId, modalities: frozenset[Modality]) -> None:
        self.stream = stream
        self.modalities = modalities
        self.packets: Channel[Packet] = Channel(
            f"call:{stream}", MOST_WAITING, WhenFull.DROP_OLDEST
        )
        self._epoch = -1
        self._frames = self._chunks = 0

    def offer(self, packet: Packet) -> None:
        if not self.packets.closed:
            self.packets.offer(packet)

    def end(self) -> None:
        """The call is over: what has come is still read."""
        self.packets.close()

    @asynccontextmanager
    async def open(self, context: SourceContext) -> AsyncGenerator[AsyncIterator[Item]]:
        """Opened again after a failure, it goes on with what comes then, in a new epoch."""
        self._epoch += 1
        async with aclosing(self._items(context)) as items:
            yield items

    async def _items(self, context: SourceContext) -> AsyncGenerator[Item]:
        voices: dict[str, _Voice] = {}
        samplers: dict[str, Sampler] = {}
        async for packet in self.packets:
            if isinstance(packet, SoundPacket):
                voice = voices.setdefault(packet.participant, _Voice(packet))
                chunks = voice.take(packet) if context.demand.audio else voice.rest()
                for chunk in chunks:
                    yield self._chunk(voice, *chunk)
            else:
                sampler = samplers.setdefault(packet.participant, Sampler())
                interval_s = context.demand.frame_interval_s
                if interval_s is not None and sampler.due(packet.at_s, interval_s):
                    sampler.take(packet.at_s)
                    if (frame := await self._frame(packet)) is not None:
                        yield frame
        for voice in voices.values():
            for chunk in voice.rest():
                yield self._chunk(voice, *chunk)

    def _chunk(self, voice: _Voice, media_s: float, pcm: NDArray[np.float32]) -> AudioChunk:
        self._chunks += 1
        return AudioChunk(
            stream=self.stream,
            seq=self._chunks - 1,
            media_s=media_s,
            captured_ns=voice.heard_ns,
            pcm=pcm,
            rate_hz=RATE_HZ,
            source_rate_hz=voice.rate_hz,
            epoch=self._epoch,
            participant=voice.participant,
        )

    async def _frame(self, packet: PicturePacket) -> VideoFrame | None:
        """The picture, decoded off the loop; `None` where it is none."""
        try:
            image = await asyncio.to_thread(decode_image, packet.image, most_pixels=MOST_PIXELS)
        except Permanent:
            return None
        self._frames += 1
        return VideoFrame(
            stream=self.stream,
            seq=self._frames - 1,
            media_s=packet.at_s,
            captured_ns=packet.captured_ns,
            image_rgb=image,
            is_keyframe=True,
            epoch=self._epoch,
            participant=packet.participant,
        )


class _Voice:
    """The sound of one participant, on its way to 16 kHz."""

    def __init__(self, first: SoundPacket) -> None:
        self.participant = first.participant
        self.rate_hz = first.rate_hz
        self.heard_ns = first.captured_ns
        self._converter = AudioConverter(tick_s=1 / first.rate_hz, origin_s=0.0)

    def take(self, packet: SoundPacket) -> list[tuple[float, NDArray[np.float32]]]:
        self.heard_ns = packet.captured_ns
        frame = av.AudioFrame.from_ndarray(packet.samples[None], format="s16", layout="mono")
        frame.sample_rate = packet.rate_hz
        frame.pts = round(packet.at_s * packet.rate_hz)
        frame.time_base = Fraction(1, packet.rate_hz)
        return self._converter.push(frame)

    def rest(self) -> list[tuple[float, NDArray[np.float32]]]:
        return self._converter.flush()
