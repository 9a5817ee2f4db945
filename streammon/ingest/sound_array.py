"""Sound in memory."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import av
import numpy as np
from numpy.typing import NDArray

from streammon.core.ports import Demand
from streammon.core.types import AudioChunk, Item, Modality, StreamId
from streammon.ingest.finite import Finite
from streammon.media.convert import RATE_HZ, AudioConverter, Chunk

BLOCK = 4096
LEAST_HZ, MOST_HZ = 4_000, 384_000


def sound_source(stream: StreamId, samples: NDArray[np.float32], *, rate_hz: int) -> Finite:
    """A recording of (n,) mono samples in [-1, 1], `rate_hz` a second, resampled to 16 kHz.

    Raises `ValueError` for a rate that no sound has, or samples that are no finite numbers.
    """
    if not LEAST_HZ <= rate_hz <= MOST_HZ:
        raise ValueError(f"rate_hz must be in {LEAST_HZ}..{MOST_HZ}, got {rate_hz}")
    if not np.isfinite(samples).all():
        raise ValueError("the sound holds values that are no finite numbers")

    def make(demand: Demand) -> Iterator[Item]:
        if not demand.audio:
            return
        for seq, (media_s, pcm) in enumerate(_chunks(samples, rate_hz)):
            yield AudioChunk(
                stream=stream,
                seq=seq,
                media_s=media_s,
                captured_ns=round(media_s * 1e9),
                pcm=pcm,
                rate_hz=RATE_HZ,
                source_rate_hz=rate_hz,
            )

    return Finite(stream, Modality.AUDIO, make)


def _chunks(samples: NDArray[np.float32], rate_hz: int) -> Iterator[Chunk]:
    converter = AudioConverter(tick_s=1.0 / rate_hz, origin_s=0.0)
    for first in range(0, len(samples), BLOCK):
        yield from converter.push(_frame(samples[first : first + BLOCK], first, rate_hz))
    yield from converter.flush()


def _frame(block: NDArray[np.float32], first: int, rate_hz: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(block[None], format="flt", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = rate_hz, first, Fraction(1, rate_hz)
    return frame
