"""A small network that hears the traces vocoders leave in speech. Torch from samples to logit.

The front end is part of the model, so that training and run time cannot differ: the level of the
active speech is brought to -26 dBFS, a noise floor of -68 dBFS is laid under it (as if the sound
had been dithered; no digital silence to tell apart), and the log power of 96 linear bands between
60 and 7,200 Hz is taken and freed of each band's own mean, that is, of any fixed filter on the way.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

RATE_HZ = 16_000
FRAME = 400  # 25 ms
HOP = 256  # 16 ms
FFT = 512
BANDS = 96
LOW_HZ, HIGH_HZ = 60.0, 7_200.0
SPEECH_DBFS = -26.0
FLOOR_DBFS = -68.0
FREQUENCY_POOLS = 4


def filter_bank() -> Tensor:
    """Triangles of equal width and height over the power spectrum; (FFT // 2 + 1, BANDS)."""
    step_hz = (HIGH_HZ - LOW_HZ) / (BANDS + 1)
    bins_hz = torch.arange(FFT // 2 + 1, dtype=torch.float64) * RATE_HZ / FFT
    centres_hz = LOW_HZ + step_hz * torch.arange(1, BANDS + 1, dtype=torch.float64)
    distance = (bins_hz[:, None] - centres_hz[None, :]).abs() / step_hz
    return (1.0 - distance).clamp(min=0.0).float()


class BandPower(nn.Module):
    """Samples (n, samples) at 16 kHz, any gain -> (n, BANDS, frames), zero mean per band."""

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

    def forward(self, samples: Tensor) -> Tensor:
        with torch.autocast(samples.device.type, enabled=False):  # powers span 90 dB
            return self.centred(self.band_power(samples.float()))

    def band_power(self, samples: Tensor) -> Tensor:
        """Power per band at -26 dBFS of active speech, above the floor; (n, BANDS, frames)."""
        frames = samples.unfold(-1, FRAME, HOP)
        frames = (frames - frames.mean(dim=-1, keepdim=True)) * self.taper
        spectrum = torch.fft.rfft(frames, n=FFT)
        power = (spectrum.real.square() + spectrum.imag.square()) @ self.bank
        levelled: Tensor = power * self.gain(power)[:, None, None] + self.floor
        return levelled.transpose(1, 2)

    def gain(self, power: Tensor) -> Tensor:
        """The factor that brings the active frames of (n, frames, BANDS) to -26 dBFS; (n,)."""
        frame_level = power.sum(dim=-1) * (2.0 / FFT) / self.taper.square().sum()
        loud = torch.quantile(frame_level, 0.95, dim=-1, keepdim=True)
        active = (frame_level >= 0.01 * loud).to(power.dtype)
        level = (frame_level * active).sum(dim=-1) / active.sum(dim=-1)
        gain: Tensor = 10 ** (SPEECH_DBFS / 10) / level.clamp(min=1e-12)
        return gain

    @staticmethod
    def centred(power: Tensor) -> Tensor:
        """Log power less its mean over the window, in units of about one deviation."""
        log = torch.log(power)
        return (log - log.mean(dim=-1, keepdim=True)) / 2.0


class Residual(nn.Module):
    """Two 3x3 convolutions and a way around them; `stride` is (bands, time)."""

    def __init__(self, inputs: int, outputs: int, *, stride: tuple[int, int]) -> None:
        super().__init__()
        self.path = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.around = nn.Sequential(
            nn.Conv2d(inputs, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.path(x) + self.around(x))


class AttentiveStatistics(nn.Module):
    """Mean and deviation over time, each moment weighted by its worth; (n, d, t) -> (n, 2d)."""

    def __init__(self, width: int, *, hidden: int = 32) -> None:
        super().__init__()
        self.weigh = nn.Sequential(nn.Conv1d(width, hidden, 1), nn.Tanh(), nn.Conv1d(hidden, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.softmax(self.weigh(x), dim=-1)
        mean = (x * weight).sum(dim=-1)
        variance = ((x - mean[..., None]).square() * weight).sum(dim=-1)
        return torch.cat([mean, torch.sqrt(variance + 1e-5)], dim=-1)


class VocoderCnn(nn.Module):
    """Windows of speech (n, samples), float32 at 16 kHz -> logits (n,); above zero: synthetic.

    Each row is judged by itself: the batch it travels in changes nothing but the rounding.
    """

    def __init__(self, *, dropout: float = 0.2) -> None:
        super().__init__()
        self.features = BandPower()
        self.stem = nn.Sequential(
            nn.Conv2d(1, 16, (5, 3), stride=(2, 1), padding=(2, 1), bias=False),
            nn.BatchNorm2d(16),
            nn.ReLU(),
        )
        self.blocks = nn.Sequential(
            Residual(16, 32, stride=(2, 2)),
            Residual(32, 48, stride=(2, 1)),
            Residual(48, 64, stride=(1, 2)),
        )
        width = 64 * FREQUENCY_POOLS
        self.pool = AttentiveStatistics(width)
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(2 * width, 1))

    def forward(self, samples: Tensor) -> Tensor:
        maps = self.blocks(self.stem(self.features(samples)[:, None])).float()
        n, channels, bands, frames = maps.shape
        pooled = maps.reshape(n, channels, FREQUENCY_POOLS, bands // FREQUENCY_POOLS, frames)
        pooled = pooled.mean(dim=3).reshape(n, channels * FREQUENCY_POOLS, frames)
        with torch.autocast(samples.device.type, enabled=False):
            logits: Tensor = self.head(self.pool(pooled))
        return logits[:, 0]
