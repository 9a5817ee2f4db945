"""Leave-systems-and-corpora-out: what a fold holds out, its network never heard in any form.

Every corpus and every system is held out once, with its relatives: what ends in the same kind of
vocoder. A vocoder of `vocoders/` is held out with the corpus it was trained on, so the other folds'
networks know neither its voice nor, through it, its corpus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from training.voice_spoof.clips import Clip
from training.voice_spoof.vocoders.recipes import (
    LIBRISPEECH,
    PICOVOICE,
    PROMPTS_AND_DIGITS,
    RECIPES,
)

OWN = tuple(f"copy-{name}" for name in RECIPES)
OWN_UNTRAINED = ("copy-gl-mel",)


def trained_on(sources: tuple[str, ...]) -> tuple[str, ...]:
    """The vocoders that learned from these corpora only."""
    learned = {name for name, recipe in RECIPES.items() if set(recipe.sources) <= set(sources)}
    return tuple(f"copy-{name}" for name in RECIPES if name in learned)


@dataclass(frozen=True, slots=True)
class Fold:
    """The beginnings of the names of what is held out."""

    sources: tuple[str, ...]
    systems: tuple[str, ...]

    def split(self, clips: Sequence[Clip]) -> tuple[list[Clip], list[Clip], list[Clip]]:
        """To train on, to check on (seen systems, other speakers), and held out in both ways."""
        kept, held = [], []
        for clip in clips:
            source = clip.source.startswith(self.sources)
            system = clip.fake and clip.system.startswith(self.systems)
            if not source and not system:
                kept.append(clip)
            elif (source and not clip.fake) or (system and (source or clip.origin is None)):
                held.append(clip)
        return (
            [clip for clip in kept if clip.split == "train"],
            [clip for clip in kept if clip.split == "dev"],
            held,
        )


GAMES = (
    "Debian tuxpaint", "Debian fillets", "Debian warzone", "Debian pocketsphinx", "Uberi/",
    "AISHELL-3", "GCompris", "Debian ktuberling", "Debian codec2", "AMI,", "watson-",
)  # fmt: skip
LIBRITTS = ("LibriTTS",)
"""Read by people of LibriSpeech's corpus: held out with it."""
CMU_ARCTIC = ("CMU ARCTIC",)
"""Its voices are Festival's and Flite's, too."""
THORSTEN = ("Thorsten-Voice",)
"""Held out with the HiFi-GANs that say his voice again."""
UPSAMPLED = (
    "copy-hifigan", "copy-cargan", "piper-vits", "vits-", "melo-docs", "mimic3-vits", "larynx",
    "matcha-", "gradtts-page", "fastspeech2", "tacotron2-hifigan", "overflow", "diffgan-tts",
    "portaspeech", "transformer-tts", "diffsinger", "stylespeech", "assem-vc", "hifigan-page",
    "pflow",
)  # fmt: skip
"""What ends in HiFi-GAN's upsampling convolutions, or VITS's, which are the same, or CARGAN's."""
INVERSE_STFT = ("hibari", "kokoro", "vocos-page", "bark-page", "istft-vits")
STEPS_AND_FLOWS = (
    "copy-fargan", "wavenet", "wavegrad", "waveglow", "deepvoice3", "griffin-lim",
)  # fmt: skip
"""Autoregression, diffusion and flow; DeepVoice 3's samples end in Griffin and Lim's phases."""
OTHER_GAN = (
    "copy-melgan", "copy-pwgan", "melgan-", "pwgan-", "vocgan-", "univnet", "tortoise",
)  # fmt: skip
"""MelGAN, Parallel WaveGAN, VocGAN and UnivNet; Tortoise ends in the latter."""
FOLDS = {
    "librispeech": Fold(
        LIBRISPEECH + LIBRITTS + THORSTEN, (*UPSAMPLED, *trained_on(LIBRISPEECH)),
    ),
    "picovoice": Fold(PICOVOICE, ("copy-world", *INVERSE_STFT, *trained_on(PICOVOICE))),
    "prompts-and-digits": Fold(
        PROMPTS_AND_DIGITS + CMU_ARCTIC,
        ("copy-gl", "espeak-ng", "festival-", "flite", "jtalk-", *STEPS_AND_FLOWS,
         *trained_on(PROMPTS_AND_DIGITS)),
    ),
    "games": Fold(GAMES, ("copy-lyra", "pico", "gnuspeech", *OTHER_GAN)),
}  # fmt: skip


def is_own(system: str) -> bool:
    """Whether these are copies by `vocoders/`."""
    return system.startswith((*OWN, *OWN_UNTRAINED))


def without_own_vocoders(clips: Sequence[Clip]) -> list[Clip]:
    """The clips that were there before the small vocoders."""
    return [clip for clip in clips if not is_own(clip.system)]
