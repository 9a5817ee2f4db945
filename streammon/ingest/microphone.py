"""A microphone of this machine, through PortAudio's callbacks."""

from __future__ import annotations

import asyncio
import logging
import math
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from pydantic import Field, PositiveFloat

from streammon.core.errors import Retryable
from streammon.core.ports import SourceContext
from streammon.core.types import AudioChunk, HealthState, Item, Modality, StreamId
from streammon.flow.channel import WhenFull
from streammon.flow.threads import on_thread
from streammon.ingest.sound_card import Capture, Take, capturing
from streammon.ingest.sound_ring import LossWatch, Piece
from streammon.media.convert import CHUNK_S, RATE_HZ, AudioConverter, Chunk
from streammon.registry import AdapterConfig

log = logging.getLogger(__name__)

LOOK_S = 0.1
FIRST_WITHIN_S = 5.0
"""A sound server may take two seconds before the first sample."""
TOLD_FOR_S = 10.0
"""After sound was lost, the stream stays degraded for so long."""

Tell = Callable[[HealthState, str], None]


class MicrophoneConfig(AdapterConfig):
    """A microphone or other sound input; `streammon doctor` lists them."""

    type: Literal["microphone"] = "microphone"
    device: str | int | None = None
    """Its name, a part of it that no other has, or its number; unset: the default input."""
    rate_hz: int | None = Field(None, ge=8_000, le=192_000)
    """Unset: what the device works at."""
    channels: int = Field(1, ge=1, le=2)
    """Two are mixed into one."""
    stall_s: PositiveFloat = 2.0
    """Without sound for so long (silence is sound) it counts as unplugged and is opened anew."""
    ring_s: float = Field(5.0, ge=0.5, le=60.0)
    """Sound kept for a reader that is late; beyond it the oldest is lost, and said to be."""

    def build(self, stream: StreamId) -> Microphone:
        return Microphone(stream, self)


class Microphone:
    """Satisfies `ports.Source`. Each `open` finds the device again, as unplugged ones come back.

    Media time counts samples, those that were lost included.
    """

    modalities = frozenset({Modality.AUDIO})

    def __init__(self, stream: StreamId, settings: MicrophoneConfig) -> None:
        self.stream = stream
        self._settings = settings
        self._epoch = -1
        self._seq = 0

    @asynccontextmanager
    async def open(self, context: SourceContext) -> AsyncGenerator[AsyncIterator[Item]]:
        """Leaving waits for the driver to stop, commonly a tenth of a second."""
        self._epoch += 1
        loop = asyncio.get_running_loop()

        def tell(state: HealthState, cause: str) -> None:
            loop.call_soon_threadsafe(context.report, state, cause)

        def items(leaving: threading.Event) -> Iterator[Item]:
            yield from self._listen(context, tell, leaving)

        async with on_thread(
            f"ingest:{self.stream}",
            items,
            capacity=math.ceil(self._settings.ring_s / CHUNK_S),
            when_full=WhenFull.DROP_OLDEST,
        ) as channel:
            yield channel

    def _listen(
        self, context: SourceContext, tell: Tell, leaving: threading.Event
    ) -> Iterator[Item]:
        settings = self._settings
        take = Take(settings.device, settings.rate_hz, settings.channels, settings.ring_s)
        with capturing(take) as capture:
            log.info("microphone_opened", extra={"stream": self.stream, "hz": capture.rate_hz})
            account = Account(capture, settings.channels, tell)
            patience_s, heard_s = max(settings.stall_s, FIRST_WITHIN_S), time.monotonic()
            while not leaving.is_set():
                pieces = capture.ring.take(within_s=LOOK_S)
                if pieces:
                    patience_s, heard_s = settings.stall_s, time.monotonic()
                elif time.monotonic() - heard_s > patience_s:
                    raise Retryable(
                        f"{capture.device.name}: no sound for {patience_s:g} s: unplugged?"
                    )
                for piece in pieces:
                    chunks = account.take(piece, wanted=context.demand.audio)
                    yield from self._chunks(chunks, capture.rate_hz, context)

    def _chunks(
        self, chunks: list[Chunk], source_rate_hz: int, context: SourceContext
    ) -> Iterator[AudioChunk]:
        for media_s, pcm in chunks:
            yield AudioChunk(
                stream=self.stream,
                seq=self._seq,
                media_s=media_s,
                captured_ns=context.clock.now_ns(),
                pcm=pcm,
                rate_hz=RATE_HZ,
                source_rate_hz=source_rate_hz,
                epoch=self._epoch,
            )
            self._seq += 1


class Account:
    """Turns pieces into chunks on the stream's time, and says when sound was lost."""

    def __init__(self, capture: Capture, channels: int, tell: Tell) -> None:
        self._rate_hz = capture.rate_hz
        self._layout = "mono" if channels == 1 else "stereo"
        self._tell = tell
        self._watch = LossWatch(capture.rate_hz)
        self._converter = AudioConverter(tick_s=1 / capture.rate_hz, origin_s=0.0)
        self._next = 0
        self._well_again_ns: int | None = None

    def take(self, piece: Piece, *, wanted: bool) -> list[Chunk]:
        dropped_s = (piece.first - self._next) / self._rate_hz
        self._next = piece.first + piece.count
        lost_s = self._watch.saw(piece)
        if dropped_s > 0:
            self._say(piece, f"{dropped_s:.2f} s of sound lost: streammon was too slow")
        elif lost_s > 0:
            self._say(piece, f"{lost_s:.2f} s of sound lost before it came here")
        elif self._well_again_ns is not None and piece.arrived_ns >= self._well_again_ns:
            self._well_again_ns = None
            self._tell(HealthState.UP, "")
        return self._converter.push(self._frame(piece)) if wanted else self._converter.flush()

    def _say(self, piece: Piece, cause: str) -> None:
        if self._well_again_ns is None:
            self._tell(HealthState.DEGRADED, cause)
            log.warning("sound_lost", extra={"cause": cause})
        self._well_again_ns = piece.arrived_ns + round(TOLD_FOR_S * 1e9)

    def _frame(self, piece: Piece) -> av.AudioFrame:
        samples = np.frombuffer(piece.data, np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=self._layout)
        frame.sample_rate = self._rate_hz
        frame.pts = piece.first + round(self._watch.lost_s * self._rate_hz)
        frame.time_base = Fraction(1, self._rate_hz)
        return frame
