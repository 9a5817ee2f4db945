"""What every adapter for a user's own model lets its user say, and what holds unless they do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from streammon.core.types import Modality, StreamId, WindowSpec, WindowUnit
from streammon.registry import AdapterConfig
from streammon.windows.sliding import make_windower

Content: TypeAlias = Literal["image", "video", "audio", "text"]
"""What one input of a model is: a picture, a clip of several, sound, or text."""

MODALITY: Mapping[Content, Modality] = {
    "image": Modality.VIDEO,
    "video": Modality.VIDEO,
    "audio": Modality.AUDIO,
    "text": Modality.TEXT,
}
KIND: Mapping[Content, str] = {
    "image": "synthetic_image",
    "video": "synthetic_video",
    "audio": "voice_spoof",
    "text": "ai_text",
}
CLIP_S = 2.0
SOUND_S = 4.0
TEXT_CHARACTERS = 600


class Part(BaseModel):
    """A closed, frozen part of an adapter's settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class WindowSettings(Part):
    """How the stream is cut for the model."""

    length: PositiveFloat
    overlap: float = Field(0.0, ge=0.0)
    unit: WindowUnit | None = None
    """Unset: frames for pictures, seconds for clips and sound, characters for text."""
    frame_interval_s: PositiveFloat | None = None
    """How far apart sampled pictures may be at most."""


class ModelConfig(AdapterConfig):
    """What all of these adapters have in common."""

    kind: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]{0,63}$")
    """What an incident of this evidence is called; unset: `synthetic_image`, `synthetic_video`,
    `voice_spoof` or `ai_text`, after what the model looks at."""
    window: WindowSettings | None = None
    threshold: float = Field(0.5, ge=0.0, le=1.0)
    """Confidence from which a window counts as synthetic. The model's own scale: measure it."""
    max_batch: PositiveInt = Field(16, le=1024)


class PictureSettings(Part):
    """From a picture of the stream to the numbers that a model takes."""

    size: tuple[PositiveInt, PositiveInt] = (224, 224)
    """Height and width in pixels."""
    fit: Literal["squash", "crop"] = "squash"
    """`crop` keeps the aspect and takes the middle; `squash` shows all of it, distorted."""
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"
    frames: PositiveInt = Field(1, le=256)
    """Evenly spaced over the window. Of pictures, each is judged and the mean taken; of clips,
    how many make one."""
    colours: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nchw", "nhwc"] = "nchw"
    """Order of the axes; clips are NTCHW or NTHWC."""
    dtype: Literal["float32", "float16", "uint8"] = "float32"
    """`uint8` is given as it is, 0 to 255: `scale`, `mean` and `std` do not apply."""
    scale: PositiveFloat = 1 / 255
    """Each value is multiplied by this, then `mean` is taken off, then it is divided by `std`."""
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = (1.0, 1.0, 1.0)


class SoundSettings(Part):
    """From a stretch of sound to the samples that a model takes."""

    rate_hz: PositiveInt = Field(16_000, ge=1_000, le=192_000)
    """The model's own rate; sound is resampled to it."""
    samples: PositiveInt = Field(64_000, le=30_000_000)
    """How many the model takes at that rate; longer sound is cut at its end."""
    short: Literal["repeat", "silence"] = "repeat"
    """What fills sound that is shorter: itself again, or zeros behind it."""
    normalise: bool = False
    """Each stretch to mean 0 and variance 1."""
    layout: Literal["nt", "nct"] = "nt"
    """(windows, samples), or with an axis of one channel between."""


class ScoreSettings(Part):
    """From the numbers that a model gives to the probability of synthetic."""

    reads: Literal["softmax", "sigmoid", "probability"] = "softmax"
    """What turns outputs into probabilities; `probability`: they are."""
    labels: tuple[str, ...] = ()
    """Names of the outputs, in their order."""
    synthetic: tuple[str | int, ...] = ()
    """Outputs that mean synthetic, by name or place (from 0)."""
    real: tuple[str | int, ...] = ()
    """Outputs that mean real, instead of `synthetic`."""

    @field_validator("synthetic", "real", mode="before")
    @classmethod
    def one_is_enough(cls, given: object) -> object:
        return (given,) if isinstance(given, str | int) else given

    @model_validator(mode="after")
    def one_side(self) -> ScoreSettings:
        if self.synthetic and self.real:
            raise ValueError("name either the `synthetic` outputs or the `real` ones, not both")
        return self


def window_spec(
    content: Content, settings: WindowSettings | None, *, frames: int = 1, seconds: float = SOUND_S
) -> WindowSpec:
    """How to cut for a model; what is not set is as usual for such content.

    `frames`: pictures that one input needs; `seconds`: sound that one input needs. Raises
    `ValueError` when the content cannot be cut so.
    """
    usual = {
        "image": WindowSpec(frames, 0, WindowUnit.FRAMES, 0.5),
        "video": WindowSpec(CLIP_S, 0, WindowUnit.SECONDS, CLIP_S / frames),
        "audio": WindowSpec(seconds, seconds / 2),
        "text": WindowSpec(TEXT_CHARACTERS, TEXT_CHARACTERS / 2, WindowUnit.CHARACTERS),
    }[content]
    if settings is None:
        return usual
    unit = settings.unit or usual.unit
    interval_s = settings.frame_interval_s or usual.frame_interval_s
    if content == "video" and settings.frame_interval_s is None and unit is WindowUnit.SECONDS:
        interval_s = settings.length / frames
    spec = WindowSpec(settings.length, settings.overlap, unit, interval_s)
    make_windower(StreamId("check"), MODALITY[content], spec)
    return spec
