"""How well movement in the picture follows the sound, at every offset between the two. Pure.

After Hershey and Movellan ("Audio vision: using audio-visual synchrony to locate sounds", NIPS
1999): the parts of a picture that belong to a voice change with its energy. No face is looked
for; the picture is cut into blocks, and those that follow the sound best stand for the speaker.
Whether any does at all is told by circular shifts of the sound, which keep everything about it
but its timing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

STEP_S = 0.04
"""Movement and sound are compared at 25 instants a second."""
MOST_LAG = 12
"""In steps: about half a second either way."""
ROWS, COLUMNS = 8, 10
BLOCKS_COUNTED = 8
"""So many blocks, those that follow best, stand for the speaker."""
SHIFTS = 39
"""Circular shifts of the sound that chance is measured by: the least p-value is 1 in 40."""
LEAST_SHIFT = 25
"""In steps: one second, so that no shift is one that is searched."""
LEAST_STEPS = 60
FRAME_S = 0.04

LEAD_S = 0.08
"""How far movement of the face goes before its sound in recordings that are in step."""
EARLY_S, LATE_S = -0.045, 0.125
"""Sound ahead of or behind the picture is not noticed within these: ITU-R BT.1359-1."""
NATS_PER_POINT = 0.25
"""What a point of the statistic is worth as log-likelihood: neighbours in time say nearly the
same, so about a quarter of the half that independent instants would be."""

LAGS_S: Floats = np.linspace(-MOST_LAG * STEP_S, MOST_LAG * STEP_S, 2 * MOST_LAG + 1)


def movement(images: Sequence[NDArray[np.uint8]]) -> Floats | None:
    """Log of the mean change per block from each picture to the next: (n - 1, blocks).

    `None` when the pictures differ in size or are smaller than the blocks.
    """
    height, width = images[0].shape[:2]
    if any(image.shape[:2] != (height, width) for image in images):
        return None
    stride = max(1, width // 160)
    green = np.stack([image[::stride, ::stride, 1] for image in images]).astype(np.float32)
    rows, columns = green.shape[1] // ROWS, green.shape[2] // COLUMNS
    if not rows or not columns:
        return None
    change = np.abs(np.diff(green, axis=0))[:, : rows * ROWS, : columns * COLUMNS]
    per_block = change.reshape(-1, ROWS, rows, COLUMNS, columns).mean(axis=(2, 4))
    return np.asarray(np.log(per_block.reshape(len(per_block), -1) + 0.5), np.float64)


def loudness(pcm: NDArray[np.float32], rate_hz: int) -> Floats:
    """Log energy between 200 and 4,000 Hz at every step: (n,), the first half a step in."""
    size, hop = round(FRAME_S * rate_hz), round(STEP_S * rate_hz)
    if len(pcm) < size:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(pcm, size)[::hop] * np.hanning(size)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))
    hz = np.fft.rfftfreq(size, 1.0 / rate_hz)
    energy = power[:, (hz > 200) & (hz < 4000)].sum(axis=1)
    return np.asarray(np.log(energy + 0.01 * np.percentile(energy, 95) + 1e-9), np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The statistic at each lag (`LAGS_S`), and at each lag of each shifted sound."""

    real: Floats
    """(lags,)"""
    by_chance: Floats
    """(SHIFTS, lags)"""
    steps: int

    @classmethod
    def summed(cls, curves: Sequence[Curve]) -> Curve:
        """What several stretches of one stream say together."""
        return cls(
            np.sum([curve.real for curve in curves], axis=0),
            np.sum([curve.by_chance for curve in curves], axis=0),
            sum(curve.steps for curve in curves),
        )

    @property
    def p_value(self) -> float:
        """How often chance alone follows the sound as well, at whatever lag."""
        as_well = int((self.by_chance.max(axis=1) >= self.real.max()).sum())
        return (1 + as_well) / (1 + len(self.by_chance))

    @property
    def offset_s(self) -> float:
        """Where the picture follows best: positive where the sound is late."""
        return float(LAGS_S[int(self.real.argmax())]) - LEAD_S

    @property
    def out_of_step(self) -> float:
        """The probability that the offset would be noticed, at even odds beforehand."""
        nats = NATS_PER_POINT * (self.real - self.real.max())
        offsets_s = LAGS_S - LEAD_S
        inside = (offsets_s >= EARLY_S - 1e-9) & (offsets_s <= LATE_S + 1e-9)
        unnoticed = float(np.exp(nats[inside]).mean())
        noticed = float(np.exp(nats[~inside]).mean())
        return noticed / (noticed + unnoticed)


def follow(moving: Floats, loud: Floats, *, seed: int = 0) -> Curve | None:
    """How well the blocks follow the sound. `moving`: (n, blocks), `loud`: (n,), step by step.

    `None` when there is too little of either, or nothing moves, or the sound is all alike.
    """
    steps = min(len(moving), len(loud))
    if steps < LEAST_STEPS:
        return None
    moving, loud = moving[:steps], loud[:steps]
    core = moving[MOST_LAG : steps - MOST_LAG]
    lively = core.std(axis=0) > 1e-3
    if loud.std() < 1e-3 or lively.sum() < BLOCKS_COUNTED:
        return None
    picture = _standard(core[:, lively])
    random = np.random.default_rng(seed)
    shifts = random.integers(LEAST_SHIFT, steps - LEAST_SHIFT, SHIFTS)
    curves = [_curve(picture, np.roll(loud, shift)) for shift in (0, *shifts)]
    return Curve(curves[0], np.stack(curves[1:]), steps)


def _curve(picture: Floats, loud: Floats) -> Floats:
    """Points per lag: the squared correlations of the best blocks, times the instants compared."""
    count = len(picture)
    best = np.zeros((len(LAGS_S), picture.shape[1]))
    for sound in (loud, np.abs(np.gradient(loud))):
        views = np.lib.stride_tricks.sliding_window_view(sound, count)
        alike = _standard(views.T.copy()).T @ picture
        best = np.maximum(best, np.square(np.maximum(alike, 0.0)))
    counted = np.sort(best, axis=1)[:, -BLOCKS_COUNTED:]
    return np.asarray(counted.mean(axis=1) * count)


def _standard(columns: Floats) -> Floats:
    """Each column without its mean, of length 1."""
    centred = columns - columns.mean(axis=0)
    lengths = np.sqrt(np.square(centred).sum(axis=0))
    return np.asarray(centred / np.maximum(lengths, math.ulp(1.0)))
