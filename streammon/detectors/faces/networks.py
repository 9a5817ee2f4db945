"""The face networks that ship: which files, which bytes, and how a picture goes through them.

BlazeFace (Bazarevsky et al. 2019, arXiv:1907.05047) and Face Mesh (Kartynnik et al. 2019,
arXiv:1907.06724) with Google's weights, Apache-2.0; NOTICE says where the files come from.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streammon.core.errors import Permanent
from streammon.detectors.weights import first_line, read_pinned

FOLDER = Path(__file__).parents[1] / "models"
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class NetworkFile:
    """One of the files, and the names that its two outputs go by in it."""

    name: str
    sha256: str
    side_px: int
    """It takes square pictures of this size."""
    where: str
    """The output that says where something is."""
    whether: str
    """The output that says, as a logit, whether it is there at all."""


SHORT_RANGE = NetworkFile(
    "face_short_range.tflite",
    "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
    side_px=128,
    where="regressors",
    whether="classificators",
)
FULL_RANGE = NetworkFile(
    "face_full_range.tflite",
    "99bf9494d84f50acc6617d89873f71bf6635a841ea699c17cb3377f9507cfec3",
    side_px=192,
    where="reshaped_regressor_face_4",
    whether="reshaped_classifier_face_4",
)
LANDMARKS = NetworkFile(
    "face_landmark.tflite",
    "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
    side_px=192,
    where="conv2d_21",
    whether="conv2d_31",
)


class Network:
    """One face network, run by OpenCV on the CPU. Not thread-safe.

    OpenCV gives one output a run, so each answer costs the whole network: ask for what is needed.
    """

    def __init__(self, file: NetworkFile, *, folder: Path = FOLDER) -> None:
        """Read the file. Blocking. Raises `Permanent` when it is missing or not these bytes."""
        self.file = file
        self._net = _read(file, folder)

    def show(self, image: Floats) -> None:
        """The picture that is asked about next: (side_px, side_px, 3), in the network's range."""
        blob = np.ascontiguousarray(image.transpose(2, 0, 1)[None], np.float32)
        self._net.setInput(blob)

    def where(self) -> Floats:
        return self._answer(self.file.where)

    def whether(self) -> Floats:
        return self._answer(self.file.whether)

    def _answer(self, output: str) -> Floats:
        answer: Floats = np.asarray(self._net.forward(output), np.float32)[0]
        return answer


def _read(file: NetworkFile, folder: Path) -> Any:
    import cv2

    weights = read_pinned(folder / file.name, sha256=file.sha256)
    try:
        return cv2.dnn.readNetFromTFLite(np.frombuffer(weights.data, np.uint8))
    except cv2.error as error:
        raise Permanent(
            f"{weights.path}: this OpenCV cannot run it ({first_line(error)}); "
            "install opencv-python 5.0 or later"
        ) from error
