"""The mesh of 468 landmarks of one face in a picture, and the square that it is read from.

The mesh is Google's canonical face mesh; the indices below name the few of its points that are
used by name. Right and left are the person's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streammon.detectors.faces.anchors import Floats
from streammon.detectors.faces.networks import LANDMARKS, Network

COUNT = 468
RIGHT_EYE_OUTER, LEFT_EYE_OUTER = 33, 263
RIGHT_EYE_INNER, LEFT_EYE_INNER = 133, 362
NOSE_TIP, FOREHEAD, CHIN = 1, 10, 152
RIGHT_MOUTH_CORNER, LEFT_MOUTH_CORNER = 78, 308
UPPER_INNER_LIP = (13, 82, 312)
LOWER_INNER_LIP = (14, 87, 317)
MARGIN = 1.5
"""The square's side over the longer side of the face's own box."""


@dataclass(frozen=True, slots=True, eq=False)
class Square:
    """A turned square of the picture, in its pixels."""

    middle: Floats
    """(2,)"""
    side_px: float
    turned_rad: float
    """How far its x axis is turned from the picture's, clockwise as seen."""

    def to_picture(self, points: Floats) -> Floats:
        """Points (n, 2) in 0..1 of the square, as pixels of the picture."""
        cos, sin = math.cos(self.turned_rad), math.sin(self.turned_rad)
        turned = (points - 0.5) @ np.array([[cos, sin], [-sin, cos]])
        return np.asarray(turned * self.side_px + self.middle)


def square_of(box: Floats, right_eye: Floats, left_eye: Floats) -> Square:
    """The square around a face's box, turned so that the eyes are level."""
    across = left_eye - right_eye
    turned_rad = math.atan2(float(across[1]), float(across[0]))
    side_px = MARGIN * float(max(box[2] - box[0], box[3] - box[1]))
    return Square((box[:2] + box[2:]) / 2, side_px, turned_rad)


def square_around(mesh: Floats) -> Square:
    """The square around a mesh (COUNT, 2 or 3), for the next picture of the same face."""
    flat = mesh[:, :2]
    box = np.concatenate([flat.min(axis=0), flat.max(axis=0)])
    return square_of(box, flat[RIGHT_EYE_OUTER], flat[LEFT_EYE_OUTER])


def cut(image_rgb: NDArray[np.uint8], square: Square, side_px: int) -> NDArray[np.uint8]:
    """What the square holds, upright, (side_px, side_px, 3); edges are carried on outside."""
    import cv2

    corners = square.to_picture(np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]))
    ends = np.array([[0, 0], [side_px, 0], [0, side_px]], np.float32)
    how = cv2.getAffineTransform(corners.astype(np.float32), ends)
    found = cv2.warpAffine(
        image_rgb, how, (side_px, side_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return np.asarray(found, np.uint8)


class Mesher:
    """The landmark network, loaded. Not thread-safe."""

    def __init__(self) -> None:
        self._network = Network(LANDMARKS)

    def read(self, image_rgb: NDArray[np.uint8], square: Square) -> Floats:
        """The mesh, (COUNT, 3): x, y in pixels of the picture; z, towards the viewer negative, on
        the same scale. Of whatever is in the square: `presence` says whether that is a face.
        """
        self._show(image_rgb, square)
        said = self._network.where().reshape(COUNT, 3).astype(np.float64) / LANDMARKS.side_px
        return np.column_stack([square.to_picture(said[:, :2]), said[:, 2] * square.side_px])

    def presence(self, image_rgb: NDArray[np.uint8], square: Square) -> float:
        """How sure the network is, 0..1, that the square holds a face; as dear as `read`."""
        self._show(image_rgb, square)
        logit = float(self._network.whether().reshape(()))
        return 1.0 / (1.0 + math.exp(-min(max(logit, -50.0), 50.0)))

    def _show(self, image_rgb: NDArray[np.uint8], square: Square) -> None:
        face = cut(image_rgb, square, LANDMARKS.side_px)
        self._network.show(np.asarray(face / 255.0, np.float32))
