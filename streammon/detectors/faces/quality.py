"""Can this face be judged? Size, sharpness, pose and light, each with its reason. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streammon.detectors.faces.anchors import Floats
from streammon.detectors.faces.crop import CropSpec, crop
from streammon.detectors.faces.landmarks import CHIN, FOREHEAD, LEFT_EYE_OUTER, RIGHT_EYE_OUTER
from streammon.detectors.faces.tracker import eyes_px

JUDGED = CropSpec(side_px=96, eyes_share=0.5, eyes_at=0.35)
"""A tight cut, so that the background says nothing about the face."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What a face must have to be judged."""

    least_eyes_px: float = 24.0
    least_sharpness: float = 3.0
    most_yaw_deg: float = 45.0
    most_pitch_deg: float = 40.0
    least_brightness: float = 0.08
    most_brightness: float = 0.95


@dataclass(frozen=True, slots=True)
class Quality:
    """What one face looks like in one picture."""

    eyes_px: float
    """Between the outer corners of the eyes, in pixels, turned to the front."""
    sharpness: float
    """Deviation of the Laplacian of the luma at a fixed size of the face, in grey levels."""
    yaw_deg: float
    """Turned to the side, positive to the person's own left."""
    pitch_deg: float
    """Turned up or down, positive with the chin towards the viewer."""
    roll_deg: float
    """Tilted in the picture, positive clockwise as seen."""
    brightness: float
    """Mean luma, 0..1."""

    def reason(self, gates: Gates = Gates()) -> str | None:
        """Why the face cannot be judged, in words; `None`: it can."""
        if self.eyes_px < gates.least_eyes_px:
            return "the face is too small"
        if abs(self.yaw_deg) > gates.most_yaw_deg or abs(self.pitch_deg) > gates.most_pitch_deg:
            return "the face is turned away"
        if not gates.least_brightness <= self.brightness <= gates.most_brightness:
            return "the face is too dark" if self.brightness < 0.5 else "the face is too bright"
        if self.sharpness < gates.least_sharpness:
            return "the face is blurred"
        return None


def quality(image_rgb: NDArray[np.uint8], mesh: Floats) -> Quality:
    """Look at the face whose mesh (468, 3) is in this picture."""
    import cv2

    luma = cv2.cvtColor(crop(image_rgb, mesh, JUDGED), cv2.COLOR_RGB2GRAY)
    across = mesh[LEFT_EYE_OUTER] - mesh[RIGHT_EYE_OUTER]
    down = mesh[CHIN] - mesh[FOREHEAD]
    return Quality(
        eyes_px=eyes_px(mesh),
        sharpness=float(cv2.Laplacian(luma, cv2.CV_32F).std()),
        yaw_deg=math.degrees(math.atan2(across[2], math.hypot(across[0], across[1]))),
        pitch_deg=math.degrees(math.atan2(-down[2], math.hypot(down[0], down[1]))),
        roll_deg=math.degrees(math.atan2(across[1], across[0])),
        brightness=float(luma.mean()) / 255.0,
    )
