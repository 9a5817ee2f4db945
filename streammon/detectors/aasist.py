"""AASIST and AASIST-L (Jung et al., ICASSP 2022): spoofed speech, with the authors' weights.

Trained on the synthesisers of ASVspoof 2019; docs/published-detectors.md says what that is worth
on others. Windows without enough clear speech are not judged: the detector abstains.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt

from streammon.core.types import Json, Modality, Window, WindowSpec
from streammon.detectors.model_sound import chunk_of
from streammon.detectors.published import CheckpointConfig, Opinion, Plan, PublishedDetector
from streammon.detectors.voice_activity import RATE_HZ, Activity, listen
from streammon.scheduler.device import to_device

if TYPE_CHECKING:
    from streammon.detectors.models.aasist import Aasist

SAMPLES = 64_600
"""4.04 s, as the authors trained it."""
LEAST_TO_LISTEN_S = 2.0
"""Shorter sound is heard with silence behind it when speech is looked for."""


class AasistConfig(CheckpointConfig):
    """Spoofed speech in windows of 4 s, by AASIST with weights of its authors or your own."""

    type: Literal["aasist"] = "aasist"
    variant: Literal["AASIST", "AASIST-L"] = "AASIST"
    overlap_s: float = Field(0.0, ge=0.0, lt=SAMPLES / RATE_HZ)
    least_speech_s: PositiveFloat = Field(0.6, le=4.0)
    """Windows with less speech than this are not judged."""
    max_batch: PositiveInt = Field(8, le=1024)

    def build(self, name: str) -> PublishedDetector:
        inputs = {Modality.AUDIO: WindowSpec(SAMPLES / RATE_HZ, self.overlap_s)}
        return PublishedDetector(name, self, Plan("voice_spoof", inputs, self._open))

    def _open(self, device: str) -> AasistMethod:
        import torch

        from streammon.detectors.models.aasist import VARIANTS, Aasist

        weights = self.read(self.variant.lower())
        network = Aasist(VARIANTS[self.variant])
        weights.into(network)
        network.requires_grad_(False).eval().to(device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return AasistMethod(self.variant, weights.sha256, network, device, self.least_speech_s)


@dataclass(frozen=True, slots=True)
class AasistMethod:
    """The network on its device, behind a gate that asks whether there is speech to judge."""

    name: str
    sha256: str
    network: Aasist
    device: str
    least_speech_s: float

    @property
    def networks(self) -> Sequence[Aasist]:
        return (self.network,)

    def judge(self, windows: Sequence[Window]) -> Sequence[Opinion]:
        pcms = [_pcm(window) for window in windows]
        heard = [
            listen(_at_least(pcm, LEAST_TO_LISTEN_S), least_speech_s=self.least_speech_s)
            for pcm in pcms
        ]
        judged = [at for at, activity in enumerate(heard) if activity.reason is None]
        margins = dict(zip(judged, self._margins([pcms[at] for at in judged]), strict=True))
        return [_opinion(activity, margins.get(at)) for at, activity in enumerate(heard)]

    def _margins(self, pcms: Sequence[NDArray[np.float32]]) -> list[float]:
        """How far the logit of spoofed lies above that of bona fide."""
        import torch

        if not pcms:
            return []
        with torch.inference_mode():
            samples = to_device(np.stack([np.resize(pcm, SAMPLES) for pcm in pcms]), self.device)
            spoofed, bona_fide = self.network(samples).double().unbind(dim=1)
            margins: list[float] = (spoofed - bona_fide).tolist()
        return margins


def _opinion(heard: Activity, margin: float | None) -> Opinion:
    details: dict[str, Json] = {"speech_s": round(heard.speech_s, 2)}
    if margin is None:
        return Opinion(abstained=heard.reason, details=details)
    likely = float(0.5 + 0.5 * np.tanh(margin / 2))  # the softmax of two logits
    return Opinion(likely, details={**details, "margin": round(margin, 4)})


def _pcm(window: Window) -> NDArray[np.float32]:
    """The samples of an audio window, at most as many as are judged."""
    chunk = chunk_of(window)
    if chunk.rate_hz != RATE_HZ:
        raise ValueError(f"expected sound at {RATE_HZ} Hz, got {chunk.rate_hz}")
    return chunk.pcm[:SAMPLES]


def _at_least(pcm: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
    return np.pad(pcm, (0, max(0, round(seconds * RATE_HZ) - len(pcm))))
