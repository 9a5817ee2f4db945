"""Binoculars (Hans et al., ICML 2024): machine-written text, by two related language models.

Needs no training, but models that know their language well: with small ones it tells little.
"""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveFloat

from streammon.detectors import model_text
from streammon.detectors.language_models import LanguageModel, LanguageModelsConfig, open_readers
from streammon.detectors.published import Plan, PublishedDetector
from streammon.detectors.text_method import TextMethod


class BinocularsConfig(LanguageModelsConfig):
    """Machine-written text by Binoculars, with any two language models of one vocabulary."""

    type: Literal["binoculars"] = "binoculars"
    observer: LanguageModel
    performer: LanguageModel
    """A close relative of the observer; the authors take its instruction-tuned version."""
    machine_below: PositiveFloat
    """The score below which a machine is likelier. Published for tiiuae/falcon-7b observing
    tiiuae/falcon-7b-instruct in bfloat16 only: 0.9015 (best F1) or 0.8536 (few false alarms).
    For any other pair it has to be found on texts of your own."""
    scale: PositiveFloat = 0.05

    def build(self, name: str) -> PublishedDetector:
        return PublishedDetector(
            name, self, Plan("ai_text", self.cut, self._open, model_text.bucket)
        )

    def _open(self, device: str) -> TextMethod:
        from streammon.detectors.token_statistics import binoculars

        readers = open_readers(self, self.observer, self.performer, device)
        return TextMethod(readers, binoculars, self.machine_below, -self.scale, self.least_length)
