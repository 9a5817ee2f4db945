"""What one picture looks like and how it differs from the one before, in a few numbers."""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

Grey = NDArray[np.uint8]
"""(rows, columns): brightness, 0..255."""
Thumb = NDArray[np.float32]
"""The same, much smaller and not rounded."""

FINE_WIDTH_PX = 320
"""Width at which single pixels are compared: fine enough to see sensor noise."""
CELLS = (80, 45)
"""Columns and rows of the grid that averages noise away and keeps small movement."""
THUMB = (16, 9)
"""Columns and rows of the small picture that is remembered."""

TOUCHED_LEVELS = 2
STILL_TOUCHED = 0.01
STILL_PEAK = 4.0
REFRESH_PEAK = 12.0
REFRESH_SPREAD = 1.5
"""Measured on x264 at CRF 23 to 33 and 200 kbit/s: a picture that stands still changes less than
the first two within a group of pictures, and less than the others where a keyframe draws it anew.
"""
SPECK_PEAK = 20.0
"""What a keyframe at a low bit rate may get wrong in a speck, until the next picture."""
SPILL_TOUCHED = 0.02
SPILL_SPREAD = 0.1
"""What a codec lets spill from a moving margin into a picture that stands still beside it."""
LIGHT_SPREAD = 0.3
LIGHT_LEAST_SHARE = 0.3
"""Light is taken out of a change of so many levels where that explains so much of it."""
MOST_LIGHT = 2.0
"""More than so much brighter, or darker, is another picture."""
MOVED_LEVELS = 3
"""A cell that changes by so much has moved: noise is averaged away in it."""
NOISE_CELLS = 5
"""Columns and rows over which noise is averaged away, movement is not."""
LEAST_NOISE_LEVELS, MOST_NOISE_LEVELS = 0.6, 6.0
"""Of a cell: codecs round less away, and what changes more is another picture."""
MOVES_TIMES = 12.0
"""Movement changes some place so many times as much as noise would, averaged over as many cells.
Of noise, of a camera or added to a picture, coded at 150 to 1500 kbit/s, the change is 2 to 11
times; where anybody or anything moves, 15 to 1400 times."""
PIXELS_OF_CELLS = 1.5
"""Where something moves, at most so many times as many pixels change as cells do; noise changes
pixels alone."""
MARGIN = 0.2
"""Share of the height, above and below, in which clocks, tickers and marks are drawn."""
DARK_LEVEL = 24
DARK_SHARE = 0.97
"""A picture is dark when such a share of its cells is darker than that, of 255."""
MOST_FLAT = 24
"""Of one colour is a picture of which no two places are so many levels apart."""
FLAT_LEVELS = 3.0
"""What deviates no further, in levels, is one colour but for the codec."""
BARS_UNTIL = 0.6
"""From the upper margin to such a share of the height a test pattern's bars go down at least."""
BARS_SATURATION = 60.0
"""In levels, between the strongest and the weakest of red, green and blue: half of a test pattern
is more colourful than that."""


@dataclass(frozen=True, slots=True)
class Look:
    """One picture, reduced."""

    fine: Grey
    cells: Grey
    thumb: Thumb
    black: bool
    slate: bool
    """Flat, or upright bars of strong colour: a picture that carries next to nothing."""
    blank: bool
    """Flat but for the margins, where a mark or a clock may be."""


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between two pictures of one stream, or between two parts of them."""

    touched: float
    """Share of single pixels that moved by 2 of 255 levels or more."""
    peak: float
    """Largest change of any cell, in levels: small local movement shows here."""
    spread: float
    """Mean change of all cells, in levels."""
    wide: float = 0.0
    """Share of cells that moved."""
    noise: bool = False
    """Nothing but noise, however much of it; asked of the change without the margins only."""

    @property
    def still(self) -> bool:
        """Nothing but codec noise."""
        return self.touched < STILL_TOUCHED and self.peak <= STILL_PEAK

    @property
    def refreshed(self) -> bool:
        """Too much changed for a still picture, but no more than a keyframe may change."""
        peak = SPECK_PEAK if self.touched < STILL_TOUCHED else REFRESH_PEAK
        return not self.still and self.peak <= peak and self.spread <= REFRESH_SPREAD

    @property
    def grain(self) -> float:
        """Share of pixels that changed where nothing moved: sensor noise. Below 0 without any."""
        return self.touched - PIXELS_OF_CELLS * self.wide

    @property
    def beneath(self) -> Change:
        """What is left of it beneath the noise."""
        return UNCHANGED if self.noise else self

    @property
    def lively(self) -> bool:
        """More than a codec does by itself: something moved, or the picture is another."""
        return not self.still and not self.refreshed


UNCHANGED = Change(0.0, 0.0, 0.0)


def look_at(image_rgb: NDArray[np.uint8]) -> Look:
    """Reduce a picture of any size; `image_rgb` is (height, width, 3)."""
    step = max(1, image_rgb.shape[1] // (2 * FINE_WIDTH_PX))
    # Pixels are left out, not averaged: averaging would remove the very noise that is looked for.
    small = np.ascontiguousarray(image_rgb[::step, ::step])
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.uint8)
    cells_rgb = np.asarray(cv2.resize(small, CELLS, interpolation=cv2.INTER_AREA), np.uint8)
    cells = np.asarray(cv2.resize(grey, CELLS, interpolation=cv2.INTER_AREA), np.uint8)
    # Of the cells, and not rounded: a small movement is less than a level of a cell this large.
    thumb = cv2.resize(cells.astype(np.float32), THUMB, interpolation=cv2.INTER_AREA)
    thin = max(1, grey.shape[1] // FINE_WIDTH_PX)
    black = is_black(cells)
    return Look(
        fine=np.ascontiguousarray(grey[::thin, ::thin]),
        cells=cells,
        thumb=np.asarray(thumb, np.float32),
        black=black,
        slate=not black and (is_flat(cells_rgb) or has_bars(cells_rgb)),
        blank=not black and is_flat(cells_rgb[inside(len(cells_rgb))]),
    )


def change_between(before: Look, after: Look) -> Change | None:
    """How much changed besides the light; `None` when the pictures differ in size."""
    if before.fine.shape != after.fine.shape:
        return None
    return _change(_lit_as(before, after), after)


def change_inside(before: Look, after: Look) -> Change | None:
    """The same without the upper and the lower margin, where things are drawn onto pictures."""
    if before.fine.shape != after.fine.shape:
        return None
    after = _without_margins(after)
    before = _lit_as(_without_margins(before), after)
    change = _change(before, after)
    spill = change.touched <= SPILL_TOUCHED and change.spread <= SPILL_SPREAD
    if spill and change.peak <= REFRESH_PEAK:
        return UNCHANGED
    return replace(change, noise=is_noise(before.cells, after.cells))


def _without_margins(look: Look) -> Look:
    fine, cells = (inside(each.shape[0]) for each in (look.fine, look.cells))
    return replace(look, fine=look.fine[fine], cells=look.cells[cells])


def _lit_as(before: Look, after: Look) -> Look:
    """The picture before, in the light and haze of the one after.

    Clouds, a lamp and the camera's own exposure change all of a picture by one gain and one
    offset: that is neither movement nor life. What is explained no better so is left as it is.
    """
    old, new = before.cells.astype(np.float32), after.cells.astype(np.float32)
    apart = float(np.abs(new - old).mean())
    if apart < LIGHT_SPREAD:
        return before
    old_mean, new_mean = float(old.mean()), float(new.mean())
    old -= old_mean
    power = float(np.vdot(old, old))
    gain = float(np.vdot(old, new - new_mean)) / power if power > 0 else 1.0
    left = float(np.abs(new - new_mean - gain * old).mean())
    if not 1 / MOST_LIGHT <= gain <= MOST_LIGHT or left > (1 - LIGHT_LEAST_SHARE) * apart:
        return before
    offset = new_mean - gain * old_mean
    fine, cells = (_relit(each, gain, offset) for each in (before.fine, before.cells))
    return replace(before, fine=fine, cells=cells)


def _relit(grey: Grey, gain: float, offset: float) -> Grey:
    table = np.clip(np.rint(gain * np.arange(256) + offset), 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(grey, table), np.uint8)


def inside(rows: int) -> slice:
    """The rows between the margins."""
    margin = round(MARGIN * rows)
    return slice(margin, rows - margin)


def _change(before: Look, after: Look) -> Change:
    moved = cv2.absdiff(before.fine, after.fine) >= TOUCHED_LEVELS
    cells = cv2.absdiff(before.cells, after.cells)
    touched = float(np.count_nonzero(moved) / moved.size)
    wide = float(np.count_nonzero(cells >= MOVED_LEVELS) / cells.size)
    return Change(touched, peak=float(cells.max()), spread=float(cells.mean()), wide=wide)


def is_noise(before_cells: Grey, after_cells: Grey) -> bool:
    """Whether nothing moved between the two that noise does not explain."""
    change = after_cells.astype(np.float32) - before_cells
    change -= np.median(change)
    usual = 1.4826 * float(np.median(np.abs(change)))
    if usual > MOST_NOISE_LEVELS:
        return False
    averaged = cv2.blur(change, (NOISE_CELLS, NOISE_CELLS))
    noise = (usual + LEAST_NOISE_LEVELS) / NOISE_CELLS
    return float(np.abs(averaged).max()) < MOVES_TIMES * noise


def likeness(one: Thumb, other: Thumb) -> float:
    """Correlation, -1..1: whether two pictures show the same, however bright."""
    first, second = one.ravel() - one.mean(), other.ravel() - other.mean()
    power = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / power if power > 0 else 0.0


def is_black(cells: Grey) -> bool:
    """Dark, with nothing to be seen in the dark, but for a mark or a clock in the margins."""
    within = cells[inside(len(cells))]
    if within.max() >= DARK_LEVEL or float(np.mean(cells < DARK_LEVEL)) < DARK_SHARE:
        return False
    return float(within.std()) < FLAT_LEVELS


def is_flat(cells_rgb: NDArray[np.uint8]) -> bool:
    """One colour all over, within what a codec adds."""
    colours = cells_rgb.reshape(-1, 3)
    if int((colours.max(axis=0) - colours.min(axis=0)).max()) >= MOST_FLAT:
        return False
    return float(colours.std(axis=0).max()) < FLAT_LEVELS


def has_bars(cells_rgb: NDArray[np.uint8]) -> bool:
    """Upright bars of strong colour, as test patterns have, but for the margins."""
    rows = cells_rgb.shape[0]
    band = cells_rgb[round(MARGIN * rows) : round(BARS_UNTIL * rows)].astype(np.float32)
    if float(band.std(axis=0).mean()) >= FLAT_LEVELS:
        return False
    line = band.mean(axis=0)
    saturation = line.max(axis=1) - line.min(axis=1)
    steps = np.abs(np.diff(line, axis=0)).max(axis=1) > 4 * FLAT_LEVELS
    edges = int(np.count_nonzero(steps[1:] & ~steps[:-1])) + int(steps[0])
    return float(np.median(saturation)) >= BARS_SATURATION and 3 <= edges <= 16
