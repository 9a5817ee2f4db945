"""Turns a measure of a text by language models into opinions about windows of chat."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from streammon.core.types import Json, Window
from streammon.detectors.language_models import Readers
from streammon.detectors.model_text import text_of
from streammon.detectors.published import Opinion

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True, slots=True)
class TextMethod:
    """A measure, the models that it asks, and how its score is read."""

    readers: Readers
    measure: Callable[[Tensor, Tensor, Tensor], float]
    """Of tokens and the logits of both models: one number."""
    border: float
    """The score at which a machine is as likely as not."""
    scale: float
    """Positive where high scores speak for a machine, negative where low ones do."""
    least_length: int

    @property
    def name(self) -> str:
        return self.readers.name

    @property
    def sha256(self) -> str:
        return self.readers.sha256

    @property
    def networks(self) -> Sequence[Any]:
        first, second = self.readers.first, self.readers.second
        return (first,) if first is second else (first, second)

    def judge(self, windows: Sequence[Window]) -> Sequence[Opinion]:
        texts = [self.readers.tokens(text_of(window)) for window in windows]
        most = self.readers.most_length
        judged = [at for at, text in enumerate(texts) if len(text) >= self.least_length]
        found = self.readers.measured([texts[at][:most] for at in judged], self.measure)
        scores = dict(zip(judged, found, strict=True))
        return [self._opinion(text, scores.get(at)) for at, text in enumerate(texts)]

    def _opinion(self, text: Sequence[int], score: float | None) -> Opinion:
        most = self.readers.most_length
        details: dict[str, Json] = {"tokens": min(len(text), most), "truncated": len(text) > most}
        if score is None:
            return Opinion(abstained=f"fewer than {self.least_length} tokens", details=details)
        beyond = (score - self.border) / self.scale if math.isfinite(score) else math.nan
        likely = float(0.5 + 0.5 * np.tanh(beyond / 2))
        return Opinion(likely, details={**details, "score": round(score, 5)})
