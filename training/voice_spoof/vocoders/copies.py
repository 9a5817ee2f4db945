"""Let every vocoder say real clips again, as fakes that differ from them in the vocoder alone.

    python -m training.voice_spoof.vocoders.copies --data DIR --vocoders VOCODERS --out COPIES

Writes COPIES/manifest.csv and the clips it names; give `--data DIR COPIES` to what reads clips. A
clip's name decides which share of the vocoders says it, how its features are spoiled on the way
(half are not), and whether the copy gets the original's spectral envelope back (half do: then
nothing but fine structure is left to tell them apart).
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from training.voice_spoof.clips import RATE_HZ, Clip, manifest_of, read_clips
from training.voice_spoof.vocoders.networks import Vocoder
from training.voice_spoof.vocoders.recipes import RECIPES
from training.voice_spoof.vocoders.signal import (
    MelSetting,
    framed,
    griffin_lim,
    mel_bank,
    overlapped,
    spoiled,
)

LOW_HZ, HIGH_HZ = 60.0, 7_200.0
DITHER_DBFS = -68.0
ENVELOPE = MelSetting(40, 1024, 256, 8_000.0)
COLUMNS = ("file", "label", "system", "speaker", "source", "licence", "split")


class MelGriffinLim(Vocoder):
    """No network: magnitudes by the pseudo-inverse of the mel bands, phases by Griffin and Lim."""

    def __init__(self, mel: MelSetting, *, rounds: int) -> None:
        super().__init__(mel)
        self.rounds = rounds

    def said(self, features: Tensor, *, random: torch.Generator) -> Tensor:
        inverse = torch.linalg.pinv(mel_bank(self.mel).T)
        magnitude = (inverse @ torch.exp(features * 4.0 - 3.0)).clamp(min=1e-4)
        return griffin_lim(magnitude, self.mel, rounds=self.rounds, random=random)


UNTRAINED: dict[str, Vocoder] = {
    "gl-mel128": MelGriffinLim(MelSetting(128, 1024, 256, 8_000.0), rounds=32),
    "gl-mel60": MelGriffinLim(MelSetting(60, 512, 128, 7_600.0), rounds=10),
}
UNTRAINED_SHARE = 0.15


def vocoders(folder: Path) -> Iterator[tuple[str, Vocoder, float]]:
    """Name, vocoder and the share of clips it says: those with a file in the folder, and more."""
    for name, recipe in RECIPES.items():
        stored = folder / f"{name}.safetensors"
        if not stored.exists():
            print(f"{name}: no {stored}, left out", file=sys.stderr, flush=True)
            continue
        vocoder = recipe.build()
        vocoder.load_state_dict(load_file(stored))
        yield name, vocoder.eval(), recipe.share
    for name, vocoder in UNTRAINED.items():
        yield name, vocoder, UNTRAINED_SHARE


def copy_of(clip: Clip, name: str, vocoder: Vocoder) -> NDArray[np.int16]:
    """The clip as the vocoder says it: as long, as loud, as wide, with the same noise under it."""
    draw = drawn(name, clip)
    random = torch.Generator().manual_seed(int(draw[0]) * 65_536 + int(draw[1]))
    hop = vocoder.mel.hop
    length = len(clip.pcm)
    samples = torch.from_numpy(clip.pcm.astype(np.float32) / 32768.0)[None]
    whole = torch.nn.functional.pad(samples, (0, -length % hop))
    with torch.inference_mode():
        features = vocoder.features(whole)
        bands = vocoder.mel.bands
        mel = spoiled(features[:, :bands], kind=int(draw[2]) % 8, random=random)
        said = vocoder.said(torch.cat([mel, features[:, bands:]], dim=1), random=random)
        said = said[:, :length]
        if draw[3] % 2:
            said = with_envelope_of(samples, said)
        said = equalised(said, level=float(samples.square().mean().sqrt()), random=random)
    pcm: NDArray[np.int16] = (said[0].clamp(-1.0, 1.0) * 32767.0).round().short().numpy()
    return pcm


def drawn(name: str, clip: Clip) -> NDArray[np.uint16]:
    """Numbers that belong to this vocoder and clip."""
    digest = hashlib.sha256(f"{name}/{clip.file}".encode()).digest()
    return np.frombuffer(digest, dtype="<u2")


def with_envelope_of(meant: Tensor, said: Tensor) -> Tensor:
    """`said` with the power of `meant` in each of 40 mel bands and each frame, within 20 dB."""
    length = said.shape[1]
    pad = -length % ENVELOPE.hop
    spectra = framed(torch.nn.functional.pad(said, (0, pad)), ENVELOPE)
    model = framed(torch.nn.functional.pad(meant, (0, pad)), ENVELOPE)
    bank = mel_bank(ENVELOPE)
    wanted, had = (bank.T @ part.abs().square() + 1e-6 for part in (model, spectra))
    gain_db = (10 * torch.log10(wanted / had)).clamp(-20.0, 20.0)
    spread = bank / bank.sum(dim=1, keepdim=True).clamp(min=1e-9)
    gained = spectra * 10 ** ((spread @ gain_db) / 20)
    return overlapped(gained, ENVELOPE)[:, :length]


def equalised(said: Tensor, *, level: float, random: torch.Generator) -> Tensor:
    """Between 60 and 7,200 Hz, at this level, on dither of -68 dBFS: as the originals are."""
    length = said.shape[1]
    hz = torch.fft.rfftfreq(2 * length, 1 / RATE_HZ)
    gain = torch.sigmoid((hz - LOW_HZ) / 8.0) * torch.sigmoid((HIGH_HZ - hz) / 60.0)
    said = torch.fft.irfft(torch.fft.rfft(said, n=2 * length) * gain, n=2 * length)[:, :length]
    said = said * (level / said.square().mean().sqrt().clamp(min=1e-6))
    return said + 10 ** (DITHER_DBFS / 20) * torch.randn(said.shape, generator=random)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="manifest.csv or its folder")
    parser.add_argument("--vocoders", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    clips = [clip for clip in read_clips(manifest_of(settings.data)) if not clip.fake]
    rows = []
    for name, vocoder, share in vocoders(settings.vocoders):
        chosen = [clip for clip in clips if drawn(name, clip)[4] < share * 65_536]
        for clip in chosen:
            place = Path(clip.file)
            rest = place.name.removeprefix("real_")
            file = place.with_name(f"fake_copy-{name}_{rest}").with_suffix(".flac")
            out = settings.out / file
            out.parent.mkdir(parents=True, exist_ok=True)
            if not out.exists():
                soundfile.write(out, copy_of(clip, name, vocoder), RATE_HZ)
            source = f"self-made from {clip.source}"
            system = f"copy-{name}"
            rows.append((str(file), "fake", system, clip.speaker, source, clip.licence, clip.split))
        print(f"{name}: {len(chosen)} clips", file=sys.stderr, flush=True)
    with (settings.out / "manifest.csv").open("w", newline="", encoding="utf-8") as lines:
        csv.writer(lines).writerows([COLUMNS, *rows])


if __name__ == "__main__":
    main()
