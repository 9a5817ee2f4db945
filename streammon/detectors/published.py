"""A detector around a published method: what is the same for all of them, whatever they look at.

A method says how it is loaded and what it thinks of a batch of windows; the promises of a
`Detector`, and of one that is `Evictable` and `Repeatable`, are kept here. No published score is
a calibrated probability of anything in a user's streams, and every result says so.
"""

from __future__ import annotations

import hashlib
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pydantic import Field, PositiveInt, model_validator

from streammon import __version__
from streammon.catalogue.store import Store
from streammon.config import models_folder
from streammon.core.errors import Permanent
from streammon.core.types import DetectionResult, Json, Modality, Region, Window, WindowSpec
from streammon.detectors.checkpoints import read_checkpoint
from streammon.detectors.weights import Weights
from streammon.registry import AdapterConfig

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)


class PublishedConfig(AdapterConfig):
    """What all published methods let their user say."""

    threshold: float = Field(0.5, ge=0.0, le=1.0)
    """Confidence from which a window counts as synthetic. Not calibrated: measure it."""
    max_batch: PositiveInt = Field(16, le=1024)


class CheckpointConfig(PublishedConfig):
    """What a method of one weight file lets its user say."""

    weights: Path | None = None
    """A file as the authors publish it, or the same tensors in safetensors; unset: the one that
    `streammon models pull` has fetched."""
    weights_sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$")
    """Pins `weights` to these very bytes."""

    @model_validator(mode="after")
    def pin_has_a_file(self) -> CheckpointConfig:
        if self.weights is None and self.weights_sha256 is not None:
            raise ValueError("weights_sha256 pins `weights`; what was pulled is always pinned")
        return self

    def read(self, catalogued: str) -> Weights:
        """The weights on the CPU. Raises `Permanent` with what to do. Blocking."""
        if self.weights is not None:
            return read_checkpoint(self.weights, sha256=self.weights_sha256)
        pulled = Store(models_folder()).path_of(catalogued)
        return read_checkpoint(pulled.path, sha256=pulled.sha256)


@dataclass(frozen=True, slots=True)
class Opinion:
    """What a method thinks of one window: a confidence, or why it has none."""

    confidence: float | None = None
    abstained: str | None = None
    details: Mapping[str, Json] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()


class Method(Protocol):
    """A published method with its weights on a device."""

    @property
    def name(self) -> str:
        """Which weights, for people: results carry it."""

    @property
    def sha256(self) -> str:
        """Of all files that its answers depend on."""

    @property
    def networks(self) -> Sequence[nn.Module]: ...

    def judge(self, windows: Sequence[Window]) -> Sequence[Opinion]:
        """One opinion per window, in order."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is settled about a method before it is loaded."""

    kind: str
    inputs: Mapping[Modality, WindowSpec]
    open: Callable[[str], Method]
    """Load it onto a device. Raises `Permanent` with what to do."""
    bucket: Callable[[Window], str] = lambda window: ""


class PublishedDetector:
    """A `Detector` that asks one method."""

    on_device = True

    def __init__(self, name: str, settings: PublishedConfig, plan: Plan) -> None:
        self.name = name
        self.kind = plan.kind
        self.inputs = plan.inputs
        self.max_batch = settings.max_batch
        self._settings = settings
        self._plan = plan
        self._method: Method | None = None
        self._fingerprint = ""

    def load(self, device: str) -> None:
        """Read the weights onto `device`. Raises `Permanent` when they cannot be used."""
        self.unload()
        method = self._method = self._plan.open(device)
        settings = self._settings.model_dump_json(
            exclude={"max_batch", "weights", "weights_sha256"}
        )
        said = f"{__version__}\n{method.sha256}\n{settings}"
        self._fingerprint = hashlib.sha256(said.encode()).hexdigest()
        more = {"detector": self.name, "model": method.name, "bytes": self.resident_bytes}
        log.info("model_loaded", extra={"device": device, **more})

    def unload(self) -> None:
        """Give back what the weights take; `load` brings them again."""
        method, self._method = self._method, None
        if method is not None and any(_is_on_cuda(network) for network in method.networks):
            import torch

            del method
            torch.cuda.empty_cache()

    @property
    def resident_bytes(self) -> int:
        return 0 if self._method is None else sum(map(_bytes_of, self._method.networks))

    @property
    def fingerprint(self) -> str:
        """Of the weights, the settings and this version; empty until it was loaded once."""
        return self._fingerprint

    def bucket(self, window: Window) -> str:
        return self._plan.bucket(window)

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        """One result per window, in order."""
        if self._method is None:
            raise Permanent(f"{self.name}: load() has to come before score()")
        began = time.perf_counter()
        opinions = self._method.judge(batch)
        each_s = (time.perf_counter() - began) / max(len(batch), 1)
        return [
            self._result(self._method.name, window, opinion, each_s)
            for window, opinion in zip(batch, opinions, strict=True)
        ]

    def _result(
        self, model: str, window: Window, opinion: Opinion, processing_time_s: float
    ) -> DetectionResult:
        confidence, abstained = opinion.confidence, opinion.abstained
        if confidence is not None and not math.isfinite(confidence):
            confidence, abstained = None, "the model gave no number"
        return DetectionResult.of(
            window,
            detector=self.name,
            kind=self.kind,
            model_used=model,
            confidence=confidence,
            is_ai_generated=None if confidence is None else confidence >= self._settings.threshold,
            abstained=abstained,
            regions=opinion.regions,
            details={"calibrated": False, **_numbers(opinion.details)},
            processing_time_s=processing_time_s,
        )


def _numbers(details: Mapping[str, Json]) -> dict[str, Json]:
    """Without those that are not numbers although they should be: JSON has no word for them."""
    return {
        name: value
        for name, value in details.items()
        if not isinstance(value, float) or math.isfinite(value)
    }


def _bytes_of(network: nn.Module) -> int:
    tensors = [*network.parameters(), *network.buffers()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _is_on_cuda(network: nn.Module) -> bool:
    return any(parameter.is_cuda for parameter in network.parameters())
