"""What a stream sounds or reads like, in a few bytes: level, spectrogram strip, message rate."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from streammon.core.types import AudioChunk, ChatMessage, Meter, Modality, StreamId

BANDS = 48
LOWEST_HZ, HIGHEST_HZ = 80.0, 8000.0
COLUMN_S = 0.05
MOST_COLUMNS = 200
"""Of a longer chunk only the newest columns are made."""
FLOOR_DB = -90.0
"""Spectrogram values at or below this are 0; 0 dB (a full-scale sine) and above are 255."""
LEAST_DBFS = -120.0
"""Digital silence; a level is always a finite number."""

_FFT_S = 0.064
"""Long enough to tell neighbouring harmonics of a voice apart."""


def audio_meter(chunk: AudioChunk) -> Meter:
    """Level and spectrogram of a chunk: about one column per 50 ms, a byte per band, low to high.

    Bands are log-spaced from 80 Hz to 8 kHz, or to half the rate where that is lower.
    """
    pcm = np.nan_to_num(chunk.pcm.astype(np.float64), nan=0.0, posinf=1.0, neginf=-1.0)
    mean_square = float(np.mean(np.square(pcm))) if len(pcm) else 0.0
    level_dbfs = 10.0 * math.log10(mean_square) if mean_square > 0.0 else LEAST_DBFS
    return Meter(
        stream=chunk.stream,
        modality=Modality.AUDIO,
        media_s=chunk.media_s,
        captured_ns=chunk.captured_ns,
        level=max(level_dbfs, LEAST_DBFS),
        columns=tuple(row.tobytes() for row in _spectrogram(pcm, chunk.rate_hz)),
        epoch=chunk.epoch,
    )


def _spectrogram(pcm: NDArray[np.float64], rate_hz: int) -> NDArray[np.uint8]:
    """(columns, bands), 0..255 for `FLOOR_DB`..0 dB; no columns for no samples."""
    hop = max(1, round(COLUMN_S * rate_hz))
    length = max(16, round(_FFT_S * rate_hz))
    columns = min(MOST_COLUMNS, round(len(pcm) / hop) or min(len(pcm), 1))
    if columns == 0:
        return np.zeros((0, BANDS), np.uint8)
    padded = np.concatenate([pcm[-columns * hop :], np.zeros(length)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, length)[::hop][:columns]
    window = np.hanning(length)
    amplitude = np.abs(np.fft.rfft(frames * window, axis=1)) * (2.0 / window.sum())
    bands = _strongest_by_band(amplitude, bin_hz=rate_hz / length)
    decibels = 20.0 * np.log10(np.maximum(bands, 1e-9))
    return np.round(np.clip(decibels / -FLOOR_DB + 1.0, 0.0, 1.0) * 255.0).astype(np.uint8)


def _strongest_by_band(amplitude: NDArray[np.float64], *, bin_hz: float) -> NDArray[np.float64]:
    """(columns, bins) -> (columns, bands): the largest bin of each band, at least one."""
    bins = amplitude.shape[1]
    highest_hz = min(HIGHEST_HZ, (bins - 1) * bin_hz)
    edges_hz = np.geomspace(min(LOWEST_HZ, highest_hz / 2), highest_hz, BANDS + 1)
    first = np.minimum((edges_hz[:-1] / bin_hz).astype(int), bins - 1)
    after = np.clip(np.ceil(edges_hz[1:] / bin_hz).astype(int), first + 1, bins)
    padded = np.concatenate([amplitude, np.zeros((len(amplitude), 1))], axis=1)
    edges = np.stack([first, after], axis=1).ravel()
    return np.maximum.reduceat(padded, edges, axis=1)[:, ::2]


class ChatMeter:
    """Message rate of one stream, about once per second of media time."""

    def __init__(self, stream: StreamId) -> None:
        self._stream = stream
        self._epoch = 0
        self._since_s = -math.inf
        self._count = 0

    def push(self, message: ChatMessage) -> Meter | None:
        """The rate since the last meter, once a second has passed; the message counts anew.

        After a silence the rate is that of the whole silence. A new epoch, or time that runs
        backwards, starts the count again.
        """
        passed_s = message.media_s - self._since_s
        restarted = message.epoch != self._epoch or not 0.0 <= passed_s < math.inf
        if not restarted and passed_s < 1.0:
            self._count += 1
            return None
        count, self._count = self._count, 1
        self._epoch, self._since_s = message.epoch, message.media_s
        if restarted:
            return None
        return Meter(
            stream=self._stream,
            modality=Modality.TEXT,
            media_s=message.media_s,
            captured_ns=message.captured_ns,
            level=count / passed_s,
            epoch=message.epoch,
        )
