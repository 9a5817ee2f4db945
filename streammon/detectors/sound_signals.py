"""What a short stretch of sound is like: how loud, empty, constant, or the same buffer again."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

EMPTY_PEAK = 1e-4
"""-80 dBFS: below what the quietest microphone makes, above what codecs leave of true zero."""
SOUND_RMS = 10 ** (-50 / 20)
"""-50 dBFS: somebody or something is to be heard."""
LOUD_RMS = 10 ** (-45 / 20)
"""Below this a hum is the hum of a quiet room."""
CONSTANT_SPREAD = 1e-5
"""Sound that deviates no further from its mean is one value."""
SHORTEST_REPEAT_S, LONGEST_REPEAT_S = 0.005, 0.35
"""Buffers of players and of jitter buffers. Music repeats, too, but at its beat, more slowly."""
SAME_BUFFER = 0.985
"""Correlation of a repeated buffer with itself, in its worst quarter."""
QUARTERS = 4
PROBE_S = 0.5
"""So much of the end is held against what came before, to find the buffer's length."""
SAME_PEAK = 0.002
"""Correlations that differ by no more are as good."""


@dataclass(frozen=True, slots=True)
class SoundLook:
    """What a stretch of sound is like."""

    empty_s: float
    """For how long, at its end, it is digital silence, or what a codec leaves of it."""
    heard: bool
    """Loud enough to be sound."""
    stuck: bool
    """One value, or one short buffer again and again."""
    repeat_s: float | None
    """How long the repeated buffer is, in seconds; `None` for one value or no repetition."""


def listen(pcm: NDArray[np.float32], rate_hz: int) -> SoundLook:
    """Reduce a stretch of finite mono sound, (samples,) in -1..1.

    In less than about a second no repeated buffer is found.
    """
    rms = float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64))))
    loud = np.flatnonzero(~(np.abs(pcm) < EMPTY_PEAK))  # what is not a number is no silence
    empty_s = (len(pcm) - 1 - int(loud[-1]) if len(loud) else len(pcm)) / rate_hz
    constant = len(loud) > 0 and float(pcm.std(dtype=np.float64)) < CONSTANT_SPREAD
    repeat_s = None
    if rms >= LOUD_RMS and not constant:
        repeat_s = repeated_buffer_s(pcm, rate_hz)
    stuck = constant or repeat_s is not None
    return SoundLook(empty_s, heard=rms >= SOUND_RMS, stuck=stuck, repeat_s=repeat_s)


def repeated_buffer_s(pcm: NDArray[np.float32], rate_hz: int) -> float | None:
    """The length of the one short buffer that all of `pcm` consists of, or `None`.

    A constant tone counts: it is the repetition of its own period.
    """
    sound = pcm.astype(np.float64) - pcm.mean(dtype=np.float64)
    shortest, longest = (round(s * rate_hz) for s in (SHORTEST_REPEAT_S, LONGEST_REPEAT_S))
    if len(sound) < 3 * longest:
        return None
    alike = _end_against_before(sound, probe=round(PROBE_S * rate_hz), longest=longest)
    best = float(alike[shortest:].max())
    if best < SAME_BUFFER:
        return None
    # Multiples of the buffer are as alike: take the shortest, at the top of its peak.
    lag = int(np.argmax(alike[shortest:] >= best - SAME_PEAK)) + shortest
    while lag < longest and alike[lag + 1] > alike[lag]:
        lag += 1
    edges = np.linspace(lag, len(sound), QUARTERS + 1).astype(int)
    for start, end in pairwise(edges.tolist()):
        if _correlation(sound[start:end], sound[start - lag : end - lag]) < SAME_BUFFER:
            return None
    return lag / rate_hz


def _end_against_before(
    sound: NDArray[np.float64], *, probe: int, longest: int
) -> NDArray[np.float64]:
    """Correlation of the last `probe` samples with those of each lag, 0 to `longest`, before."""
    end, region = sound[-probe:], sound[-(probe + longest) :]
    size = 1 << (len(region) - 1).bit_length()
    spectrum = np.fft.rfft(region, size) * np.conj(np.fft.rfft(end, size))
    together = np.fft.irfft(spectrum, size)[longest::-1]
    energy = np.concatenate(([0.0], np.cumsum(region * region)))
    power = (energy[probe:] - energy[:-probe])[::-1]
    return np.asarray(together / np.sqrt(np.maximum(power * power[0], 1e-18)))


def _correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    power = float(np.sqrt(np.dot(one, one) * np.dot(other, other)))
    return float(np.dot(one, other)) / power if power > 0 else 0.0
