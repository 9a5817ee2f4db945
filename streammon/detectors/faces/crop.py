"""A face cut out upright, at one size, with room around it. Pure.

The similarity (turn, size, place; no shear) that brings the landmarks of a picture closest to
where they stand in the cut, in the sense of least squares: Umeyama 1991, IEEE TPAMI 13(4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streammon.detectors.faces.anchors import Floats
from streammon.detectors.faces.landmarks import (
    LEFT_EYE_INNER,
    LEFT_EYE_OUTER,
    LEFT_MOUTH_CORNER,
    NOSE_TIP,
    RIGHT_EYE_INNER,
    RIGHT_EYE_OUTER,
    RIGHT_MOUTH_CORNER,
)

STEADY = (
    RIGHT_EYE_OUTER, RIGHT_EYE_INNER, LEFT_EYE_INNER, LEFT_EYE_OUTER,
    NOSE_TIP, RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER,
)  # fmt: skip
"""The landmarks that the cut is aligned by."""
PLACES: Floats = np.array(
    [[-0.50, 0.0], [-0.20, 0.0], [0.20, 0.0], [0.50, 0.0], [0.0, 0.50], [-0.28, 0.82], [0.28, 0.82]]
)
"""Where they stand, in distances between the outer corners of the eyes, from their middle."""


@dataclass(frozen=True, slots=True)
class CropSpec:
    """A square cut. With the defaults about a third of its width is background and hair."""

    side_px: int = 224
    eyes_share: float = 0.32
    """Between the outer corners of the eyes, of the side."""
    eyes_at: float = 0.42
    """How far down the eyes are, of the side."""


def similarity(source: Floats, target: Floats) -> Floats:
    """The (2, 3) similarity that brings `source` (n, 2) closest to `target` (n, 2), n >= 2.

    Raises `ValueError` where all points of `source` are one.
    """
    from_middle, to_middle = source.mean(axis=0), target.mean(axis=0)
    there, here = source - from_middle, target - to_middle
    spread = float(np.square(there).sum())
    if spread < 1e-12:
        raise ValueError("points that are all the same have no direction and no size")
    along = float((there * here).sum()) / spread
    across = float((there[:, 0] * here[:, 1] - there[:, 1] * here[:, 0]).sum()) / spread
    turn = np.array([[along, -across], [across, along]])
    return np.column_stack([turn, to_middle - turn @ from_middle])


def alignment(mesh: Floats, spec: CropSpec = CropSpec()) -> Floats:
    """The (2, 3) similarity from pixels of the picture to pixels of the cut."""
    middle = np.array([0.5, spec.eyes_at]) * spec.side_px
    target = middle + PLACES * spec.eyes_share * spec.side_px
    return similarity(mesh[list(STEADY), :2], target)


def crop(
    image_rgb: NDArray[np.uint8], mesh: Floats, spec: CropSpec = CropSpec()
) -> NDArray[np.uint8]:
    """The face, (side_px, side_px, 3); what lies outside the picture is its edge carried on."""
    import cv2

    side = (spec.side_px, spec.side_px)
    how = alignment(mesh, spec)
    flags = cv2.INTER_AREA if how[0, 0] ** 2 + how[1, 0] ** 2 < 0.25 else cv2.INTER_LINEAR
    found = cv2.warpAffine(image_rgb, how, side, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found, np.uint8)
