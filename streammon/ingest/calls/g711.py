"""The codings of telephones, ITU-T G.711: 8 bits to 16. Pure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CODES = np.arange(256)


def decoded(data: bytes, coding: str) -> NDArray[np.int16]:
    """Samples of `data` in `mulaw` or `alaw`."""
    return TABLES[coding][np.frombuffer(data, np.uint8)]


def _mulaw() -> NDArray[np.int16]:
    code = ~CODES & 0xFF
    exponent, mantissa = code >> 4 & 7, code & 15
    size = ((mantissa * 8 + 132) << exponent) - 132
    return np.where(code & 0x80, -size, size).astype(np.int16)


def _alaw() -> NDArray[np.int16]:
    code = CODES ^ 0x55
    exponent, mantissa = code >> 4 & 7, code & 15
    size = mantissa * 16 + 8
    size = np.where(exponent > 0, (size + 256) << np.maximum(exponent - 1, 0), size)
    return np.where(code & 0x80, size, -size).astype(np.int16)


TABLES = {"mulaw": _mulaw(), "alaw": _alaw()}
