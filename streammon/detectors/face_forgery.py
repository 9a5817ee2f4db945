"""Faces that were put in another's place: swapped, blended in or bent. Experimental.

Every face in a window is followed by its mesh; the pictures of it that are large, sharp and frontal
enough are cut out aligned, all of a batch go through one small network at once, and the logits of
one face are averaged. models/face_forgery.md has the figures on swappers and people that were not
in training, and what it cannot see. They are too weak for a verdict: results say so
(`experimental` in the details), and such results are told with an incident but open none.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, model_validator

from streammon.core.types import DetectionResult, Json, Modality, VideoFrame, Window, WindowSpec
from streammon.detectors.face_forgery_looks import CUT, Look, Looked, look
from streammon.detectors.faces.quality import Gates
from streammon.detectors.faces.tracker import Eyes, open_eyes
from streammon.detectors.small_network import (
    Loaded,
    Shipped,
    SmallNetworkConfig,
    SmallNetworkDetector,
)

if TYPE_CHECKING:
    from streammon.detectors.models.lite_cnn import LiteCnn

SHIPPED = Path(__file__).with_name("models") / "face_forgery.safetensors"
SHIPPED_SHA256 = "2ae4386cd508c695e1278ddd5d1abfe7c3022f4943225983a86784c3c562562a"
LEAST_CERTAIN, MOST_CERTAIN = 0.05, 0.95
"""Confidence stays between these: the figures support no more."""
SHIPPED_WEIGHTS = Shipped(SHIPPED, SHIPPED_SHA256, (LEAST_CERTAIN, MOST_CERTAIN))
AT_ONCE, AT_ONCE_CPU = 64, 8
"""Cuts in one forward; bounds its memory. What eight leave behind still fits a CPU's caches."""


class FaceForgeryConfig(SmallNetworkConfig):
    """Swapped and blended faces in windows of sampled pictures; experimental."""

    type: Literal["face_forgery"] = "face_forgery"
    window_s: float = Field(6.0, ge=2.0, le=30.0)
    overlap_s: float = Field(0.0, ge=0.0)
    frame_interval_s: float = Field(0.4, gt=0.0, le=0.45)
    """Between sampled pictures; a face is lost where they are half a second apart."""
    threshold: float | None = Field(None, ge=LEAST_CERTAIN, le=MOST_CERTAIN)
    """Confidence from which a window counts as forged; unset: stored with the weights."""
    least_pictures: PositiveInt = Field(5, le=64)
    """In which a face passes the gates, for it to be judged."""
    most_pictures: PositiveInt = Field(8, le=64)
    """Of one face in one window that go through the network, evenly over its time."""
    least_eyes_px: float = Field(24.0, ge=8.0)
    """Faces with less between the outer corners of the eyes are not judged."""
    least_sharpness: float = Field(5.0, ge=0.0)
    """Deviation of the Laplacian, in grey levels, below which a face is too blurred to judge."""
    most_turned_deg: float = Field(35.0, gt=0.0, le=90.0)
    """Faces turned further to the side, up or down are not judged."""
    most_faces: PositiveInt = Field(4, le=16)
    """Followed at once in a picture; each costs its own share of a core."""
    experimental: bool = True
    """Whether results may only be told with an incident. `false` lets them open one: for a source
    on which somebody has measured that they deserve it."""
    max_batch: PositiveInt = Field(8, le=64)

    @model_validator(mode="after")
    def sizes_fit(self) -> FaceForgeryConfig:
        if self.overlap_s >= self.window_s:
            raise ValueError(f"overlap_s must be below window_s ({self.window_s})")
        if self.least_pictures > self.window_s / self.frame_interval_s:
            raise ValueError("a window holds fewer pictures than least_pictures asks for")
        return self

    def build(self, name: str) -> FaceForgery:
        return FaceForgery(name, self)


class FaceForgery(SmallNetworkDetector["LiteCnn", FaceForgeryConfig]):
    """A `Detector`: faces on the CPU, then one forward for the faces of all windows."""

    kind = "face_forgery"

    def __init__(self, name: str, settings: FaceForgeryConfig) -> None:
        super().__init__(name, settings, SHIPPED_WEIGHTS)
        self.inputs: Mapping[Modality, WindowSpec] = {
            Modality.VIDEO: WindowSpec(
                settings.window_s,
                settings.overlap_s,
                frame_interval_s=settings.frame_interval_s,
            )
        }
        self._gates = Gates(
            least_eyes_px=settings.least_eyes_px,
            least_sharpness=settings.least_sharpness,
            most_yaw_deg=settings.most_turned_deg,
            most_pitch_deg=settings.most_turned_deg,
        )
        self._eyes: Eyes | None = None

    def load(self, device: str) -> None:
        """Read the weights, check them, warm up. Raises `Permanent` when they cannot be used."""
        self._eyes = open_eyes()
        super().load(device)

    def unload(self) -> None:
        """Give back what the weights take; `load` brings them again."""
        self._eyes = None
        super().unload()

    def _network(self) -> LiteCnn:
        from streammon.detectors.models.lite_cnn import LiteCnn

        return LiteCnn()

    def _made_ready(self, network: LiteCnn) -> LiteCnn:
        network.fold()
        return network

    def _try(self, loaded: Loaded[LiteCnn]) -> None:
        logits_of(loaded, [np.zeros((CUT.side_px, CUT.side_px, 3), np.uint8)])

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        """One result per window, in order; the surest face decides."""
        loaded, began = self._ready(), time.perf_counter()
        assert self._eyes is not None
        looked = [self._look(self._eyes, window) for window in batch]
        most = self._settings.most_pictures
        cuts = [(face, cut) for one in looked for face in one.judged for cut in face.thinned(most)]
        logits = logits_of(loaded, [cut for _, cut in cuts])
        of_face: dict[int, list[float]] = {}
        for (face, _), logit in zip(cuts, logits.tolist(), strict=True):
            of_face.setdefault(id(face), []).append(logit)
        each_s = (time.perf_counter() - began) / max(len(batch), 1)
        return [
            self._result(loaded, window, one, of_face, each_s)
            for window, one in zip(batch, looked, strict=True)
        ]

    def _look(self, eyes: Eyes, window: Window) -> Looked:
        settings = self._settings
        return look(
            [item for item in window.items if isinstance(item, VideoFrame)],
            eyes,
            gates=self._gates,
            least_pictures=settings.least_pictures,
            most_faces=settings.most_faces,
        )

    def _result(
        self, loaded: Loaded[LiteCnn], window: Window, looked: Looked,
        of_face: Mapping[int, list[float]], processing_time_s: float,
    ) -> DetectionResult:  # fmt: skip
        scores = {
            face.number: loaded.confidence(float(np.mean(of_face[id(face)])))
            for face in looked.judged
            if np.isfinite(of_face[id(face)]).all()
        }
        reason = looked.reason
        if reason is None and not scores:
            reason = "damaged pictures: the model gave no number"
        confidence = max(scores.values()) if reason is None else None
        details: dict[str, Json] = {
            "experimental": self._settings.experimental,
            "faces": [
                _said(face, scores[face.number]) for face in looked.judged if face.number in scores
            ],
        }
        return DetectionResult.of(
            window,
            detector=self.name,
            kind=self.kind,
            model_used=loaded.name,
            confidence=confidence,
            is_ai_generated=None if confidence is None else confidence >= loaded.threshold,
            abstained=reason,
            regions=tuple(face.region(scores.get(face.number)) for face in looked.faces),
            details=details,
            processing_time_s=processing_time_s,
        )


def logits_of(loaded: Loaded[LiteCnn], cuts: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    """One for each cut, (n,), on whatever device it is."""
    import torch

    found, most = [np.zeros(0)], AT_ONCE_CPU if loaded.device.type == "cpu" else AT_ONCE
    with torch.inference_mode():
        for start in range(0, len(cuts), most):
            pictures = torch.from_numpy(np.stack(cuts[start : start + most]))
            shown = pictures.to(loaded.device).permute(0, 3, 1, 2).float()
            found.append(loaded.model(shown).double().cpu().numpy())
    return np.concatenate(found)


def _said(face: Look, confidence: float) -> Json:
    """What is told of one face."""
    return {
        "face": face.number,
        "confidence": round(confidence, 4),
        "pictures": len(face.cuts),
        "eyes_px": round(float(np.median(face.eyes_px)), 1),
    }
