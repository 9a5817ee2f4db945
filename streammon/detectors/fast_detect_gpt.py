"""Fast-DetectGPT (Bao et al., ICLR 2024): machine-written text, by one or two language models.

Needs no training, but models that know their language well: with small ones it tells little.
"""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat

from streammon.detectors import model_text
from streammon.detectors.language_models import LanguageModel, LanguageModelsConfig, open_readers
from streammon.detectors.published import Plan, PublishedDetector
from streammon.detectors.text_method import TextMethod


class FastDetectGptConfig(LanguageModelsConfig):
    """Machine-written text by Fast-DetectGPT, with any one or two models of one vocabulary."""

    type: Literal["fast_detect_gpt"] = "fast_detect_gpt"
    scoring: LanguageModel
    """Says how likely each word is."""
    sampling: LanguageModel | None = None
    """Says what could have stood there instead; unset: the scoring model."""
    machine_above: float
    """The score above which a machine is likelier. It depends on the models: see
    docs/published-detectors.md for what follows from the authors' figures."""
    scale: PositiveFloat = 1.0

    def build(self, name: str) -> PublishedDetector:
        plan = Plan("ai_text", self.cut, self._open, model_text.bucket)
        return PublishedDetector(name, self, plan)

    def _open(self, device: str) -> TextMethod:
        from streammon.detectors.token_statistics import curvature

        readers = open_readers(self, self.sampling or self.scoring, self.scoring, device)
        return TextMethod(readers, curvature, self.machine_above, self.scale, self.least_length)
