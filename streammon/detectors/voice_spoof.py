"""Synthetic speech in sound, by frozen layers of a speech recogniser and a network beside them.

Not a general test for cloned voices; models/voice_spoof.md says which systems it was trained on,
how well it does on those and on others, and what it cannot see. Windows without enough clear
speech are not judged at all: the detector abstains and says why.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, model_validator

from streammon.core.types import AudioChunk, DetectionResult, Json, Modality, Window, WindowSpec
from streammon.detectors.small_network import (
    Loaded,
    Shipped,
    SmallNetworkConfig,
    SmallNetworkDetector,
)
from streammon.detectors.voice_activity import RATE_HZ, Activity, listen

if TYPE_CHECKING:
    from streammon.detectors.models.voice_judge import VoiceJudge

SHIPPED = Path(__file__).with_name("models") / "voice_spoof.safetensors"
SHIPPED_SHA256 = "7969e16caf797b8866bd317cbd021fdf721e75e001233216f493d31100f08faf"
LEAST_CERTAIN, MOST_CERTAIN = 0.01, 0.99
"""Confidence stays between these: the figures support no more."""
SHIPPED_WEIGHTS = Shipped(SHIPPED, SHIPPED_SHA256, (LEAST_CERTAIN, MOST_CERTAIN))
AT_ONCE_CPU = 8
"""Windows in one forward on a CPU: what more of them leave behind no longer fits its caches."""
TELEPHONE_HZ = 4_600.0
"""Sound that ends below this is named as a telephone's: judged, on less of the spectrum."""


class VoiceSpoofConfig(SmallNetworkConfig):
    """Synthetic speech in windows of 2 to 4 s."""

    type: Literal["voice_spoof"] = "voice_spoof"
    window_s: float = Field(2.0, ge=2.0, le=4.0)
    overlap_s: float = Field(0.5, ge=0.0)
    threshold: float | None = Field(None, ge=LEAST_CERTAIN, le=MOST_CERTAIN)
    """Confidence from which a window counts as synthetic; unset: stored with the weights, where
    at most 1 % of the windows of real speech left out of training reach it."""
    least_speech_s: PositiveFloat = Field(0.6, le=4.0)
    """Windows with less speech than this are not judged."""

    @model_validator(mode="after")
    def sizes_fit(self) -> VoiceSpoofConfig:
        if self.overlap_s >= self.window_s:
            raise ValueError(f"overlap_s must be below window_s ({self.window_s})")
        if self.least_speech_s > self.window_s:
            raise ValueError(f"least_speech_s must be at most window_s ({self.window_s})")
        return self

    def build(self, name: str) -> VoiceSpoof:
        return VoiceSpoof(name, self)


class VoiceSpoof(SmallNetworkDetector["VoiceJudge", VoiceSpoofConfig]):
    """A `Detector` of synthetic speech: gate on the CPU, then one forward for all that passed."""

    kind = "voice_spoof"

    def __init__(self, name: str, settings: VoiceSpoofConfig) -> None:
        super().__init__(name, settings, SHIPPED_WEIGHTS)
        self.inputs: Mapping[Modality, WindowSpec] = {
            Modality.AUDIO: WindowSpec(settings.window_s, settings.overlap_s)
        }
        self._samples = round(settings.window_s * RATE_HZ)

    def _network(self) -> VoiceJudge:
        from streammon.detectors.models.voice_judge import VoiceJudge

        return VoiceJudge()

    def _try(self, loaded: Loaded[VoiceJudge]) -> None:
        logits_of(loaded, [np.zeros(self._samples, dtype=np.float32)])

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        """One result per window, in order. Windows that cannot be judged never reach the model."""
        loaded, began = self._ready(), time.perf_counter()
        pcms = [_fitted(_chunk(window).pcm, self._samples) for window in batch]
        heard = [listen(pcm, least_speech_s=self._settings.least_speech_s) for pcm in pcms]
        judged = [at for at, activity in enumerate(heard) if activity.reason is None]
        logits = dict(zip(judged, logits_of(loaded, [pcms[at] for at in judged]), strict=True))
        each_s = (time.perf_counter() - began) / max(len(batch), 1)
        return [
            self._result(loaded, window, heard[at], logits.get(at), each_s)
            for at, window in enumerate(batch)
        ]

    def _result(
        self,
        loaded: Loaded[VoiceJudge],
        window: Window,
        heard: Activity,
        logit: float | None,
        processing_time_s: float,
    ) -> DetectionResult:
        band_hz = min(heard.band_limit_hz, _chunk(window).source_rate_hz / 2)
        details: dict[str, Json] = {
            "speech_s": round(heard.speech_s, 2),
            "level_dbfs": round(heard.level_dbfs, 1),
            "band_limit_hz": round(band_hz),
            "band": "telephone" if band_hz <= TELEPHONE_HZ else "wide",
        }
        reason, confidence = heard.reason, None
        if logit is not None and not math.isfinite(logit):
            reason = "damaged sound: the model gave no number"
        elif logit is not None:
            confidence = loaded.confidence(logit)
            details["logit"] = round(logit, 4)
        return DetectionResult.of(
            window,
            detector=self.name,
            kind=self.kind,
            model_used=loaded.name,
            confidence=confidence,
            is_ai_generated=None if confidence is None else confidence >= loaded.threshold,
            abstained=reason,
            details=details,
            processing_time_s=processing_time_s,
        )


def logits_of(loaded: Loaded[VoiceJudge], pcms: Sequence[NDArray[np.float32]]) -> list[float]:
    """One for each window, in order, on whatever device the network is."""
    import torch

    found, most = list[float](), AT_ONCE_CPU if loaded.device.type == "cpu" else len(pcms)
    with torch.inference_mode():
        for start in range(0, len(pcms), most):
            samples = torch.from_numpy(np.stack(pcms[start : start + most])).to(loaded.device)
            found += loaded.model(samples).double().cpu().tolist()
    return found


def _chunk(window: Window) -> AudioChunk:
    """The one chunk of an audio window."""
    chunk = window.items[0]
    if not isinstance(chunk, AudioChunk) or chunk.rate_hz != RATE_HZ:
        raise ValueError(f"expected a window of one chunk of sound at {RATE_HZ} Hz")
    return chunk


def _fitted(pcm: NDArray[np.float32], samples: int) -> NDArray[np.float32]:
    """Exactly so many samples: the end cut off, or silence put behind."""
    if len(pcm) >= samples:
        return pcm[:samples]
    return np.pad(pcm, (0, samples - len(pcm)))
