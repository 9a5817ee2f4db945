"""Drawing on an RGB picture so that it can be read on any background.

Text stands on a plate: the picture under it is darkened until white text has a contrast of
more than 7 to 1 and coloured text one of more than 4.5 to 1 (the WCAG levels AAA and AA),
whatever was there. Lines have a dark rim.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb: TypeAlias = tuple[int, int, int]

WHITE: Rgb = (255, 255, 255)
GREY: Rgb = (176, 182, 190)
RIM: Rgb = (12, 14, 18)
TRACK: Rgb = (74, 80, 90)
"""The empty part of a bar."""

_PLATE_KEEPS = 0.12
"""How much of the picture still shines through a plate."""
_PLATE_ADDS = 12.0
"""Lifts a plate off a black picture."""
_REGULAR, _BOLD = 400, 650


class Pen:
    """Draws in place on one picture; everything is clipped to it."""

    def __init__(self, image_rgb: NDArray[np.uint8], *, text_px: int) -> None:
        """`image_rgb`: (height, width, 3), writeable, contiguous."""
        self.image_rgb = image_rgb
        self.height_px: int = image_rgb.shape[0]
        self.width_px: int = image_rgb.shape[1]
        self.text_px = text_px
        self.line_px = math.ceil(text_px * 1.45)
        self._font = cv2.FontFace("sans")

    def width_of(self, text: str, *, bold: bool = False) -> int:
        """Pixels that the text takes in a row."""
        weight = _BOLD if bold else _REGULAR
        box = cv2.getTextSize((0, 0), text, (0, 0), self._font, self.text_px, weight=weight)
        return int(box[0] + box[2])

    def fitted(self, text: str, most_px: int, *, bold: bool = False) -> str:
        """The text on one line, cut with an ellipsis where it is wider than `most_px`."""
        text = printable(text)
        if self.width_of(text, bold=bold) <= most_px:
            return text
        fits, too_long = 0, len(text)
        while fits + 1 < too_long:
            middle = (fits + too_long) // 2
            if self.width_of(text[:middle].rstrip() + "…", bold=bold) <= most_px:
                fits = middle
            else:
                too_long = middle
        return text[:fits].rstrip() + "…" if fits else ""

    def text(self, text: str, at: tuple[int, int], colour: Rgb, *, bold: bool = False) -> None:
        """Write on the line whose upper left corner is `at`; the text must be printable."""
        x, y = at
        baseline = y + (self.line_px + round(self.text_px * 0.68)) // 2
        weight = _BOLD if bold else _REGULAR
        if text:
            cv2.putText(
                self.image_rgb, text, (x, baseline), colour, self._font, self.text_px, weight=weight
            )

    def plate(self, x1: int, y1: int, x2: int, y2: int) -> None:
        """Darken a rectangle so that white and light colours can be read on it."""
        area = self.image_rgb[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)]
        if area.size:
            area[:] = cv2.convertScaleAbs(area, alpha=_PLATE_KEEPS, beta=_PLATE_ADDS)

    def fill(self, x1: int, y1: int, x2: int, y2: int, colour: Rgb) -> None:
        if x2 > x1 and y2 > y1:
            cv2.rectangle(self.image_rgb, (x1, y1), (x2 - 1, y2 - 1), colour, cv2.FILLED)

    def bar(self, x1: int, y1: int, x2: int, y2: int, *, share: float, colour: Rgb) -> None:
        """A horizontal bar, filled from the left to `share` (0..1)."""
        self.fill(x1, y1, x2, y2, TRACK)
        self.fill(x1, y1, x1 + round((x2 - x1) * share), y2, colour)

    def frame(self, x1: int, y1: int, x2: int, y2: int, colour: Rgb) -> None:
        """An outlined box: a coloured line with a dark rim on both sides."""
        thick = max(1, self.text_px // 7)
        cv2.rectangle(self.image_rgb, (x1, y1), (x2, y2), RIM, thick + 2)
        cv2.rectangle(self.image_rgb, (x1, y1), (x2, y2), colour, thick)

    def curve(self, points: Sequence[tuple[int, int]], colour: Rgb) -> None:
        """A smooth line through the points."""
        line = np.array(points, np.int32).reshape(-1, 1, 2)
        thick = max(1, self.text_px // 9)
        cv2.polylines(self.image_rgb, [line], False, colour, thick, cv2.LINE_AA)

    def dot(self, at: tuple[int, int], colour: Rgb) -> None:
        radius = max(2, self.text_px // 5)
        cv2.circle(self.image_rgb, at, radius, colour, cv2.FILLED, cv2.LINE_AA)


def printable(text: str, *, most: int = 200) -> str:
    """The text on one line without control characters, at most `most` characters."""
    return "".join(sign if sign.isprintable() else " " for sign in text[:most]).strip()
