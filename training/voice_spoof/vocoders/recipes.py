"""The vocoders by name: what each is built of, and the corpus it is trained on.

A vocoder is held out of comparisons together with its corpus, and whole families of vocoders share
a corpus: so where a corpus is held out, neither it nor its families were heard in training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from training.voice_spoof.vocoders.likelihood import Diffusion, Flow
from training.voice_spoof.vocoders.networks import (
    InverseStft,
    SourceFilter,
    Spectrogram,
    Upsampling,
    Vocoder,
)
from training.voice_spoof.vocoders.signal import MelSetting

LIBRISPEECH = ("resemble-ai",)
PICOVOICE = ("Picovoice/",)
PROMPTS_AND_DIGITS = ("Debian asterisk", "Jakobovski")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One vocoder: `share` of the real clips are said by it, `minutes` of processor at most."""

    build: Callable[[], Vocoder]
    sources: tuple[str, ...]
    seed: int
    adversary_from: float = 1.0
    """Part of the training after which the adversary is asked; 1: never."""
    minutes: float = 2.5
    share: float = 0.25


RECIPES: dict[str, Recipe] = {
    "gan-80": Recipe(
        lambda: Upsampling(MelSetting(80, 1024, 256, 7_600.0), factors=(8, 8, 4), width=96),
        LIBRISPEECH, seed=1, adversary_from=0.5, minutes=3.5,
    ),
    "gan-64": Recipe(
        lambda: Upsampling(MelSetting(64, 800, 200, 8_000.0), factors=(5, 5, 8), width=64),
        LIBRISPEECH, seed=2,
    ),
    "istft-100": Recipe(
        lambda: InverseStft(MelSetting(100, 1024, 256, 8_000.0), width=128, blocks=5),
        PICOVOICE, seed=3, adversary_from=0.4, minutes=3.0,
    ),
    "istft-60": Recipe(
        lambda: InverseStft(MelSetting(60, 512, 128, 7_200.0), width=96, blocks=4),
        PICOVOICE, seed=4, minutes=2.0,
    ),
    "source-filter": Recipe(
        lambda: SourceFilter(MelSetting(80, 512, 128, 8_000.0), width=96, blocks=3),
        PICOVOICE, seed=5, minutes=1.5,
    ),
    "diffusion": Recipe(
        lambda: Diffusion(MelSetting(80, 1024, 256, 8_000.0), width=48, layers=8),
        PROMPTS_AND_DIGITS, seed=6, share=0.15, minutes=3.5,
    ),
    "flow": Recipe(
        lambda: Flow(MelSetting(80, 1024, 256, 8_000.0), width=32, layers=4, flows=4),
        PROMPTS_AND_DIGITS, seed=7, minutes=3.5,
    ),
    "spectrogram": Recipe(
        lambda: Spectrogram(MelSetting(80, 1024, 200, 8_000.0), width=128, blocks=3, rounds=20),
        PROMPTS_AND_DIGITS, seed=8, minutes=1.0, share=0.15,
    ),
}  # fmt: skip
