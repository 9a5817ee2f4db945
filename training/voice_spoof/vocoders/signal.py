"""Short-time spectra, mel features and what spoils them, pitch, Griffin and Lim's phases."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

RATE_HZ = 16_000


@dataclass(frozen=True, slots=True)
class MelSetting:
    """How a vocoder hears: so many mel bands up to `high_hz`, every `hop` samples."""

    bands: int
    fft: int
    hop: int
    high_hz: float


def framed(samples: Tensor, setting: MelSetting) -> Tensor:
    """Complex spectra of (n, samples), samples a multiple of the hop; (n, bins, samples / hop)."""
    around = (setting.fft - setting.hop) // 2
    padded = functional.pad(samples[:, None], (around, around), mode="reflect")[:, 0]
    window = torch.hann_window(setting.fft)
    frames = padded.unfold(-1, setting.fft, setting.hop) * window
    spectra: Tensor = torch.fft.rfft(frames)
    return spectra.transpose(1, 2)


def overlapped(spectra: Tensor, setting: MelSetting) -> Tensor:
    """The inverse of `framed`, by least squares; (n, bins, frames) -> (n, frames * hop)."""
    window = torch.hann_window(setting.fft)
    frames = torch.fft.irfft(spectra, n=setting.fft, dim=1) * window[:, None]
    count = frames.shape[2]
    length = setting.fft + setting.hop * (count - 1)

    def added(parts: Tensor) -> Tensor:
        return functional.fold(parts, (1, length), (1, setting.fft), stride=(1, setting.hop))[
            :, 0, 0
        ]

    weight = added(window.square()[None, :, None].expand(1, -1, count))
    around = (setting.fft - setting.hop) // 2
    whole: Tensor = added(frames) / weight.clamp(min=1e-3)
    return whole[:, around : around + count * setting.hop]


@cache
def mel_bank(setting: MelSetting) -> Tensor:
    """Triangles evenly spaced on the mel scale, each of area one; (bins, bands)."""

    def mel(hz: float) -> float:
        return 2595.0 * math.log10(1.0 + hz / 700.0)

    mels = torch.linspace(mel(30.0), mel(setting.high_hz), setting.bands + 2)
    edges = 700.0 * (10.0 ** (mels / 2595.0) - 1.0)
    hz = torch.arange(setting.fft // 2 + 1)[:, None] * RATE_HZ / setting.fft
    rise = (hz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    fall = (edges[2:] - hz) / (edges[2:] - edges[1:-1])
    triangles = torch.minimum(rise, fall).clamp(min=0.0)
    return triangles / triangles.sum(dim=0).clamp(min=1e-3)


def log_mel(samples: Tensor, setting: MelSetting) -> Tensor:
    """Log magnitudes, about -1 to 1; (n, samples) -> (n, bands, frames)."""
    magnitude = framed(samples, setting).abs()
    mel = mel_bank(setting).T @ magnitude
    return (mel.clamp(min=1e-4).log() + 3.0) / 4.0


def spoiled(mel: Tensor, *, kind: int, random: torch.Generator) -> Tensor:
    """Mel features as a text-to-speech model would predict them; `kind` 0 leaves them be.

    1 blurs over time, 2 over bands, 3 adds noise, 4 rounds to steps: errors of prediction.
    """
    if kind == 1:
        return functional.avg_pool1d(mel, 3, stride=1, padding=1, count_include_pad=False)
    if kind == 2:
        over_bands = functional.avg_pool1d(
            mel.transpose(1, 2), 3, stride=1, padding=1, count_include_pad=False
        )
        return over_bands.transpose(1, 2)
    if kind == 3:
        return mel + 0.06 * torch.randn(mel.shape, generator=random)
    if kind == 4:
        return torch.round(mel * 12.0) / 12.0
    return mel


def pitch_hz(samples: Tensor, hop: int) -> Tensor:
    """Pitch of (n, samples) by the peak of autocorrelation, 0 where unvoiced; (n, samples / hop).

    Searched between 62 and 400 Hz in frames of 64 ms; a median over five frames mends octaves.
    """
    size = 1024
    around = (size - hop) // 2
    padded = functional.pad(samples, (around, size - hop - around))
    frames = padded.unfold(-1, size, hop) * torch.hann_window(size)
    power = torch.fft.rfft(frames, n=2 * size).abs().square()
    likeness = torch.fft.irfft(power)[..., : size // 2]
    window = torch.fft.irfft(torch.fft.rfft(torch.hann_window(size), n=2 * size).abs().square())
    likeness = likeness / (likeness[..., :1] + 1e-6) / (window[: size // 2] / window[0])
    low, high = RATE_HZ // 400, RATE_HZ // 62
    best, at = likeness[..., low:high].max(dim=-1)
    hz = RATE_HZ / (at + low).float() * (best > 0.55)
    return functional.pad(hz, (2, 2), mode="replicate").unfold(-1, 5, 1).median(dim=-1).values


def griffin_lim(
    magnitude: Tensor, setting: MelSetting, *, rounds: int, random: torch.Generator
) -> Tensor:
    """Sound of (n, bins, frames) magnitudes, phases found by going to and fro.

    D. Griffin, J. Lim: Signal Estimation from Modified Short-Time Fourier Transform, 1984; with the
    momentum of N. Perraudin, P. Balazs, P. Sondergaard: A Fast Griffin-Lim Algorithm, WASPAA 2013.
    """
    angle = 2 * math.pi * torch.rand(magnitude.shape, generator=random)
    spectra = torch.polar(magnitude, angle)
    last = torch.zeros_like(spectra)
    for _ in range(rounds):
        consistent = framed(overlapped(spectra, setting), setting)
        ahead = consistent + 0.99 * (consistent - last)
        last = consistent
        spectra = magnitude * ahead / ahead.abs().clamp(min=1e-8)
    return overlapped(spectra, setting)
