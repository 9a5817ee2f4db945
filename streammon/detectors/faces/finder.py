"""Finds the faces in a picture: near ones with one network, small ones with another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streammon.detectors.faces.anchors import Candidates, Floats, anchors, blend, decode
from streammon.detectors.faces.networks import FULL_RANGE, SHORT_RANGE, Network

LEAST_OVERLAP = 0.3
LEAST_SCORE = 0.4
"""Low, so that small faces are found: the mesh says of each whether it is one."""
LEAST_SIDE_PX = 16
"""Pictures narrower or lower than this hold no face that could be found."""
SHORT_LAYERS: Sequence[tuple[int, int]] = ((8, 2), (16, 6))
FULL_LAYERS: Sequence[tuple[int, int]] = ((4, 1),)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face that was found. In pixels of the picture, x to the right, y down."""

    score: float
    """How sure the network is, 0..1; not a calibrated probability."""
    box: Floats
    """(4,): x1, y1, x2, y2, from the eyebrows to the chin; may reach out of the picture."""
    points: Floats
    """(6, 2): right eye, left eye, nose, mouth, right ear, left ear, as the face has them."""


class Finder:
    """Both networks, loaded. Not thread-safe."""

    def __init__(self) -> None:
        self._looks = [
            (Network(SHORT_RANGE), anchors(SHORT_RANGE.side_px, SHORT_LAYERS)),
            (Network(FULL_RANGE), anchors(FULL_RANGE.side_px, FULL_LAYERS)),
        ]

    def find(self, image_rgb: NDArray[np.uint8], *, least_score: float = LEAST_SCORE) -> list[Face]:
        """The faces in a picture (height, width, 3), the surest first."""
        height, width = image_rgb.shape[:2]
        if min(height, width) < LEAST_SIDE_PX:
            return []
        answers = [
            _ask(network, centres, image_rgb, least_score) for network, centres in self._looks
        ]
        found = blend(Candidates.joined(answers), least_overlap=LEAST_OVERLAP)
        return [
            Face(float(score), box, points)
            for score, box, points in zip(found.scores, found.boxes, found.points, strict=True)
        ]


def _ask(
    network: Network, centres: Floats, image_rgb: NDArray[np.uint8], least_score: float
) -> Candidates:
    """What one network finds, in pixels of the picture."""
    side_px = network.file.side_px
    boxed, longer_px, corner = letterbox(image_rgb, side_px)
    network.show(boxed)
    whether = network.whether()[:, 0]
    nothing = 1.0 / (1.0 + np.exp(-min(float(whether.max()), 50.0))) < least_score
    where = np.zeros((len(whether), 16), np.float32) if nothing else network.where()
    found = decode(where, whether, centres, side_px=side_px, least_score=least_score)
    shift = np.tile(corner, 2)
    return Candidates(
        found.scores, found.boxes * longer_px - shift, found.points * longer_px - corner
    )


def letterbox(
    image_rgb: NDArray[np.uint8], side_px: int
) -> tuple[NDArray[np.float32], float, Floats]:
    """The picture in the middle of a black square, in -1..1, with how to undo it.

    Returns the square, the length in the picture's pixels of its side, and how far the picture's
    corner (x, y) lies inside it, in the same.
    """
    import cv2

    height, width = image_rgb.shape[:2]
    longer_px = max(height, width)
    scale = side_px / longer_px
    inner = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(image_rgb, inner, interpolation=how)
    left, top = (side_px - inner[0]) // 2, (side_px - inner[1]) // 2
    square = np.full((side_px, side_px, 3), -1.0, np.float32)
    square[top : top + inner[1], left : left + inner[0]] = small / np.float32(127.5) - np.float32(
        1.0
    )
    return square, float(longer_px), np.array([left, top]) / scale
