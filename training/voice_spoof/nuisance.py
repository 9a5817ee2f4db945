"""What must not tell real from fake: level, edges, pauses, noise floor, three broad bands."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 16_000
FRAME = 320  # 20 ms


def nuisances(window: NDArray[np.float32]) -> NDArray[np.float64]:
    """Numbers about a window that say nothing about how the voice in it was made."""
    samples = window.astype(np.float64)
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    level_db = 10 * np.log10(np.square(frames).mean(axis=1) + 1e-12)
    peak_db = 20 * np.log10(np.abs(samples).max() + 1e-9)
    active = level_db > level_db.max() - 35
    pauses = np.diff(np.flatnonzero(np.diff(active.astype(int)) != 0))
    power = np.square(np.abs(np.fft.rfft(samples)))
    hz = np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    bands = [
        10 * np.log10(power[(hz >= low) & (hz < high)].mean() + 1e-12)
        for low, high in ((60, 400), (400, 3_400), (3_400, 7_000))
    ]
    return np.array(
        [
            10 * np.log10(np.square(samples).mean() + 1e-12),
            10 * np.log10(np.square(frames[active]).mean() + 1e-12),
            peak_db,
            samples.mean(),
            level_db[:3].mean(),
            level_db[-3:].mean(),
            float(active.mean()),
            float(len(pauses)),
            float(pauses.mean()) if len(pauses) else 0.0,
            np.percentile(level_db, 2),
            np.percentile(level_db, 10),
            float((samples == 0.0).mean()),
            bands[0] - bands[1],
            bands[2] - bands[1],
            bands[1],
        ]
    )
