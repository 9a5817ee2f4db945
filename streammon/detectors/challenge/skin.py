"""The colour of the skin of a face in a picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from streammon.detectors.challenge.scoring import Skin
from streammon.detectors.faces.anchors import Floats
from streammon.detectors.faces.tracker import Tracker, open_eyes

CHEEKS_AND_FOREHEAD = (
    (103, 67, 109, 10, 338, 297, 332, 333, 334, 296, 336, 107, 66, 105, 104),
    (50, 101, 118, 117, 123, 187, 205, 36),
    (280, 330, 347, 346, 352, 411, 425, 266),
)
"""Patches of the mesh without eyes, brows, nostrils and lips."""


class SkinReader:
    """Follows the largest face of a stream's pictures. Not thread-safe. Blocking."""

    def __init__(self) -> None:
        self._tracker = Tracker(open_eyes(), most_faces=2)

    def read(self, image_rgb: NDArray[np.uint8], at_s: float) -> Skin:
        """What the picture, later than all before, shows of the face's skin."""
        tracks = self._tracker.observe(image_rgb, media_s=at_s)
        if not tracks:
            return Skin(at_s, None)
        largest = max(tracks, key=lambda track: float(np.ptp(track.mesh[:, 0])))
        return Skin(at_s, skin_colour(image_rgb, largest.mesh))


def skin_colour(image_rgb: NDArray[np.uint8], mesh: Floats) -> tuple[float, float, float] | None:
    """Mean colour of cheeks and forehead, 0..255; `None` where they lie outside the picture."""
    import cv2

    mask = np.zeros(image_rgb.shape[:2], np.uint8)
    for patch in CHEEKS_AND_FOREHEAD:
        hull = cv2.convexHull(mesh[list(patch), :2].astype(np.float32))
        cv2.fillConvexPoly(mask, hull.round().astype(np.int32), 255)
    if not mask.any():
        return None
    red, green, blue, _ = cv2.mean(image_rgb, mask=mask)
    return (float(red), float(green), float(blue))
