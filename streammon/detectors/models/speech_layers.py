"""The first layers of a speech recogniser's encoder.

The layers are those of Whisper (A. Radford, J. W. Kim, T. Xu, G. Brockman, C. McLeavey, I.
Sutskever: Robust Speech Recognition via Large-Scale Weak Supervision, ICML 2023, arXiv:2212.04356),
written from the paper. Torch from samples to what is heard. The front end is part of the model, so
that training and run time cannot differ: the level of the active speech is brought to -26 dBFS, a
noise floor of -68 dBFS is laid under it (as if the sound had been dithered; no digital silence to
tell apart), and 80 mel bands are taken on the paper's scale.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

RATE_HZ = 16_000
FRAME = 400  # 25 ms
HOP = 160  # 10 ms
MELS = 80
WIDTH, HEADS = 384, 6  # of the size `tiny`
SPEECH_DBFS = -26.0
FLOOR_DBFS = -68.0
RANGE = 8.0  # powers of ten between the loudest and the faintest that is told apart
PAUSE_DBFS, SOFT_DB = -46.0, 3.0
"""Frames fainter than the first, after levelling, are pauses; how gradually they become that."""


def hz_of_mel(mel: Tensor) -> Tensor:
    """Slaney's scale: 15 mel per 1,000 Hz below 1,000 Hz, then 27 to a factor of 6.4."""
    above = 1_000.0 * torch.exp((mel - 15.0) * (math.log(6.4) / 27.0))
    return torch.where(mel < 15.0, mel * 200.0 / 3.0, above)


def filter_bank() -> Tensor:
    """Triangles of equal area, evenly spaced in mel from 0 Hz to 8 kHz; (FRAME // 2 + 1, MELS)."""
    top = 15.0 + 27.0 * math.log(RATE_HZ / 2_000.0) / math.log(6.4)
    edges_hz = hz_of_mel(torch.linspace(0.0, top, MELS + 2, dtype=torch.float64))
    bins_hz = torch.arange(FRAME // 2 + 1, dtype=torch.float64)[:, None] * RATE_HZ / FRAME
    low, centre, high = edges_hz[:-2], edges_hz[1:-1], edges_hz[2:]
    rising, falling = (bins_hz - low) / (centre - low), (high - bins_hz) / (high - centre)
    triangles = torch.minimum(rising, falling).clamp(min=0.0)
    return (triangles * 2.0 / (high - low)).float()


def positions(count: int) -> Tensor:
    """Sines and cosines of periods from 2 pi to 2 pi * 10,000 frames; (count, WIDTH)."""
    half = WIDTH // 2
    rates = torch.exp(-math.log(10_000.0) / (half - 1) * torch.arange(half))
    angles = torch.arange(count)[:, None] * rates
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class LogMel(nn.Module):
    """Samples (n, samples) at 16 kHz, any gain -> log mel (n, MELS, frames)."""

    bank: Tensor
    taper: Tensor
    floor: Tensor

    def __init__(self) -> None:
        super().__init__()
        bank, taper = filter_bank(), torch.hann_window(FRAME, periodic=True)
        floor = 10 ** (FLOOR_DBFS / 10) * taper.square().sum() * bank.sum(dim=0)
        self.register_buffer("bank", bank, persistent=False)
        self.register_buffer("taper", taper, persistent=False)
        self.register_buffer("floor", floor, persistent=False)

    def forward(self, samples: Tensor) -> tuple[Tensor, Tensor]:
        """The log mel, and the level of each frame in it, (n, frames), as power."""
        with torch.autocast(samples.device.type, enabled=False):  # powers span 80 dB
            around = functional.pad(samples.float()[:, None], (FRAME // 2,) * 2, mode="reflect")
            spectrum = torch.fft.rfft(around[:, 0].unfold(-1, FRAME, HOP)[:, :-1] * self.taper)
            power = spectrum.real.square() + spectrum.imag.square()
            level = power.sum(dim=-1) * (2.0 / FRAME) / self.taper.square().sum()
            gain = levelling(level)[:, None]
            mel = ((power @ self.bank) * gain[..., None] + self.floor).log10()
            top = mel.amax(dim=(1, 2), keepdim=True)
            return ((torch.maximum(mel, top - RANGE) + 4.0) / 4.0).transpose(1, 2), level * gain


def levelling(level: Tensor) -> Tensor:
    """The factor that brings the active ones of the frames (n, frames) to -26 dBFS; (n,)."""
    loud = torch.quantile(level, 0.95, dim=-1, keepdim=True)
    active = (level >= 0.01 * loud).to(level.dtype)
    mean = (level * active).sum(dim=-1) / active.sum(dim=-1)
    gain: Tensor = 10 ** (SPEECH_DBFS / 10) / mean.clamp(min=1e-12)
    return gain


def spoken(level: Tensor) -> Tensor:
    """How much each of the layers' frames is speech rather than a pause; adds up to 1 a row.

    level: of the frames of the log mel, two to one of the layers', (n, 2 t); (n, t).
    """
    power = level.unfold(-1, 2, 2).mean(dim=-1)
    logits = (10.0 * power.clamp(min=1e-12).log10() - PAUSE_DBFS) / SOFT_DB
    share = torch.sigmoid(logits) + 1e-6
    return share / share.sum(dim=-1, keepdim=True)


class Layer(nn.Module):
    """Self-attention and two linear maps, each normalised first and added; (n, t, WIDTH)."""

    def __init__(self) -> None:
        super().__init__()
        self.heard, self.thought = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.ask, self.answer = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.widen, self.narrow = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        n, t, _ = x.shape
        query, key, value = (
            part.reshape(n, t, HEADS, WIDTH // HEADS).transpose(1, 2)
            for part in self.ask(self.heard(x)).chunk(3, dim=-1)
        )
        attended = functional.scaled_dot_product_attention(query, key, value)
        x = x + self.answer(attended.transpose(1, 2).reshape(n, t, WIDTH))
        thought: Tensor = x + self.narrow(functional.gelu(self.widen(self.thought(x))))
        return thought


class SpeechLayers(nn.Module):
    """The stem (two convolutions, the second to 20 ms frames) and the first `layers` layers."""

    def __init__(self, *, layers: int) -> None:
        super().__init__()
        self.log_mel = LogMel()
        self.near = nn.Conv1d(MELS, WIDTH, 3, padding=1)
        self.far = nn.Conv1d(WIDTH, WIDTH, 3, stride=2, padding=1)
        self.layers = nn.ModuleList(Layer() for _ in range(layers))

    def forward(self, samples: Tensor) -> tuple[list[Tensor], Tensor]:
        """What is heard after the stem and after each layer, (n, t, WIDTH) each; how much of
        each frame is speech, (n, t), which adds up to 1 a row.
        """
        mel, level = self.log_mel(samples)
        x = functional.gelu(self.far(functional.gelu(self.near(mel)))).transpose(1, 2)
        heard = [x + positions(x.shape[1]).to(x)]
        for layer in self.layers:
            heard.append(layer(heard[-1]))
        return heard, spoken(level)
