"""How well one colour can be read on another."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def luminance(colour: NDArray[np.floating] | tuple[int, int, int]) -> float:
    """Relative luminance of sRGB, as WCAG defines it."""
    share = np.asarray(colour, np.float64) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(first: float, second: float) -> float:
    dark, light = sorted((first, second))
    return (light + 0.05) / (dark + 0.05)
