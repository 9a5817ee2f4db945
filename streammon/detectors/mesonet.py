"""Meso4 and MesoInception4 (Afchar et al., WIFS 2018): forged faces, with the authors' weights.

They judge a face that fills the picture. Nothing here finds faces: the config says where the face
is, or that the picture is one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from streammon.core.errors import Permanent
from streammon.core.types import Json, Modality, Region, Window, WindowSpec
from streammon.detectors.model_pictures import Preparation, frames_of, prepared
from streammon.detectors.published import CheckpointConfig, Opinion, Plan, PublishedDetector
from streammon.detectors.weights import first_line
from streammon.scheduler.device import CPU

if TYPE_CHECKING:
    from streammon.detectors.models.mesonet import Mesonet

SIDE = 256
FITS_CACHE = 4
"""Pictures that go through the network together on the CPU: what the first layers make of more of
them is larger than the caches, and comes from fresh pages of memory each time."""
PREPARED = Preparation(resize=(SIDE, SIDE), scale=1 / 255, channels_last=True)


class Box(BaseModel):
    """A part of the picture; corners relative to its size, x to the right, y down."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    x1: float = Field(ge=0.0, lt=1.0)
    y1: float = Field(ge=0.0, lt=1.0)
    x2: float = Field(gt=0.0, le=1.0)
    y2: float = Field(gt=0.0, le=1.0)

    @model_validator(mode="after")
    def has_an_inside(self) -> Box:
        if self.x2 <= self.x1 or self.y2 <= self.y1:
            raise ValueError("x2 must be above x1, and y2 above y1")
        return self


class MesonetConfig(CheckpointConfig):
    """Forged faces by Meso4 or MesoInception4, with weights of their authors or your own."""

    type: Literal["mesonet"] = "mesonet"
    variant: Literal["Meso4", "MesoInception4"] = "MesoInception4"
    trained_on: Literal["deepfakes", "face2face"] = "deepfakes"
    """Which of the published weights to take, unless `weights` names a file."""
    region: Literal["whole"] | Box
    """Where the face is. `whole`: it fills the picture, as in files of face crops; of a whole
    scene the scores mean nothing."""
    least_side_px: PositiveInt = 64
    """Pictures whose region is smaller than this, either way, are not judged."""
    window_s: float = Field(2.0, ge=0.5, le=60.0)
    frame_interval_s: float = Field(0.5, ge=0.02, le=10.0)
    most_frames: PositiveInt = Field(16, le=256)
    """Of a window with more undamaged pictures the last so many are judged."""
    max_batch: PositiveInt = Field(8, le=256)

    def build(self, name: str) -> PublishedDetector:
        spec = WindowSpec(self.window_s, 0.0, frame_interval_s=self.frame_interval_s)
        plan = Plan("face_forgery", {Modality.VIDEO: spec}, self._open)
        return PublishedDetector(name, self, plan)

    def _open(self, device: str) -> MesonetMethod:
        from streammon.detectors.models.mesonet import VARIANTS, from_keras

        short = "df" if self.trained_on == "deepfakes" else "f2f"
        weights = self.read(f"{self.variant.lower()}-{short}")
        network = VARIANTS[self.variant]()
        try:
            network.load_state_dict(from_keras(weights.tensors, network))
        except (ValueError, RuntimeError) as error:
            raise Permanent(
                f"{weights.path}: these weights are not for {self.variant}; set `variant` to the "
                f"network that they are of ({first_line(error)})"
            ) from error
        network.requires_grad_(False).eval().to(device)
        model = f"{self.variant}:{weights.path.stem}"
        return MesonetMethod(model, weights.sha256, network, device, self)


@dataclass(frozen=True, slots=True)
class MesonetMethod:
    """The network on its device. A window's confidence is the mean over its pictures."""

    name: str
    sha256: str
    network: Mesonet
    device: str
    settings: MesonetConfig

    @property
    def networks(self) -> Sequence[Mesonet]:
        return (self.network,)

    def judge(self, windows: Sequence[Window]) -> Sequence[Opinion]:
        faces = [self._faces(window) for window in windows]
        real = self._real([face for each in faces for face in each])
        opinions, at = [], 0
        for window, each in zip(windows, faces, strict=True):
            opinions.append(self._opinion(window, real[at : at + len(each)]))
            at += len(each)
        return opinions

    def _faces(self, window: Window) -> list[NDArray[np.uint8]]:
        """The region in each picture that can be judged, (height, width, 3)."""
        frames = frames_of(window)[-self.settings.most_frames :]
        faces = [_cut(frame.image_rgb, self.settings.region) for frame in frames]
        return [face for face in faces if min(face.shape[:2]) >= self.settings.least_side_px]

    def _real(self, faces: Sequence[NDArray[np.uint8]]) -> list[float]:
        """The probability that each is real."""
        import torch

        at_once = FITS_CACHE if self.device == CPU else max(len(faces), 1)
        real: list[float] = []
        with torch.inference_mode():
            for at in range(0, len(faces), at_once):
                pictures = prepared(faces[at : at + at_once], PREPARED, self.device)
                real += self.network(pictures).double().tolist()
        return real

    def _opinion(self, window: Window, real: Sequence[float]) -> Opinion:
        region = self.settings.region
        details: dict[str, Json] = {"frames": len(real)}
        if not real:
            least = self.settings.least_side_px
            small = f"the region is smaller than {least} px"
            return Opinion(abstained=small if frames_of(window) else "no undamaged picture")
        likely = 1.0 - sum(real) / len(real)
        if region == "whole":
            return Opinion(likely, details=details)
        drawn = Region(region.x1, region.y1, region.x2, region.y2, "face", likely)
        return Opinion(likely, details=details, regions=(drawn,))


def _cut(image: NDArray[np.uint8], region: Literal["whole"] | Box) -> NDArray[np.uint8]:
    if region == "whole":
        return image
    height, width = image.shape[:2]
    rows = slice(round(region.y1 * height), round(region.y2 * height))
    return image[rows, round(region.x1 * width) : round(region.x2 * width)]
