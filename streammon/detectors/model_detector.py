"""A detector around any model: what cannot be judged is set aside, the rest goes through at once.

An adapter says how its model is opened and what one forward pass gives; the promises of a
`Detector`, and of one that is `Evictable` and `Repeatable`, are kept here for all of them.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from streammon import __version__
from streammon.core.errors import Permanent
from streammon.core.types import DetectionResult, Json, Modality, Window, WindowSpec
from streammon.detectors import model_pictures, model_sound, model_text
from streammon.detectors.model_outputs import ScoreReader
from streammon.detectors.model_settings import KIND, MODALITY, Content, ModelConfig

log = logging.getLogger(__name__)

REFUSALS: Mapping[Modality, Callable[[Window], str | None]] = {
    Modality.VIDEO: model_pictures.refusal,
    Modality.AUDIO: model_sound.refusal,
    Modality.TEXT: model_text.refusal,
}
BUCKETS: Mapping[Modality, Callable[[Window], str]] = {
    Modality.VIDEO: model_pictures.bucket,
    Modality.AUDIO: model_sound.bucket,
    Modality.TEXT: model_text.bucket,
}


class Network(Protocol):
    """A model on its device, ready to be asked."""

    @property
    def name(self) -> str:
        """Which model, for people: results carry it."""

    @property
    def weights_sha256(self) -> str: ...

    @property
    def resident_bytes(self) -> int:
        """What its weights take on the device."""

    @property
    def reader(self) -> ScoreReader: ...

    @property
    def looks(self) -> int:
        """Inputs that are made of each window; its confidence is their mean."""

    def outputs(self, windows: Sequence[Window]) -> NDArray[np.generic]:
        """One row for each look at each window, window after window, in one forward pass."""

    def close(self) -> None:
        """Let go of what the device holds."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is settled about a model before it is loaded."""

    content: Content
    spec: WindowSpec
    open: Callable[[str], Network]
    """Load it onto a device and try it once. Raises `Permanent` with what to do."""


class ModelDetector:
    """A `Detector` that asks one model about the windows of one modality."""

    on_device = True

    def __init__(self, name: str, settings: ModelConfig, plan: Plan) -> None:
        self.name = name
        self.kind = settings.kind or KIND[plan.content]
        self.max_batch = settings.max_batch
        self.inputs: Mapping[Modality, WindowSpec] = {MODALITY[plan.content]: plan.spec}
        self._modality = MODALITY[plan.content]
        self._threshold = settings.threshold
        self._open = plan.open
        self._network: Network | None = None
        self._settings_json = settings.model_dump_json()
        self._fingerprint = ""

    def load(self, device: str) -> None:
        """Open the model. Raises `Permanent` when it cannot be used, saying what to do."""
        self.unload()
        network = self._network = self._open(device)
        said = f"{__version__}\n{network.weights_sha256}\n{self._settings_json}"
        self._fingerprint = hashlib.sha256(said.encode()).hexdigest()
        log.info(
            "model_loaded",
            extra={
                "detector": self.name,
                "model": network.name,
                "device": device,
                "bytes": network.resident_bytes,
            },
        )

    def unload(self) -> None:
        """Give back what the model takes; `load` brings it again."""
        network, self._network = self._network, None
        if network is not None:
            network.close()

    @property
    def resident_bytes(self) -> int:
        return 0 if self._network is None else self._network.resident_bytes

    @property
    def fingerprint(self) -> str:
        """Of the weights, the settings and this version; empty until it was loaded once."""
        return self._fingerprint

    def bucket(self, window: Window) -> str:
        return BUCKETS[self._modality](window)

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        """One result per window, in order. Windows that cannot be judged never reach the model.

        Raises `ValueError` when the model's answer has not the shape that it should have.
        """
        network = self._network
        if network is None:
            raise Permanent(f"{self.name}: load() has to come before score()")
        began = time.perf_counter()
        reasons = [REFUSALS[self._modality](window) for window in batch]
        judged = [at for at, reason in enumerate(reasons) if reason is None]
        likely = dict(zip(judged, _ask(network, [batch[at] for at in judged]), strict=True))
        each_s = (time.perf_counter() - began) / max(len(batch), 1)
        return [
            self._result(network, window, reasons[at], likely.get(at, math.nan), each_s)
            for at, window in enumerate(batch)
        ]

    def _result(
        self,
        network: Network,
        window: Window,
        reason: str | None,
        likely: float,
        processing_time_s: float,
    ) -> DetectionResult:
        if reason is None and not math.isfinite(likely):
            reason = "the model gave no number"
        details: dict[str, Json] = {"calibrated": False}
        return DetectionResult.of(
            window,
            detector=self.name,
            kind=self.kind,
            model_used=network.name,
            confidence=likely if reason is None else None,
            is_ai_generated=likely >= self._threshold if reason is None else None,
            abstained=reason,
            details=details,
            processing_time_s=processing_time_s,
        )


def _ask(network: Network, windows: Sequence[Window]) -> list[float]:
    """The probability of synthetic for each window; nan where the model gave no number."""
    if not windows:
        return []
    likely = network.reader.read(network.outputs(windows), len(windows) * network.looks)
    means: list[float] = likely.reshape(len(windows), network.looks).mean(axis=1).tolist()
    return means
