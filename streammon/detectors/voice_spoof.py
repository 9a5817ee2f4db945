"""Synthetic speech in sound: evidence of the vocoders that its network has learned to hear.

Not a general test for cloned voices; models/voice_spoof.md says which systems it was trained on,
how well it does on those and on others, and what it cannot see. Windows without enough clear
speech are not judged at all: the detector abstains and says why.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from streammon import __version__
from streammon.core.errors import Permanent
from streammon.core.types import AudioChunk, DetectionResult, Json, Modality, Window, WindowSpec
from streammon.detectors.voice_activity import RATE_HZ, Activity, listen
from streammon.detectors.weights import read_weights
from streammon.registry import AdapterConfig

if TYPE_CHECKING:
    import torch

    from streammon.detectors.models.vocoder_cnn import VocoderCnn

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).with_name("models") / "voice_spoof.safetensors"
SHIPPED_SHA256 = "dc7373c1d0f485c71d2b635277d760700bca910dbd823f3de8cb51bbb0f307f9"
LEAST_CERTAIN, MOST_CERTAIN = 0.01, 0.99
"""Confidence stays between these: the figures support no more."""
TELEPHONE_HZ = 4_600.0
"""Sound that ends below this is named as a telephone's: judged, on less of the spectrum."""


class VoiceSpoofConfig(AdapterConfig):
    """Synthetic speech in windows of 2 to 4 s."""

    type: Literal["voice_spoof"] = "voice_spoof"
    window_s: float = Field(2.0, ge=2.0, le=4.0)
    overlap_s: float = Field(0.5, ge=0.0)
    threshold: float | None = Field(None, ge=LEAST_CERTAIN, le=MOST_CERTAIN)
    """Confidence from which a window counts as synthetic; unset: stored with the weights, where
    at most 1 % of the windows of real development speech reach it."""
    least_speech_s: PositiveFloat = Field(0.6, le=4.0)
    """Windows with less speech than this are not judged."""
    max_batch: PositiveInt = Field(32, le=1024)
    weights: Path | None = None
    """Another weight file made by training/voice_spoof; unset: the one that ships."""
    weights_sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$")
    """Pins `weights` to these very bytes."""

    @model_validator(mode="after")
    def sizes_fit(self) -> VoiceSpoofConfig:
        if self.overlap_s >= self.window_s:
            raise ValueError(f"overlap_s must be below window_s ({self.window_s})")
        if self.least_speech_s > self.window_s:
            raise ValueError(f"least_speech_s must be at most window_s ({self.window_s})")
        if self.weights is None and self.weights_sha256 is not None:
            raise ValueError("weights_sha256 pins `weights`; the file that ships is always pinned")
        return self

    def build(self, name: str) -> VoiceSpoof:
        return VoiceSpoof(name, self)


@dataclass(frozen=True, slots=True)
class Loaded:
    """The network on its device, with the scale its logits are read on."""

    model: VocoderCnn
    device: torch.device
    slope: float
    offset: float
    threshold: float
    name: str

    @property
    def bytes(self) -> int:
        """What the weights take on the device."""
        held = (*self.model.parameters(), *self.model.buffers())
        return sum(tensor.numel() * tensor.element_size() for tensor in held)

    def confidence(self, logit: float) -> float:
        """The probability of synthetic at even prior odds, kept within what is supported."""
        log_odds = self.slope * logit + self.offset
        probability = 1.0 / (1.0 + math.exp(-min(max(log_odds, -50.0), 50.0)))
        return min(max(probability, LEAST_CERTAIN), MOST_CERTAIN)


class VoiceSpoof:
    """A `Detector` of synthetic speech: gate on the CPU, then one forward for all that passed."""

    kind = "voice_spoof"
    on_device = True

    def __init__(self, name: str, settings: VoiceSpoofConfig) -> None:
        self.name = name
        self.max_batch = settings.max_batch
        self.inputs: Mapping[Modality, WindowSpec] = {
            Modality.AUDIO: WindowSpec(settings.window_s, settings.overlap_s)
        }
        self._settings = settings
        self._samples = round(settings.window_s * RATE_HZ)
        self._loaded: Loaded | None = None
        self._fingerprint = ""

    def load(self, device: str) -> None:
        """Read the weights, check them, warm up. Raises `Permanent` when they cannot be used."""
        import torch

        from streammon.detectors.models.vocoder_cnn import VocoderCnn

        settings = self._settings
        if settings.weights is None:
            weights = read_weights(SHIPPED, sha256=SHIPPED_SHA256)
        else:
            weights = read_weights(settings.weights, sha256=settings.weights_sha256)
        model = VocoderCnn()
        weights.into(model)
        place = torch.device(device)
        model = model.eval().to(place).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        threshold = settings.threshold
        self._loaded = Loaded(
            model=model,
            device=place,
            slope=weights.number("calibration_slope"),
            offset=weights.number("calibration_offset"),
            threshold=weights.number("threshold") if threshold is None else threshold,
            name=weights.metadata.get("model", weights.path.stem),
        )
        self._logits(self._loaded, [np.zeros(self._samples, dtype=np.float32)])
        said = settings.model_dump_json(exclude={"max_batch", "weights", "weights_sha256"})
        known = f"{__version__}\n{weights.sha256}\n{said}"
        self._fingerprint = hashlib.sha256(known.encode()).hexdigest()
        log.info("voice_spoof loaded", extra={"detector": self.name, "device": device})

    def unload(self) -> None:
        """Give back what the weights take; `load` brings them again."""
        loaded, self._loaded = self._loaded, None
        if loaded is not None and loaded.device.type == "cuda":
            import torch

            del loaded
            torch.cuda.empty_cache()

    @property
    def resident_bytes(self) -> int:
        return 0 if self._loaded is None else self._loaded.bytes

    @property
    def fingerprint(self) -> str:
        """Of the weights, the settings and this version; empty until it was loaded once."""
        return self._fingerprint

    def bucket(self, window: Window) -> str:
        """All windows fit together: each is cut or padded to one length."""
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        """One result per window, in order. Windows that cannot be judged never reach the model."""
        if self._loaded is None:
            raise Permanent(f"{self.name}: load() has to come before score()")
        loaded, began = self._loaded, time.perf_counter()
        pcms = [_fitted(_chunk(window).pcm, self._samples) for window in batch]
        heard = [listen(pcm, least_speech_s=self._settings.least_speech_s) for pcm in pcms]
        judged = [at for at, activity in enumerate(heard) if activity.reason is None]
        logits = dict(zip(judged, self._logits(loaded, [pcms[at] for at in judged]), strict=True))
        each_s = (time.perf_counter() - began) / max(len(batch), 1)
        return [
            self._result(loaded, window, heard[at], logits.get(at), each_s)
            for at, window in enumerate(batch)
        ]

    @staticmethod
    def _logits(loaded: Loaded, pcms: Sequence[NDArray[np.float32]]) -> list[float]:
        import torch

        if not pcms:
            return []
        with torch.inference_mode():
            samples = torch.from_numpy(np.stack(pcms)).to(loaded.device)
            logits: list[float] = loaded.model(samples).double().cpu().tolist()
        return logits

    def _result(
        self,
        loaded: Loaded,
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
