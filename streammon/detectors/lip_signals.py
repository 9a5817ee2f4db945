"""What a mouth does and how speech sounds, as a few numbers for each instant. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from streammon.detectors.faces.landmarks import (
    CHIN,
    LEFT_MOUTH_CORNER,
    LOWER_INNER_LIP,
    NOSE_TIP,
    RIGHT_MOUTH_CORNER,
    UPPER_INNER_LIP,
)
from streammon.detectors.faces.tracker import eyes_px

Floats = NDArray[np.float64]

STEP_S = 0.04
"""Mouth and sound are compared at 25 instants a second."""
FRAME_S = 0.064
EDGES_HZ: Sequence[float] = (150, 450, 900, 1600, 2600, 4000, 7500)
VOICE_HZ = (200, 4000)
FLOOR_SHARE = 0.003
"""Sound below this share of the loud (25 dB below) is as good as none."""

UPPER_LIP, LOWER_LIP = 0, 17
OUTER_CORNERS = (61, 291)
MEASURES = 6
"""Numbers per mouth: the gap between the lips, lips and gap, nose to chin, the width of the gap, of
the lips, and how far the eyes are apart; all in pixels."""
SHAPES = 6
BANDS = len(EDGES_HZ)
"""The voice as a whole, and the bands between the edges."""


def mouth(mesh: Floats) -> Floats:
    """How wide a mouth is open, (MEASURES,) pixels. `mesh`: (468, 3)."""

    def apart(one: int, other: int) -> float:
        return float(np.linalg.norm(mesh[one] - mesh[other]))

    gaps = [apart(up, low) for up, low in zip(UPPER_INNER_LIP, LOWER_INNER_LIP, strict=True)]
    return np.array(
        [
            sum(gaps) / len(gaps),
            apart(UPPER_LIP, LOWER_LIP),
            apart(NOSE_TIP, CHIN),
            apart(RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER),
            apart(*OUTER_CORNERS),
            eyes_px(mesh),
        ]
    )


def shapes(mouths: Floats) -> Floats:
    """Mouths (n, MEASURES) in distances between the eyes, and the log of the gap: (n, SHAPES)."""
    sizes = mouths[:, :5] / max(float(np.median(mouths[:, 5])), 1e-6)
    return np.column_stack([sizes, np.log(sizes[:, 0] + 0.02)])


def spectrum(pcm: NDArray[np.float32], rate_hz: int) -> Floats:
    """Power between 200 and 4,000 Hz, then band by band, at every step: (n, BANDS).

    The first is half a step in. Less sound than a frame gives nothing.
    """
    size, hop = round(FRAME_S * rate_hz), round(STEP_S * rate_hz)
    count = len(pcm) // hop
    if len(pcm) < size:
        return np.zeros((0, BANDS))
    edge = (size - hop) // 2
    padded = np.pad(pcm, (edge, size), mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:count]
    power = np.square(np.abs(np.fft.rfft(frames * np.hanning(size), axis=1)))
    hz = np.fft.rfftfreq(size, 1.0 / rate_hz)
    limits = [VOICE_HZ, *pairwise(EDGES_HZ)]
    return np.stack([power[:, (hz >= low) & (hz < high)].sum(axis=1) for low, high in limits], 1)


def levels(powers: Floats) -> Floats:
    """Log of each band's power (n, BANDS), with a floor under what is as good as silent."""
    floor = FLOOR_SHARE * np.percentile(powers, 95, axis=0)
    return np.asarray(np.log(powers + floor + 1e-9))


def spoken(powers: Floats) -> NDArray[np.bool_]:
    """At which instants somebody speaks: (n,), of `spectrum`'s powers."""
    loud = powers[:, 0]
    return np.asarray(loud > FLOOR_SHARE * np.percentile(loud, 95) + 1e-9)
