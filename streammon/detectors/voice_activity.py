"""Is there speech in this window, and enough of it, to judge? Plain arithmetic on a spectrum.

Speech rises and falls with its syllables, alternates between bright and dark sounds, and holds no
pitch for long; music mostly does the opposite. Each trait alone is fooled, two of three rarely are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]

RATE_HZ = 16_000
FRAME, HOP = 512, 256  # 32 ms every 16 ms
SILENT_DBFS = -65.0
FAINT_DBFS = -55.0
CLIPPED_SHARE = 0.03
NARROW_HZ = 3_000.0
"""Sound that ends below this has lost more than a telephone takes."""
ACTIVE_BELOW_TOP_DB = 25.0
ACTIVE_ABOVE_FLOOR_DB = 6.0

STEADY_TONES = 0.40
"""Share of energy in partials that stay put for 0.4 s; speech has less."""
STEADY_COLOUR = 0.38
"""Deviation of the log spectral centroid over active frames; speech has more."""
STEADY_LEVEL_DB = 16.0
"""From the quiet tenth of frames to the loud twentieth; speech has more."""
LEAST_SYLLABIC = 0.30
"""Share of the envelope's modulation that lies between 2 and 10 Hz; speech has more."""
LEAST_VOICED = 0.35
LEAST_COLOUR = 0.25


@dataclass(frozen=True, slots=True)
class Activity:
    """What was heard in a window. `reason` says why it cannot be judged; `None`: it can."""

    reason: str | None
    level_dbfs: float
    """Of the active frames; -120 for digital silence."""
    speech_s: float
    band_limit_hz: float
    """Where the spectrum ends: about 3,400 for a telephone, 8,000 for full-band sound."""
    traits: dict[str, float]


def listen(pcm: Floats, *, least_speech_s: float) -> Activity:
    """Judge one window of mono sound at 16 kHz, at least 0.5 s long, any level."""
    if not np.isfinite(pcm).all():
        return Activity("damaged sound: samples that are not numbers", -120.0, 0.0, 0.0, {})
    power = _power(pcm)
    level_db = _decibels(power[:, 6:129].sum(axis=1))  # 190..4,030 Hz
    top_db, floor_db = np.percentile(level_db, [95, 10])
    active = level_db > max(
        top_db - ACTIVE_BELOW_TOP_DB, SILENT_DBFS, min(floor_db + ACTIVE_ABOVE_FLOOR_DB, top_db - 6)
    )
    speech_s = float(active.sum()) * HOP / RATE_HZ
    level_dbfs = float(_decibels(power[active].sum(axis=1).mean())) if active.any() else -120.0
    limit_hz = _band_limit(power[active]) if active.any() else 0.0

    def heard(reason: str | None, **traits: float) -> Activity:
        return Activity(reason, level_dbfs, speech_s, limit_hz, traits)

    if top_db < SILENT_DBFS:
        return heard("no speech: silence")
    if top_db < FAINT_DBFS:
        return heard("level too low to judge")
    tones, colour = _steady_tones(pcm), _colour(power[active])
    dynamic_db = float(top_db - floor_db)
    voiced, syllabic = _voiced(pcm), _syllabic(power)
    traits = {"tones": tones, "colour": colour, "dynamic_db": dynamic_db}
    traits |= {"voiced": voiced, "syllabic": syllabic}
    steady = (tones > STEADY_TONES, colour < STEADY_COLOUR, dynamic_db < STEADY_LEVEL_DB)
    if sum(steady) >= 2:
        return heard("music or noise, not speech", **traits)
    loud = np.abs(pcm)
    if float((loud >= 0.99 * loud.max()).mean()) > CLIPPED_SHARE:
        return heard("damaged sound: clipped", **traits)
    if voiced < LEAST_VOICED or syllabic < LEAST_SYLLABIC or colour < LEAST_COLOUR:
        return heard("no speech: sound without voice", **traits)
    if speech_s < least_speech_s:
        return heard("too little speech", **traits)
    if limit_hz < NARROW_HZ:
        return heard("band too narrow to judge", **traits)
    return heard(None, **traits)


def _power(pcm: Floats) -> Floats:
    """Mean-square per frame and bin, so that a full-scale sine sums to 0.5; (frames, bins)."""
    taper = np.hanning(FRAME).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(pcm, FRAME)[::HOP] * taper
    spectrum = np.fft.rfft(frames, axis=1)
    scale = 2.0 / (FRAME * float(np.square(taper).sum()))
    power: Floats = np.square(np.abs(spectrum)) * np.float32(scale)
    return power


def _decibels(power: Floats | np.floating[Any]) -> Floats:
    level: Floats = 10.0 * np.log10(np.maximum(power, np.float32(1e-12)))
    return level


def _band_limit(power: Floats) -> float:
    """The highest frequency within 55 dB of the speech band, in the brightest tenth of frames."""
    bright_db = _decibels(np.percentile(power, 90, axis=0))
    smooth_db = np.convolve(bright_db, np.full(5, 0.2), mode="same")
    near = np.flatnonzero(smooth_db[:-2] > smooth_db[10:110].max() - 55.0)
    return float(near[-1] + 1) * RATE_HZ / FRAME if len(near) else 0.0


def _colour(power: Floats) -> float:
    """Deviation of the log spectral centroid: how far bright and dark sounds alternate."""
    if len(power) < 4:
        return 0.0
    hz = np.arange(6, 230, dtype=np.float32) * (RATE_HZ / FRAME)
    band = power[:, 6:230]
    centroid = (band @ hz) / np.maximum(band.sum(axis=1), 1e-12)
    return float(np.log(centroid + 1.0).std())


def _syllabic(power: Floats) -> float:
    """The share of the envelope's movement between 1 and 31 Hz that has the pace of syllables."""
    envelope = np.sqrt(power[:, 6:129].sum(axis=1))
    swing = (envelope - envelope.mean()) * np.hanning(len(envelope))
    modulation = np.square(np.abs(np.fft.rfft(swing)))
    hz = np.fft.rfftfreq(len(envelope), HOP / RATE_HZ)
    whole = modulation[hz >= 0.9].sum()
    return float(modulation[(hz >= 2) & (hz < 10)].sum() / max(whole, 1e-20))


def _voiced(pcm: Floats) -> float:
    """The share of loud frames that repeat themselves at 70 to 400 Hz (at 4 kHz: lags 10 to 57)."""
    slow = pcm[: len(pcm) // 4 * 4].reshape(-1, 4).mean(axis=1)
    size = 256
    taper = np.hanning(size).astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(slow, size)[::128]
    level_db = _decibels(np.square(frames).mean(axis=1))
    frames = frames[level_db > level_db.max() - ACTIVE_BELOW_TOP_DB] * taper
    echo = np.fft.irfft(np.square(np.abs(np.fft.rfft(frames, 2 * size))))[:, :58]
    own = np.fft.irfft(np.square(np.abs(np.fft.rfft(taper, 2 * size))))[:58]
    periodic = (echo / own) / np.maximum(echo[:, :1] / own[0], 1e-12)
    return float((periodic[:, 10:].max(axis=1) > 0.5).mean())


def _steady_tones(pcm: Floats) -> float:
    """The share of energy, 100 to 4,000 Hz, in spectral peaks that stay in place for 0.4 s."""
    size, hop, needed, around = 2048, 1024, 6, 21
    frames = np.lib.stride_tricks.sliding_window_view(pcm, size)[::hop]
    spectrum = np.fft.rfft(frames * np.hanning(size).astype(np.float32), axis=1)[:, 3:522]
    energy = np.square(np.abs(spectrum)) + 1e-9
    level_db = 10.0 * np.log10(energy)
    sums = np.cumsum(np.pad(level_db, ((0, 0), (1, 0))), axis=1)
    local_db = (sums[:, around:] - sums[:, :-around]) / around
    edge = around // 2
    energy, level_db = energy[:, edge:-edge], level_db[:, edge:-edge]
    peaks = (level_db > local_db + 6.0) & (level_db > level_db.max() - 45.0)
    if len(peaks) < needed:
        return 0.0
    starts = len(peaks) - needed + 1
    runs = np.logical_and.reduce([peaks[at : at + starts] for at in range(needed)])
    steady = np.zeros_like(peaks)
    for at in range(needed):
        steady[at : at + starts] |= runs
    return float((energy * steady).sum() / energy.sum())
