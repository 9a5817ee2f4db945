"""A transformers model on its device: found, checked, loaded, asked."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModelForAudioClassification,
    AutoModelForImageClassification,
    AutoModelForSequenceClassification,
    AutoModelForVideoClassification,
)
from transformers.utils import logging as quiet

from streammon.config import models_folder
from streammon.core.errors import Permanent
from streammon.core.types import Window, WindowSpec, WindowUnit
from streammon.detectors.huggingface import HuggingFaceConfig, read_json
from streammon.detectors.huggingface_hub_folder import check_folder, check_seal, hub_folder
from streammon.detectors.huggingface_inputs import (
    Inputs,
    clip_inputs,
    picture_inputs,
    sound_inputs,
    text_inputs,
)
from streammon.detectors.model_files import Seal, first_line
from streammon.detectors.model_outputs import ScoreReader, reader
from streammon.detectors.model_settings import MODALITY, SOUND_S, Content, ScoreSettings
from streammon.detectors.model_trial import trial_window

log = logging.getLogger(__name__)

MODELS: Mapping[Content, Any] = {
    "image": AutoModelForImageClassification,
    "video": AutoModelForVideoClassification,
    "audio": AutoModelForAudioClassification,
    "text": AutoModelForSequenceClassification,
}
UNUSABLE = (
    AttributeError, ImportError, IndexError, KeyError, OSError, RuntimeError, SafetensorError,
    TypeError, ValueError,
)  # fmt: skip
"""What reading somebody else's files raises when they do not fit."""


class TransformersNetwork:
    """A loaded model with its inputs and the meaning of its outputs. A `Network`."""

    def __init__(
        self, model: Any, inputs: Inputs, scores: ScoreReader, *, name: str, sha256: str, looks: int
    ) -> None:
        self.name = name
        self.weights_sha256 = sha256
        self.reader = scores
        self.looks = looks
        tensors = [*model.parameters(), *model.buffers()]
        self.resident_bytes = sum(each.numel() * each.element_size() for each in tensors)
        self._on_cuda = any(each.is_cuda for each in tensors)
        self._model = model
        self._inputs = inputs

    def outputs(self, windows: Sequence[Window]) -> NDArray[np.generic]:
        with torch.inference_mode():
            logits: torch.Tensor = self._model(**self._inputs(windows)).logits
            found: NDArray[np.generic] = logits.float().cpu().numpy()
        return found

    def close(self) -> None:
        self._model = None
        if self._on_cuda:
            torch.cuda.empty_cache()


class Opener:
    """Loads one model as often as it is asked to."""

    def __init__(
        self, detector: str, settings: HuggingFaceConfig, content: Content, spec: WindowSpec
    ) -> None:
        self._detector = detector
        self._settings = settings
        self._content = content
        self._spec = spec
        self._seal = Seal()

    def __call__(self, device: str) -> TransformersNetwork:
        """The model on `device`, tried once. Raises `Permanent` with what to do."""
        folder = self._folder()
        files = check_folder(folder)
        try:
            sha256 = self._seal.of(files)
            check_seal(folder, sha256)
            model = self._load(folder, device)
            inputs = self._inputs(folder, model, device)
        except torch.OutOfMemoryError:
            raise  # the model is fine; the device is full
        except UNUSABLE as error:
            raise Permanent(
                f"{folder}: transformers cannot load it as {self._content} classification "
                f"({type(error).__name__}: {first_line(error)}); save it again with this version, "
                "or export it to ONNX"
            ) from error
        network = TransformersNetwork(
            model,
            inputs,
            self._reader(model.config),
            name=f"{self._name()}@{sha256[:12]}",
            sha256=sha256,
            looks=self._settings.frames if self._content == "image" else 1,
        )
        self._try(network)
        return network

    def _name(self) -> str:
        folder = self._settings.folder
        return self._settings.model if folder is None else folder.resolve().name

    def _folder(self) -> Path:
        settings = self._settings
        if settings.folder is not None:
            return settings.folder
        assert settings.revision is not None
        token = settings.token.get_secret_value() if settings.token else None
        return hub_folder(
            models_folder(), settings.model, settings.revision,
            endpoint=settings.endpoint, token=token,
        )  # fmt: skip

    def _load(self, folder: Path, device: str) -> Any:
        _check_attention(folder)
        bars: Any = quiet
        bars.disable_progress_bar()  # what is being loaded is in our own log
        shared: Any = {"local_files_only": True, "trust_remote_code": False}
        config = AutoConfig.from_pretrained(str(folder), **shared)
        model, report = MODELS[self._content].from_pretrained(
            str(folder),
            config=config,
            dtype=torch.float32,
            use_safetensors=True,
            output_loading_info=True,
            **shared,
        )
        missing = sorted(report["missing_keys"]) + sorted(map(str, report["mismatched_keys"]))
        if missing:
            raise ValueError(
                f"the file lacks {len(missing)} weights that {type(model).__name__} needs, such "
                f"as {missing[0]}: it was not trained to classify"
            )
        return model.eval().requires_grad_(False).to(device)

    def _inputs(self, folder: Path, model: Any, device: str) -> Inputs:
        if self._content == "image":
            return picture_inputs(folder, self._settings.frames, device)
        if self._content == "video":
            config = read_json(folder / "config.json")
            return clip_inputs(folder, model.main_input_name, config, device)
        if self._content == "text":
            return text_inputs(folder, model.config, device)
        in_seconds = self._spec.unit is WindowUnit.SECONDS
        return sound_inputs(folder, self._spec.length if in_seconds else SOUND_S, device)

    def _reader(self, config: Any) -> ScoreReader:
        """By the model's own labels, held against what the user's config says."""
        labels = tuple(str(config.id2label[place]) for place in range(config.num_labels))
        several = config.problem_type == "multi_label_classification" or len(labels) == 1
        settings = ScoreSettings(
            reads="sigmoid" if several else "softmax",
            labels=labels,
            synthetic=self._settings.synthetic,
            real=self._settings.real,
        )
        return reader(settings, len(labels), where=f"{self._detector}: {self._settings.model}")

    def _try(self, network: TransformersNetwork) -> None:
        try:
            rows = network.outputs([trial_window(MODALITY[self._content])])
            network.reader.read(rows, network.looks)
        except torch.OutOfMemoryError:
            raise
        except UNUSABLE as error:
            raise Permanent(
                f"{self._settings.model}: the model failed on its first input "
                f"({type(error).__name__}: {first_line(error)}); its config, its preprocessing and "
                "its weights do not belong together"
            ) from error


def _check_attention(folder: Path) -> None:
    """Raises `ValueError` where a config asks for kernels, which are code, from the hub."""
    config = read_json(folder / "config.json")
    for key in ("attn_implementation", "_attn_implementation", "experts_implementation"):
        if "/" in str(config.get(key) or ""):
            raise ValueError(f"config.json asks for code from elsewhere ({key})")
