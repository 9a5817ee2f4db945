"""Distorts windows of speech as the way from a mouth to a monitor does; both classes alike.

Everything is drawn per window and computed for the whole batch at once, on any device.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

RATE_HZ = 16_000
ROOM_TAPS = RATE_HZ // 2
"""So long a room is heard."""
MU = 255.0
NEPERS_PER_DB = math.log(10.0) / 20
MASKED_BANDS, MASKED_FRAMES = 16, 20
"""At most so many beside each other, of 96 and of 124, are hidden from a network that trains."""


class Distortion:
    """A seeded law of distortions. `shared` gives rows with the same number the same draw."""

    def __init__(self, *, seed: int, device: torch.device) -> None:
        self.random = torch.Generator(device=device).manual_seed(seed)
        self.device = device

    def __call__(self, samples: Tensor, shared: Tensor) -> Tensor:
        """(n, samples) float32, about -26 dBFS -> the same shape; `shared` is (n,) of 0..n."""
        draws = int(shared.max()) + 1
        samples = self._pause(samples, draws, shared)
        length = samples.shape[1]
        whole = length + ROOM_TAPS
        response = self._room(draws, whole) * self._colour(draws, whole)
        spectrum = torch.fft.rfft(samples, n=whole) * response[shared]
        samples = torch.fft.irfft(spectrum, n=whole)[:, :length]
        samples = self._noise(samples, draws, shared)
        samples = self._band_limit(samples, draws, shared)
        samples = self._clip(samples, draws, shared)
        return self._mu_law(samples, draws, shared)

    def _uniform(self, draws: int, low: float, high: float) -> Tensor:
        unit = torch.rand(draws, generator=self.random, device=self.device)
        return low + (high - low) * unit

    def _often(self, draws: int, share: float) -> Tensor:
        return torch.rand(draws, generator=self.random, device=self.device) < share

    def _pause(self, samples: Tensor, draws: int, shared: Tensor) -> Tensor:
        """Up to 0.8 s of silence at one end, as windows that begin or end between sentences."""
        at = torch.arange(samples.shape[1], device=self.device) / RATE_HZ
        span = samples.shape[1] / RATE_HZ
        pause_s = self._uniform(draws, 0.1, 0.8) * self._often(draws, 0.25)
        head = self._often(draws, 0.5)[:, None]
        keep = torch.where(head, at >= pause_s[:, None], at < span - pause_s[:, None])
        heard: Tensor = samples * keep[shared]
        return heard

    def _room(self, draws: int, length: int) -> Tensor:
        """Spectrum of an impulse: direct sound and, often, an exponential tail of noise."""
        at = torch.arange(ROOM_TAPS, device=self.device) / RATE_HZ
        decay_s = self._uniform(draws, 0.08, 0.5)[:, None]
        noise = torch.randn(draws, ROOM_TAPS, generator=self.random, device=self.device)
        tail = noise * torch.exp(-6.9 * at / decay_s) * (at > 0.002)
        tail = tail / tail.square().sum(dim=1, keepdim=True).sqrt()
        direct_to_tail_db = self._uniform(draws, 0.0, 18.0)
        wet = 10 ** (-direct_to_tail_db / 20) * self._often(draws, 0.4)
        impulse = tail * wet[:, None]
        impulse[:, 0] += 1.0
        spectrum: Tensor = torch.fft.rfft(impulse, n=length)
        return spectrum

    def _colour(self, draws: int, length: int) -> Tensor:
        """A smooth gain over frequency: tilt, and a few slow ripples."""
        octave = torch.linspace(0, 1, length // 2 + 1, device=self.device)
        tilt_db = self._uniform(draws, -9.0, 9.0) * self._often(draws, 0.5)
        gain_db = tilt_db[:, None] * (octave - 0.25)
        for ripples in (1.0, 2.0, 3.5):
            depth_db = self._uniform(draws, 0.0, 4.0) * self._often(draws, 0.5)
            phase = self._uniform(draws, 0.0, 6.283)
            gain_db = gain_db + depth_db[:, None] * torch.sin(
                6.283 * ripples * octave + phase[:, None]
            )
        return torch.exp(gain_db * NEPERS_PER_DB)

    def _noise(self, samples: Tensor, draws: int, shared: Tensor) -> Tensor:
        """White, coloured, or babble (other rows of the batch, mixed), at 10 to 45 dB."""
        length = samples.shape[1]
        white = torch.randn(draws, length, generator=self.random, device=self.device)
        steps = torch.arange(1, length // 2 + 2, device=self.device, dtype=torch.float32)
        slope = self._uniform(draws, 0.0, 1.2) * self._often(draws, 0.7)
        shape = torch.exp(-slope[:, None] * torch.log(steps / steps[-1]))
        coloured: Tensor = torch.fft.irfft(torch.fft.rfft(white) * shape.clamp(max=300.0), n=length)
        noise = coloured[shared]
        babbled = self._often(draws, 0.15)[shared].nonzero()[:, 0]
        noise[babbled] = sum(
            samples[(babbled - 3 * k - 1) % len(samples)].roll(1601 * k, dims=1)
            for k in range(1, 5)
        )
        noise = noise / noise.square().mean(dim=1, keepdim=True).sqrt().clamp(min=1e-6)
        ratio_db = self._uniform(draws, 10.0, 45.0)[shared]
        level = samples.square().mean(dim=1).sqrt() * 10 ** (-ratio_db / 20)
        return samples + noise * (level * self._often(draws, 0.7)[shared])[:, None]

    def _band_limit(self, samples: Tensor, draws: int, shared: Tensor) -> Tensor:
        """A steep low-pass at 3.4 to 6.8 kHz, a third of the time; a telephone's low end too."""
        length = samples.shape[1]
        hz = torch.linspace(0, RATE_HZ / 2, length // 2 + 1, device=self.device)
        edge_hz = self._uniform(draws, 3_400.0, 6_800.0)
        edge_hz = torch.where(self._often(draws, 0.3), edge_hz, torch.full_like(edge_hz, 1e5))
        low_hz = self._uniform(draws, 180.0, 420.0) * self._often(draws, 0.2)
        gain = torch.sigmoid((edge_hz[:, None] - hz) / 60.0)
        gain = (gain * torch.sigmoid((hz - low_hz[:, None] + 100.0) / 15.0))[shared]
        limited: Tensor = torch.fft.irfft(torch.fft.rfft(samples) * gain, n=length)
        return limited

    def _clip(self, samples: Tensor, draws: int, shared: Tensor) -> Tensor:
        """The loudest 1 to 30 % of the peak cut off, one time in ten."""
        peak = samples.abs().amax(dim=1)
        share = torch.where(
            self._often(draws, 0.1), self._uniform(draws, 0.3, 0.9), torch.ones(draws)
        )
        limit = (peak * share.to(self.device)[shared]).clamp(min=1e-4)[:, None]
        return samples.clamp(min=-limit, max=limit)

    def _mu_law(self, samples: Tensor, draws: int, shared: Tensor) -> Tensor:
        """Eight-bit mu-law after a gain of -12 to +12 dB, one time in twelve."""
        samples = samples * 10 ** (self._uniform(draws, -12.0, 12.0) / 20)[shared][:, None]
        coded = self._often(draws, 1 / 12)[shared]
        loud = samples[coded].clamp(-1.0, 1.0)
        code = torch.sign(loud) * torch.log1p(MU * loud.abs()) / math.log1p(MU)
        code = torch.round(code * 127.0) / 127.0
        samples[coded] = torch.sign(code) * torch.expm1(code.abs() * math.log1p(MU)) / MU
        return samples


class Masks:
    """A forward hook of a front end: while it trains, bands and frames of each row are hidden.

    One stretch of each, set to the mean (D. S. Park et al., "SpecAugment", Interspeech 2019).
    """

    def __init__(self, *, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def __call__(self, front: nn.Module, _: tuple[Tensor, ...], heard: Tensor) -> Tensor:
        """(n, bands, frames), zero in the mean -> the same shape."""
        if not front.training:
            return heard
        rows, bands, frames = heard.shape
        hidden = self._stretch(rows, bands, MASKED_BANDS)[:, :, None]
        hidden = hidden | self._stretch(rows, frames, MASKED_FRAMES)[:, None]
        return heard.masked_fill(hidden, 0.0)

    def _stretch(self, rows: int, length: int, most: int) -> Tensor:
        """One for each row, anywhere, of 0 to `most`; (rows, length)."""
        sizes = self.rng.integers(0, most + 1, size=(rows, 1))
        begins = self.rng.integers(0, length - sizes + 1)
        at = np.arange(length)
        return torch.from_numpy((at >= begins) & (at < begins + sizes))
