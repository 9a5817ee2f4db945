"""At which levels each part of a picture has stood still, so that a new stillness can be told."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.detectors.picture_signals import Grey

RESTED_S = 2.0
"""A cell that stayed as it was for so long stood still."""
SAME_LEVELS = 2
"""Within so many levels a cell stays as it was: noise is averaged away in it."""
KEPT_S = 60.0
"""What stood still is remembered for so long, and at most twice as long."""
BESIDE, LEAST_BESIDE = (3, 3), 0.4
"""What is new is new in patches, noise is not: of so many cells around, such a share is new."""


class RestedCells:
    """Remembers, for each cell, the levels at which it stood still; four levels count as one.

    Where somebody passed, the wall behind is as it was before and after; where a picture freezes,
    who moved in it stands as nobody stood before.
    """

    def __init__(self) -> None:
        self._level: Grey | None = None
        self._since_s: NDArray[np.float64] = np.zeros(0)
        self._begun_s = 0.0
        self._rested: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._before: NDArray[np.uint64] = np.zeros(0, np.uint64)

    def add(self, at_s: float, cells: Grey) -> None:
        """Take the next picture, later than all before; `cells` are always of one shape."""
        if self._level is None:
            self._level, self._since_s = cells, np.full(cells.shape, at_s)
            self._rested = np.zeros(cells.shape, np.uint64)
            self._before, self._begun_s = self._rested.copy(), at_s
            return
        if at_s - self._begun_s >= KEPT_S:
            self._before, self._rested = self._rested, np.zeros(cells.shape, np.uint64)
            self._begun_s = at_s
        moved = cv2.absdiff(self._level, cells) > SAME_LEVELS
        self._level = np.where(moved, cells, self._level)
        self._since_s = np.where(moved, at_s, self._since_s)
        rests = at_s - self._since_s >= RESTED_S
        self._rested[rests] |= _bit(self._level)[rests]

    def new(self, cells: Grey) -> NDArray[np.bool_]:
        """Which cells, with those around them, have never stood still at about this level."""
        if self._level is None:
            return np.ones(cells.shape, np.bool_)
        bit = _bit(cells)
        about = bit | (bit << np.uint64(1)) | (bit >> np.uint64(1))
        new = ((self._rested | self._before) & about) == 0
        return np.asarray(new & (cv2.blur(new.astype(np.float32), BESIDE) > LEAST_BESIDE))


def _bit(cells: Grey) -> NDArray[np.uint64]:
    """For each cell a set, of 64, that holds its level alone."""
    return np.asarray(np.uint64(1) << (cells >> 2).astype(np.uint64), np.uint64)
