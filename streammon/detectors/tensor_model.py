"""Models that are one file and take one tensor: what the adapters for such files share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from streammon.core.errors import Permanent
from streammon.core.types import Window, WindowSpec
from streammon.detectors.model_detector import ModelDetector, Plan
from streammon.detectors.model_files import first_line, pinned_bytes
from streammon.detectors.model_outputs import ScoreReader, as_table, reader
from streammon.detectors.model_pictures import Preparation, pictures, prepared
from streammon.detectors.model_settings import (
    MODALITY,
    ModelConfig,
    PictureSettings,
    ScoreSettings,
    SoundSettings,
    window_spec,
)
from streammon.detectors.model_sound import waves
from streammon.detectors.model_trial import trial_window

if TYPE_CHECKING:
    from torch import Tensor


class TensorModelConfig(ModelConfig):
    """What the adapters for model files have in common."""

    model: Path
    """The file."""
    sha256: str | None = Field(None, pattern=r"^[0-9a-fA-F]{64}$")
    """Pins `model` to these very bytes."""
    modality: Literal["image", "video", "audio"]
    """What one input is: a picture, a clip of several, or sound."""
    picture: PictureSettings = PictureSettings()
    sound: SoundSettings = SoundSettings()
    scores: ScoreSettings = ScoreSettings()

    @model_validator(mode="after")
    def fits_the_modality(self) -> TensorModelConfig:
        other = "picture" if self.modality == "audio" else "sound"
        if other in self.model_fields_set:
            raise ValueError(f"`{other}` says nothing of a model for modality {self.modality}")
        self.spec()
        return self

    def spec(self) -> WindowSpec:
        """How the stream is cut; unless set, so that a window is one input."""
        seconds = self.sound.samples / self.sound.rate_hz
        return window_spec(self.modality, self.window, frames=self.picture.frames, seconds=seconds)


@dataclass(frozen=True, slots=True)
class Runtime:
    """A model file that has been opened on a device."""

    run: Callable[[Tensor], NDArray[np.generic]]
    """One forward pass: a row of outputs for each row of inputs."""
    inputs_on: str
    """The device where inputs are to be made."""
    batch: int | None
    """It takes exactly so many inputs at once; `None`: any number."""
    resident_bytes: int
    close: Callable[[], None]


class Opens(Protocol):
    """How one kind of file is opened."""

    def start(self, data: bytes, device: str) -> Runtime: ...

    @property
    def unusable(self) -> tuple[type[Exception], ...]:
        """What is raised for a file or an input that does not fit."""


class TensorNetwork:
    """An opened model file with the meaning of its inputs and outputs. A `Network`."""

    def __init__(self, settings: TensorModelConfig, runtime: Runtime, *, sha256: str) -> None:
        self.name = f"{settings.model.name}@{sha256[:12]}"
        self.weights_sha256 = sha256
        self.resident_bytes = runtime.resident_bytes
        self.looks = settings.picture.frames if settings.modality == "image" else 1
        self.reader = ScoreReader("softmax", (0,), False, ())
        self._settings = settings
        self._runtime = runtime
        self._how = Preparation.of(settings.picture)

    def outputs(self, windows: Sequence[Window]) -> NDArray[np.generic]:
        import torch

        with torch.inference_mode():
            return in_batches(self._inputs(windows), self._runtime)

    def try_out(self, *, where: str) -> None:
        """One input, to learn how many outputs there are and settle what they mean."""
        given = trial_window(MODALITY[self._settings.modality])
        table = as_table(self.outputs([given]))
        if len(table) != self.looks:
            raise ValueError(f"{self.looks} inputs gave {len(table)} rows of outputs")
        self.reader = reader(self._settings.scores, table.shape[1], where=where)

    def close(self) -> None:
        self._runtime.close()

    def _inputs(self, windows: Sequence[Window]) -> Tensor:
        settings, device = self._settings, self._runtime.inputs_on
        if settings.modality == "audio":
            return waves(windows, settings.sound, device)
        frames = settings.picture.frames
        stack = prepared(pictures(windows, frames), self._how, device)
        if settings.picture.layout == "nhwc":
            stack = stack.permute(0, 2, 3, 1).contiguous()
        if settings.modality == "image":
            return stack
        return stack.view(len(windows), frames, *stack.shape[1:])


def in_batches(given: Tensor, runtime: Runtime) -> NDArray[np.generic]:
    """The outputs for all rows. A model of a fixed batch is asked as often as it takes; the last
    batch is filled up with its last row.

    Raises `ValueError` when a batch gives another number of rows than it has.
    """
    if runtime.batch is None:
        return runtime.run(given)
    size, parts = runtime.batch, []
    for start in range(0, len(given), size):
        part = given[start : start + size]
        if len(part) < size:
            part = part[[*range(len(part)), *[len(part) - 1] * (size - len(part))]]
        found = runtime.run(part)
        if found.shape[:1] != (size,):
            raise ValueError(f"a batch of {size} inputs gave an output of shape {found.shape}")
        parts.append(found)
    return np.concatenate(parts)[: len(given)]


def tensor_detector(name: str, settings: TensorModelConfig, opens: Opens) -> ModelDetector:
    """A detector around a model file."""

    def open_network(device: str) -> TensorNetwork:
        data, sha256 = pinned_bytes(settings.model, settings.sha256)
        unusable = (*opens.unusable, TypeError, ValueError, IndexError, KeyError)
        runtime = _try(lambda: opens.start(data, device), unusable, settings, "cannot be opened")
        network = TensorNetwork(settings, runtime, sha256=sha256)
        where = f"{name}: {settings.model}"
        _try(lambda: network.try_out(where=where), unusable, settings, "failed on its first input")
        return network

    return ModelDetector(name, settings, Plan(settings.modality, settings.spec(), open_network))


def _try(
    step: Callable[[], Any],
    unusable: tuple[type[Exception], ...],
    settings: TensorModelConfig,
    said: str,
) -> Any:
    """Do it; what does not fit becomes `Permanent`. A full device stays what it is."""
    import torch

    try:
        return step()
    except torch.OutOfMemoryError:
        raise
    except unusable as error:
        part = "sound" if settings.modality == "audio" else "picture"
        raise Permanent(
            f"{settings.model}: the model {said} ({type(error).__name__}: {first_line(error)}); "
            f"check the file, and that `{part}` says what the model was made for"
        ) from error
