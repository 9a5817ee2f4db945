"""Three vocoders that are told by spectra what to say: upsampling, inverse STFT, source and filter.

A vocoder turns `features(samples)`, (n, channels, frames), into samples again, (n, frames * hop).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.voice_spoof.vocoders.losses import spectral_distance
from training.voice_spoof.vocoders.signal import (
    RATE_HZ,
    MelSetting,
    framed,
    griffin_lim,
    log_mel,
    overlapped,
    pitch_hz,
)


class Vocoder(nn.Module):
    """What all have in common: mel features in, samples out, a loss to learn by."""

    def __init__(self, mel: MelSetting) -> None:
        super().__init__()
        self.mel = mel
        self.steps = torch.tensor(0)

    def features(self, samples: Tensor) -> Tensor:
        return log_mel(samples, self.mel)

    def said(self, features: Tensor, *, random: torch.Generator) -> Tensor:
        """Samples (n, frames * hop), drawn with `random` where the method draws."""
        spoken: Tensor = self(features)
        return spoken

    def loss(self, samples: Tensor, *, random: torch.Generator) -> tuple[Tensor, Tensor | None]:
        """How far off it is, and what it said, where that was asked for: (n, samples)."""
        said = self.said(self.features(samples), random=random)
        return spectral_distance(said, samples), said


class DilatedPair(nn.Module):
    """Two convolutions around which the signal may pass; (n, width, t) -> the same."""

    def __init__(self, width: int, kernel: int, dilation: int) -> None:
        super().__init__()
        pad = dilation * (kernel - 1) // 2
        self.wide = nn.Conv1d(width, width, kernel, dilation=dilation, padding=pad)
        self.near = nn.Conv1d(width, width, kernel, padding=(kernel - 1) // 2)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.wide(functional.leaky_relu(x, 0.1))
        summed: Tensor = x + self.near(functional.leaky_relu(inner, 0.1))
        return summed


class Upsampling(Vocoder):
    """Transposed convolutions up to the sample rate, each with dilated residual blocks.

    J. Kong, J. Kim, J. Bae: HiFi-GAN, NeurIPS 2020, arXiv:2010.05646, in small.
    """

    def __init__(
        self, mel: MelSetting, *, factors: tuple[int, ...], width: int, kernel: int = 3
    ) -> None:
        super().__init__(mel)
        layers: list[nn.Module] = [nn.Conv1d(mel.bands, width, 7, padding=3)]
        for factor in factors:
            half = max(width // 2, 12)
            pad = (factor + 1) // 2
            up = nn.ConvTranspose1d(
                width, half, 2 * factor, stride=factor, padding=pad, output_padding=factor % 2
            )
            layers += [nn.LeakyReLU(0.1), up]
            layers += [DilatedPair(half, kernel, dilation) for dilation in (1, 3)]
            width = half
        layers += [nn.LeakyReLU(0.1), nn.Conv1d(width, 1, 7, padding=3), nn.Tanh()]
        self.layers = nn.Sequential(*layers)

    def forward(self, features: Tensor) -> Tensor:
        samples: Tensor = self.layers(features)
        return samples[:, 0, : features.shape[2] * self.mel.hop]


class FrameBlock(nn.Module):
    """ConvNeXt over frames: depthwise convolution, norm, two linear layers, a way around."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.over_time = nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide = nn.Linear(width, 3 * width)
        self.back = nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.over_time(x).transpose(1, 2))
        summed: Tensor = x + self.back(functional.gelu(self.wide(y))).transpose(1, 2)
        return summed


def frame_network(inputs: int, width: int, outputs: int, *, blocks: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(inputs, width, 7, padding=3),
        *[FrameBlock(width, 7) for _ in range(blocks)],
        nn.Conv1d(width, outputs, 1),
    )


class InverseStft(Vocoder):
    """Magnitude and phase of every frame, then one inverse transform.

    H. Siuzdak: Vocos, ICLR 2024, arXiv:2306.00814, in small.
    """

    def __init__(self, mel: MelSetting, *, width: int, blocks: int) -> None:
        super().__init__(mel)
        self.network = frame_network(mel.bands, width, mel.fft + 2, blocks=blocks)

    def forward(self, features: Tensor) -> Tensor:
        magnitude, phase = self.network(features).chunk(2, dim=1)
        magnitude = torch.exp(magnitude.clamp(max=6.0))
        return overlapped(torch.complex(magnitude * phase.cos(), magnitude * phase.sin()), self.mel)


class SourceFilter(Vocoder):
    """Pulses at the pitch and noise, each shaped per frame by a learned envelope.

    J. Engel et al.: DDSP, ICLR 2020, arXiv:2001.04643; X. Wang, S. Takaki, J. Yamagishi: Neural
    Source-Filter Waveform Models, TASLP 2020, arXiv:1904.12088.
    """

    ENVELOPE = 64

    def __init__(self, mel: MelSetting, *, width: int, blocks: int) -> None:
        super().__init__(mel)
        self.network = frame_network(mel.bands + 2, width, 2 * self.ENVELOPE, blocks=blocks)

    def features(self, samples: Tensor) -> Tensor:
        pitch = pitch_hz(samples, self.mel.hop)[:, None]
        voiced = (pitch > 0).float()
        return torch.cat([log_mel(samples, self.mel), pitch / 200.0, voiced], dim=1)

    def said(self, features: Tensor, *, random: torch.Generator) -> Tensor:
        pitch = (features[:, -2:-1] * 200.0).repeat_interleave(self.mel.hop, dim=2)[:, 0]
        voiced = (pitch > 40.0).float()
        pitch = pitch.clamp(min=62.0)
        turns = torch.cumsum(pitch.double() / RATE_HZ, dim=1) % 1.0
        phase = (turns * 6.283185307179586).float()
        harmonics = torch.floor(7_600.0 / pitch)
        below = torch.sin(phase / 2)
        safe = torch.where(below.abs() < 1e-3, torch.full_like(below, 1e-3), below)
        pulses = torch.where(
            below.abs() < 1e-3, harmonics, torch.sin((harmonics + 0.5) * phase) / (2 * safe) - 0.5
        )
        pulses = voiced * pulses * torch.sqrt(2.0 / harmonics)
        noise = torch.randn(pulses.shape, generator=random)
        shapes = self.network(features).chunk(2, dim=1)
        total = torch.zeros_like(pulses)
        for source, shape in zip((pulses, noise), shapes, strict=True):
            spectra = framed(source, self.mel)
            gain = functional.interpolate(
                shape.transpose(1, 2), size=spectra.shape[1], mode="linear", align_corners=True
            )
            gain = torch.exp(gain.clamp(-10.0, 3.0) - 3.0).transpose(1, 2)
            total = total + overlapped(spectra * gain, self.mel)
        return total


class Spectrogram(Vocoder):
    """Linear magnitudes from mel features by a network; phases by Griffin and Lim's method.

    The post-network of Y. Wang et al.: Tacotron, Interspeech 2017, arXiv:1703.10135, in kind.
    """

    def __init__(self, mel: MelSetting, *, width: int, blocks: int, rounds: int) -> None:
        super().__init__(mel)
        self.network = frame_network(mel.bands, width, mel.fft // 2 + 1, blocks=blocks)
        self.rounds = rounds

    def loss(self, samples: Tensor, *, random: torch.Generator) -> tuple[Tensor, None]:
        meant = framed(samples, self.mel).abs().clamp(min=1e-4).log()
        return (self.network(self.features(samples)) - meant).abs().mean(), None

    def said(self, features: Tensor, *, random: torch.Generator) -> Tensor:
        magnitude = torch.exp(self.network(features).clamp(max=6.0))
        return griffin_lim(magnitude, self.mel, rounds=self.rounds, random=random)
