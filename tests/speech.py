"""Real speech for tests: the recording that the demo brings."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

import streammon.demo

RATE_HZ = 16_000
RECORDING = Path(streammon.demo.__file__).with_name("studio_clean.mp4")


@cache
def speech() -> NDArray[np.float32]:
    """Half a minute of a person reading, as the monitor hears it: 16 kHz, mono."""
    resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE_HZ)
    parts: list[Any] = []
    with av.open(str(RECORDING), "r") as container:
        for frame in container.decode(audio=0):
            parts += resampler.resample(frame)
    parts += resampler.resample(None)
    return np.concatenate([part.to_ndarray()[0] for part in parts])
