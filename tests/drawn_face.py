"""A face that is drawn: nobody's, and face networks take it for one. Its mouth opens as told."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Rgb = tuple[int, int, int]

SKIN, SHADE, HAIR, LIPS, DARK = (
    (224, 178, 152),
    (205, 158, 134),
    (58, 42, 32),
    (186, 88, 86),
    (64, 20, 24),
)
FINE = 4
"""Drawn so many times larger, then made smaller: smooth edges."""


class _Brush:
    """Ellipses and lines in units of the face, whose middle is the origin."""

    def __init__(self, canvas: Image, middle: tuple[float, float], size: float) -> None:
        self.canvas, self.middle, self.size = canvas, middle, size

    def at(self, x: float, y: float) -> tuple[int, int]:
        return (
            round((self.middle[0] + x * self.size) * FINE),
            round((self.middle[1] + y * self.size) * FINE),
        )

    def length(self, value: float) -> int:
        return max(1, round(value * self.size * FINE))

    def oval(
        self, middle: tuple[float, float], radii: tuple[float, float], colour: Rgb,
        *, arc: tuple[int, int] = (0, 360), line: float = 0.0,
    ) -> None:  # fmt: skip
        thick = self.length(line) if line else -1
        axes = (self.length(radii[0]), self.length(radii[1]))
        cv2.ellipse(
            self.canvas, self.at(*middle), axes, 0, arc[0], arc[1], colour, thick, cv2.LINE_AA
        )

    def box(self, one: tuple[float, float], other: tuple[float, float], colour: Rgb) -> None:
        cv2.rectangle(self.canvas, self.at(*one), self.at(*other), colour, -1)

    def line(self, one: tuple[float, float], other: tuple[float, float], colour: Rgb) -> None:
        cv2.line(self.canvas, self.at(*one), self.at(*other), colour, self.length(0.02))


@cache
def drawn_face(
    opened: float = 0.3, *, size_px: int = 75, at: tuple[int, int] = (160, 86),
    shape: tuple[int, int] = (180, 320),
) -> Image:  # fmt: skip
    """A picture (height, width, 3) of one face. `opened`: its mouth, 0 shut to 1; read-only.

    The distance between the outer corners of its eyes is about 0.6 `size_px`.
    """
    height, width = shape
    canvas = np.full((height * FINE, width * FINE, 3), (92, 104, 116), np.uint8)
    brush = _Brush(canvas, at, size_px)
    _head(brush, opened)
    for side in (-1.0, 1.0):
        _eye(brush, side)
    _nose_and_mouth(brush, opened)
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    light = np.linspace(1.08, 0.86, width)[None, :, None]
    image = np.clip(cv2.GaussianBlur(small, (0, 0), 0.8) * light, 0, 255).astype(np.uint8)
    image.flags.writeable = False
    return image


def _head(brush: _Brush, opened: float) -> None:
    jaw = 0.05 * opened
    brush.oval((0, 1.15), (0.85, 0.45), (60, 66, 92))
    brush.box((-0.2, 0.45), (0.2, 0.95), (186, 140, 118))
    brush.oval((0, -0.14), (0.56, 0.68), HAIR)
    brush.oval((-0.5, 0.05), (0.07, 0.14), SHADE)
    brush.oval((0.5, 0.05), (0.07, 0.14), SHADE)
    brush.oval((0, 0.05 + jaw), (0.47, 0.62 + jaw), SKIN)
    brush.oval((0, -0.40), (0.44, 0.22), HAIR, arc=(180, 360))


def _eye(brush: _Brush, side: float) -> None:
    x = 0.2 * side
    brush.oval((x, -0.03), (0.115, 0.07), (196, 150, 128))
    brush.oval((x, -0.02), (0.095, 0.045), (246, 244, 240))
    brush.oval((x, -0.02), (0.043, 0.043), (70, 50, 36))
    brush.oval((x, -0.02), (0.02, 0.02), (10, 8, 8))
    brush.oval((x, -0.025), (0.1, 0.055), HAIR, arc=(190, 350), line=0.014)
    brush.oval((x, -0.14), (0.13, 0.045), HAIR, arc=(195, 345), line=0.03)
    brush.oval((0.27 * side, 0.22), (0.1, 0.07), (230, 168, 146))


def _nose_and_mouth(brush: _Brush, opened: float) -> None:
    brush.line((-0.03, -0.02), (-0.05, 0.2), SHADE)
    brush.oval((0, 0.21), (0.085, 0.05), SHADE)
    for side in (-1.0, 1.0):
        brush.oval((0.04 * side, 0.235), (0.022, 0.013), (140, 92, 78))
    gap, narrower = 0.055 * opened, 0.03 * opened
    brush.oval((0, 0.41 + gap), (0.17 - narrower, 0.055 + gap), LIPS)
    brush.oval((0, 0.41 + gap), (0.14 - narrower, 0.004 + gap), DARK)
    brush.oval((0, 0.54 + 2 * gap), (0.1, 0.02), SHADE)


def wandering(count: int, *, step_px: int = 3) -> Iterator[Image]:
    """A face that walks through the picture from left to right."""
    for number in range(count):
        yield drawn_face(0.2, size_px=60, at=(90 + step_px * number, 86))
