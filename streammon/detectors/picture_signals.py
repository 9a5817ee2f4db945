"""What one picture looks like and how it differs from the one before, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]

FINE_WIDTH_PX = 320
"""Width at which single pixels are compared: fine enough to see sensor noise."""
CELLS = (80, 45)
"""Columns and rows of the grid that averages noise away and keeps small movement."""
THUMB = (16, 9)
"""Columns and rows of the small picture that is remembered."""

TOUCHED_LEVELS = 2
DARK_LEVEL = 24
DARK_SHARE = 0.97
FLAT_LEVELS = 3.0
BARS_SATURATION = 60.0


@dataclass(frozen=True, slots=True)
class Look:
    """One picture, reduced."""

    fine: Grey
    cells: Grey
    thumb: Grey
    black: bool
    slate: bool
    """Flat, or upright bars of strong colour: a picture that carries next to nothing."""


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between two pictures of one stream."""

    touched: float
    """Share of single pixels that moved by 2 of 255 levels or more."""
    peak: float
    """Largest change of any cell, in levels: small local movement shows here."""
    spread: float
    """Mean change of all cells, in levels."""


def look_at(image_rgb: NDArray[np.uint8]) -> Look:
    """Reduce a picture of any size; `image_rgb` is (height, width, 3)."""
    step = max(1, image_rgb.shape[1] // (2 * FINE_WIDTH_PX))
    # Pixels are left out, not averaged: averaging would remove the very noise that is looked for.
    small = np.ascontiguousarray(image_rgb[::step, ::step])
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    cells_rgb = np.asarray(cv2.resize(small, CELLS, interpolation=cv2.INTER_AREA), np.uint8)
    cells = np.asarray(cv2.resize(grey, CELLS, interpolation=cv2.INTER_AREA), np.uint8)
    thumb = np.asarray(cv2.resize(grey, THUMB, interpolation=cv2.INTER_AREA), np.uint8)
    thin = max(1, grey.shape[1] // FINE_WIDTH_PX)
    black = float(np.mean(cells < DARK_LEVEL)) >= DARK_SHARE
    return Look(
        fine=np.ascontiguousarray(grey[::thin, ::thin]),
        cells=cells,
        thumb=thumb,
        black=black,
        slate=not black and (is_flat(cells_rgb) or has_bars(cells_rgb)),
    )


def change_between(before: Look, after: Look) -> Change | None:
    """How much changed; `None` when the pictures differ in size."""
    if before.fine.shape != after.fine.shape:
        return None
    moved = cv2.absdiff(before.fine, after.fine)
    cells = cv2.absdiff(before.cells, after.cells)
    return Change(
        touched=float(np.count_nonzero(moved >= TOUCHED_LEVELS) / moved.size),
        peak=float(cells.max()),
        spread=float(cells.mean()),
    )


def is_flat(cells_rgb: NDArray[np.uint8]) -> bool:
    """One colour all over, within what a codec adds."""
    return float(cells_rgb.reshape(-1, 3).std(axis=0).max()) < FLAT_LEVELS


def has_bars(cells_rgb: NDArray[np.uint8]) -> bool:
    """Upright bars of strong colour over at least half of the height, as test patterns have."""
    rows = cells_rgb.shape[0]
    band = cells_rgb[: rows // 2].astype(np.float32)
    if float(band.std(axis=0).mean()) >= FLAT_LEVELS:
        return False
    line = band.mean(axis=0)
    saturation = line.max(axis=1) - line.min(axis=1)
    steps = np.abs(np.diff(line, axis=0)).max(axis=1) > 4 * FLAT_LEVELS
    edges = int(np.count_nonzero(steps[1:] & ~steps[:-1])) + int(steps[0])
    return float(np.median(saturation)) >= BARS_SATURATION and 3 <= edges <= 16
