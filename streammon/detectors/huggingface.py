"""Settings of a model of the transformers library, and what its own config says before loading.

Only weights in safetensors are read, and no code that comes with a model is ever run.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PositiveInt, SecretStr, field_validator, model_validator

from streammon.core.ports import Detector
from streammon.detectors.model_detector import ModelDetector, Plan
from streammon.detectors.model_settings import (
    Content,
    ModelConfig,
    ScoreSettings,
    window_spec,
)

if find_spec("transformers") is None:
    raise ModuleNotFoundError("No module named 'transformers'", name="transformers")

HUB_ID = r"^[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?$"
AUDIO_FAMILIES = frozenset({
    "Data2VecAudio", "Hubert", "SEW", "SEWD", "UniSpeech", "UniSpeechSat", "Wav2Vec2",
    "Wav2Vec2Bert", "Wav2Vec2Conformer", "WavLM",
})  # fmt: skip
"""Their sequence classification is of sound; that of all others is of text."""
USUAL_FRAMES = 16
"""Of a clip, where the model's own config is not there yet."""


class HuggingFaceConfig(ModelConfig):
    """Any image, audio, video or text classification model of transformers."""

    type: Literal["huggingface"] = "huggingface"
    model: str = Field(min_length=1)
    """A folder (`./...`, `../...`, `/...`, `~/...`), or `organisation/name` on the hub."""
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$")
    """The commit of a model on the hub: the very files that you tried."""
    modality: Content | None = None
    """What the model looks at; unset: read from the config of a model in a folder."""
    synthetic: tuple[str, ...] = ()
    """Labels that mean synthetic; unset, with `real` unset: worked out when every label is plain
    (`fake` and `real`, `spoof` and `bonafide`, `AI` and `human`)."""
    real: tuple[str, ...] = ()
    """Labels that mean real, instead of `synthetic`."""
    frames: PositiveInt = Field(1, le=64)
    """Pictures of a window that an image model judges; their mean counts."""
    token: SecretStr | None = None
    """For the hub, where the model asks for one."""
    endpoint: str = Field("https://huggingface.co", pattern=r"^https?://")
    """The hub, or a mirror of it."""

    @field_validator("synthetic", "real", mode="before")
    @classmethod
    def one_is_enough(cls, given: object) -> object:
        return (given,) if isinstance(given, str) else given

    @model_validator(mode="after")
    def model_is_there_or_pinned(self) -> HuggingFaceConfig:
        if self.folder is None:
            if not re.match(HUB_ID, self.model):
                raise ValueError("`model` is a folder (./name) or organisation/name on the hub")
            if self.revision is None:
                raise ValueError(
                    f"`revision` has to pin {self.model} to a commit of the hub (40 hex digits, "
                    f"on its page under Files, History); for a folder write ./{self.model}"
                )
            if self.modality is None:
                raise ValueError(
                    "`modality` (image, audio, video or text) has to be given for a model of the "
                    "hub: it is known before the model is here"
                )
        elif self.revision is not None:
            raise ValueError("`revision` is for models of the hub; a folder has none")
        if self.synthetic and self.real:
            raise ValueError("name either the `synthetic` labels or the `real` ones, not both")
        window_spec(self.content, self.window, frames=self._frames())
        return self

    @property
    def folder(self) -> Path | None:
        """Where the model lies, if it is not one of the hub."""
        if self.model.startswith(("./", "../", "/", "~")) or self.model in (".", ".."):
            return Path(self.model).expanduser()
        return None

    @property
    def content(self) -> Content:
        """What it looks at. Raises `ValueError` when that cannot be known."""
        if self.modality is not None:
            return self.modality
        assert self.folder is not None
        return content_of(read_json(self.folder / "config.json"), where=self.model)

    @property
    def scores(self) -> ScoreSettings:
        return ScoreSettings(synthetic=self.synthetic, real=self.real)

    def build(self, name: str) -> Detector:
        from streammon.detectors.huggingface_model import Opener

        content = self.content
        spec = window_spec(content, self.window, frames=self._frames())
        return ModelDetector(name, self, Plan(content, spec, Opener(name, self, content, spec)))

    def _frames(self) -> int:
        """Pictures in one window: what a picture model is to judge, what a clip is made of."""
        if self.content != "video":
            return self.frames
        if self.folder is None or not (self.folder / "config.json").is_file():
            return USUAL_FRAMES
        return clip_frames(read_json(self.folder / "config.json"))


def read_json(path: Path) -> Mapping[str, Any]:
    """A JSON object. Raises `ValueError` saying what is wrong with the file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"{path} cannot be read ({error.strerror}): `model` has to be a folder that "
            "`save_pretrained` of transformers wrote"
        ) from error
    except ValueError as error:
        raise ValueError(f"{path} is not JSON") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path} holds no JSON object")
    return found


def content_of(config: Mapping[str, Any], *, where: str) -> Content:
    """What a model looks at, by the architecture in its config. Raises `ValueError`."""
    listed = config.get("architectures")
    name = str(listed[0]) if isinstance(listed, list) and listed else "none"
    if "ForImageClassification" in name:
        return "image"
    if name.endswith("ForVideoClassification"):
        return "video"
    if name.endswith("ForAudioClassification"):
        return "audio"
    if name.endswith("ForSequenceClassification"):
        family = name.removesuffix("ForSequenceClassification")
        return "audio" if family in AUDIO_FAMILIES else "text"
    raise ValueError(
        f"{where}: architecture {name} is no image, audio, video or text classification of "
        "transformers; if it is one all the same, say which with `modality`"
    )


def clip_frames(config: Mapping[str, Any]) -> int:
    """How many pictures one clip of a video model has, by its config."""
    for key in ("num_frames", "frames_per_clip"):
        if isinstance(config.get(key), int) and 0 < config[key] <= 256:
            return int(config[key])
    return USUAL_FRAMES
