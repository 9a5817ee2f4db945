"""Do the words fit the picture? Cosine similarity in a space that images and text share.

For a stream whose captions or comments are about what it shows. Needs an embedding model of the
user's own (CLIP and the like, a local folder of transformers with safetensors) and the two
similarities that this model gives to texts that fit and to texts that do not: they differ from
model to model, so there is no default. Without model or text it abstains.

A low similarity says that the words are about something else; it says nothing of how the picture
was made. Talk that is not about the picture (a greeting, a joke) is just as unlike it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from streammon.alerts.calibration import probability
from streammon.core.types import (
    ChatMessage,
    DetectionResult,
    Json,
    Modality,
    StreamId,
    VideoFrame,
    Window,
    WindowSpec,
)
from streammon.detectors.finding import LEAST, MOST
from streammon.registry import AdapterConfig

if TYPE_CHECKING:
    from streammon.detectors.image_text_model import ImageTextModel

KIND = "image_text_mismatch"
MOST_LINES = 20
"""The newest lines that count as what is being said."""
LINE_CHARACTERS = 300
NATS_AT_ENDS = 2.0
"""Log-odds at the two similarities that were given: 0.88 and 0.12."""


class ImageTextConfig(AdapterConfig):
    """Words that are about something else than the picture; needs an embedding model."""

    type: Literal["image_text"] = "image_text"
    model: Path | None = None
    """A folder with a CLIP-like transformers model, its tokenizer and safetensors weights.
    Unset: it abstains."""
    matches: float | None = Field(None, gt=-1.0, le=1.0)
    """The cosine similarity that the model gives to a picture and words that fit it."""
    differs: float | None = Field(None, ge=-1.0, lt=1.0)
    """The one that it gives to a picture and unrelated words."""
    texts: Mapping[str, str] = Field({}, max_length=256)
    """By video stream: the text stream whose words are about it. `{stage: captions}`."""
    recent_s: PositiveFloat = Field(15.0, le=120.0)
    """How long, on the monitor's clock, words count as being about the picture."""
    max_batch: PositiveInt = Field(16, le=256)

    @model_validator(mode="after")
    def scale_is_known(self) -> ImageTextConfig:
        if self.model is None:
            return self
        if self.matches is None or self.differs is None:
            raise ValueError("set matches and differs: the similarities that this model gives")
        if not self.differs < self.matches:
            raise ValueError(f"differs must be below matches ({self.matches:g})")
        return self

    @property
    def streams(self) -> tuple[tuple[str, str], ...]:
        """The streams that it names, each after the setting that names it."""
        return tuple(
            pair
            for one, text in self.texts.items()
            for pair in (("texts", one), (f"texts.{one}", text))
        )

    def build(self, name: str) -> ImageText:
        return ImageText(name, self)


@dataclass(slots=True)
class _Said:
    """The newest lines of a text stream: when each came, on the monitor's clock, and what."""

    lines: deque[tuple[float, str]] = field(default_factory=lambda: deque(maxlen=MOST_LINES))

    def recent(self, now_s: float, *, recent_s: float) -> str:
        return " ".join(text for at_s, text in self.lines if abs(now_s - at_s) <= recent_s)


class ImageText:
    """A `Detector` and `Evictable`: verdicts on windows of pictures; text is only remembered."""

    kind = KIND
    inputs: Mapping[Modality, WindowSpec] = {
        Modality.VIDEO: WindowSpec(4.0, 0.0, frame_interval_s=2.0),
        Modality.TEXT: WindowSpec(2.0, 0.0),
    }

    def __init__(self, name: str, settings: ImageTextConfig) -> None:
        self.name = name
        self.max_batch = settings.max_batch
        self.on_device = settings.model is not None
        self._settings = settings
        self._model: ImageTextModel | None = None
        self._said = {StreamId(text): _Said() for text in settings.texts.values()}
        self._text_of = {StreamId(video): StreamId(text) for video, text in settings.texts.items()}

    @property
    def resident_bytes(self) -> int:
        return 0 if self._model is None else self._model.resident_bytes

    def load(self, device: str) -> None:
        """Load the model, if one is set. Raises `Permanent` when it cannot be used."""
        if self._settings.model is not None:
            from streammon.detectors.image_text_model import ImageTextModel

            self._model = ImageTextModel(self._settings.model, device)

    def unload(self) -> None:
        self._model = None

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        """One result per window, in order; all that can be judged in one run of the model."""
        began_s = time.perf_counter()
        asked = [self._question(window) for window in batch]
        pairs = [one for one in asked if not isinstance(one, str)]
        alike: list[float] = []
        if pairs and self._model is not None:
            alike = self._model.similarities(
                [image for image, _ in pairs], [text for _, text in pairs]
            )
        found = iter(alike)
        each_s = (time.perf_counter() - began_s) / max(len(batch), 1)
        return [
            self._result(window, one if isinstance(one, str) else next(found), each_s)
            for window, one in zip(batch, asked, strict=True)
        ]

    def _question(self, window: Window) -> tuple[NDArray[np.uint8], str] | str:
        """The picture and the words to compare, or why there is nothing to compare."""
        if window.modality is Modality.TEXT:
            return self._remember(window)
        if self._model is None:
            return "no embedding model is configured"
        text_stream = self._text_of.get(window.stream)
        if text_stream is None:
            return "no text stream is configured for this picture"
        frames = [item for item in window.items if isinstance(item, VideoFrame)]
        frame = frames[-1]
        words = self._said[text_stream].recent(
            frame.captured_ns / 1e9, recent_s=self._settings.recent_s
        )
        return (frame.image_rgb, words) if words.strip() else "no words at that time"

    def _remember(self, window: Window) -> str:
        said = self._said.get(window.stream)
        if said is None:
            return "this text is not configured as being about a picture"
        for item in window.items:
            if isinstance(item, ChatMessage):
                said.lines.append((item.captured_ns / 1e9, item.text[:LINE_CHARACTERS]))
        return "kept for the picture that it is about: verdicts are given there"

    def _result(
        self, window: Window, found: float | str, processing_time_s: float
    ) -> DetectionResult:
        confidence: float | None = None
        details: dict[str, Json] = {}
        if not isinstance(found, str) and not np.isfinite(found):
            found = "the model gave no number"
        if not isinstance(found, str):
            confidence = round(self._confidence(found), 4)
            details = {"similarity": round(found, 4), "calibrated": False}
            if confidence >= 0.5:
                details["inconsistencies"] = ["the words are about something else than the picture"]
        return DetectionResult.of(
            window,
            detector=self.name,
            kind=KIND,
            model_used="none" if self._model is None else self._model.name,
            confidence=confidence,
            is_ai_generated=None if confidence is None else confidence >= 0.5,
            abstained=found if isinstance(found, str) else None,
            details=details,
            processing_time_s=processing_time_s,
        )

    def _confidence(self, similarity: float) -> float:
        """A straight line in log-odds through the two similarities of the config."""
        low, high = self._settings.differs, self._settings.matches
        assert low is not None
        assert high is not None
        nats = NATS_AT_ENDS * ((high + low) / 2 - similarity) / ((high - low) / 2)
        return min(max(probability(nats), LEAST), MOST)
