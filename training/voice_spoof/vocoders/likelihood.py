"""Two vocoders that learn a density of samples: diffusion and flow."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.voice_spoof.vocoders.networks import Vocoder
from training.voice_spoof.vocoders.signal import MelSetting

PATCH = 8
"""Samples that travel as channels of one step, so that the network runs at 2 kHz."""


def folded(samples: Tensor) -> Tensor:
    """(n, samples) -> (n, PATCH, samples / PATCH)."""
    return samples.reshape(len(samples), -1, PATCH).transpose(1, 2)


def unfolded(patches: Tensor) -> Tensor:
    return patches.transpose(1, 2).reshape(len(patches), -1)


class GatedStack(nn.Module):
    """WaveNet's gated dilated convolutions, led by features that are spread over the steps."""

    def __init__(self, inputs: int, width: int, outputs: int, lead: int, *, layers: int) -> None:
        super().__init__()
        self.first = nn.Conv1d(inputs, width, 1)
        self.dilated = nn.ModuleList(
            [
                nn.Conv1d(width, 2 * width, 3, dilation=2 ** (i % 6), padding=2 ** (i % 6))
                for i in range(layers)
            ]
        )
        self.leads = nn.Conv1d(lead, 2 * width * layers, 3, padding=1)
        self.back = nn.ModuleList([nn.Conv1d(width, 2 * width, 1) for _ in range(layers)])
        self.last = nn.Conv1d(width, outputs, 1)
        nn.init.zeros_(self.last.weight)
        assert self.last.bias is not None
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        x = self.first(x)
        leads = self.leads(features).chunk(len(self.dilated), dim=1)
        kept = torch.zeros_like(x)
        for dilated, lead, back in zip(self.dilated, leads, self.back, strict=True):
            spread = functional.interpolate(lead, size=x.shape[2], mode="linear")
            gate, value = (dilated(x) + spread).chunk(2, dim=1)
            ahead, skip = back(torch.sigmoid(gate) * torch.tanh(value)).chunk(2, dim=1)
            x = (x + ahead) * math.sqrt(0.5)
            kept = kept + skip
        heard: Tensor = self.last(torch.relu(kept))
        return heard


def loudness(features: Tensor, bands: int, size: int) -> Tensor:
    """About the deviation of the samples, read off the mel features; (n, 1, size)."""
    magnitude = torch.exp(features[:, :bands] * 4.0 - 3.0)
    level = magnitude.square().mean(dim=1, keepdim=True).sqrt() * 0.06
    return functional.interpolate(level, size=size, mode="linear").clamp(min=5e-4)


class Diffusion(Vocoder):
    """Noise turned into speech in six steps.

    N. Chen et al.: WaveGrad, ICLR 2021, arXiv:2009.00713; Z. Kong et al.: DiffWave, ICLR 2021,
    arXiv:2009.09761. The noise has the loudness of the features, after S. Lee et al.: PriorGrad,
    ICLR 2022, arXiv:2106.06406.
    """

    STEPS = (1e-4, 1e-3, 1e-2, 5e-2, 2e-1, 5e-1)

    def __init__(self, mel: MelSetting, *, width: int, layers: int) -> None:
        super().__init__(mel)
        self.network = GatedStack(PATCH, width, PATCH, mel.bands + 1, layers=layers)

    def noise_in(self, noisy: Tensor, kept: Tensor, features: Tensor) -> Tensor:
        """The noise heard in samples of which the share `kept` (n,) of the power is speech."""
        level = torch.log((1 - kept) / kept)[:, None, None] / 5.0
        lead = torch.cat([features, level.expand(-1, 1, features.shape[2])], dim=1)
        return unfolded(self.network(folded(noisy), lead))

    def loss(self, samples: Tensor, *, random: torch.Generator) -> tuple[Tensor, None]:
        features = self.features(samples)
        clean = samples / loudness(features, self.mel.bands, samples.shape[1])[:, 0]
        kept = torch.sigmoid(torch.rand(len(samples), generator=random) * 14.0 - 5.0)
        noise = torch.randn(clean.shape, generator=random)
        noisy = kept.sqrt()[:, None] * clean + (1 - kept).sqrt()[:, None] * noise
        return (self.noise_in(noisy, kept, features) - noise).abs().mean(), None

    def said(self, features: Tensor, *, random: torch.Generator) -> Tensor:
        size = features.shape[2] * self.mel.hop
        x = torch.randn(len(features), size, generator=random)
        kept = torch.cumprod(1 - torch.tensor(self.STEPS), dim=0)
        for step in reversed(range(len(self.STEPS))):
            share, beta = kept[step], self.STEPS[step]
            noise = self.noise_in(x, share.expand(len(x)), features)
            x = (x - beta / (1 - share).sqrt() * noise) / math.sqrt(1 - beta)
            if step:
                spread = math.sqrt(beta * float((1 - kept[step - 1]) / (1 - share)))
                x = x + spread * torch.randn(x.shape, generator=random)
        return x * loudness(features, self.mel.bands, size)[:, 0]


class Flow(Vocoder):
    """Speech turned into noise by steps that can be walked back.

    R. Prenger, R. Valle, B. Catanzaro: WaveGlow, ICASSP 2019, arXiv:1811.00002, in small.
    """

    def __init__(self, mel: MelSetting, *, width: int, layers: int, flows: int) -> None:
        super().__init__(mel)
        self.mixes = nn.ParameterList(
            [torch.linalg.qr(torch.randn(PATCH, PATCH))[0] for _ in range(flows)]
        )
        half = PATCH // 2
        self.couplings = nn.ModuleList(
            [GatedStack(half, width, PATCH, mel.bands, layers=layers) for _ in range(flows)]
        )

    def loss(self, samples: Tensor, *, random: torch.Generator) -> tuple[Tensor, None]:
        features = self.features(samples)
        level = loudness(features, self.mel.bands, samples.shape[1])[:, 0]
        hiss = 3e-4 * torch.randn(samples.shape, generator=random)
        x = folded((samples + hiss) / level)
        gained = x.new_zeros(())
        for mix, coupling in zip(self.mixes, self.couplings, strict=True):
            x = torch.einsum("ij,njt->nit", mix, x)
            first, second = x.chunk(2, dim=1)
            scale, shift = coupling(first, features).chunk(2, dim=1)
            scale = 2.0 * torch.tanh(scale)
            x = torch.cat([first, second * scale.exp() + shift], dim=1)
            gained = gained + scale.mean() / 2 + torch.linalg.slogdet(mix)[1] / PATCH
        return 0.5 * x.square().mean() - gained, None

    def said(self, features: Tensor, *, random: torch.Generator) -> Tensor:
        size = features.shape[2] * self.mel.hop
        x = folded(0.7 * torch.randn(len(features), size, generator=random))
        steps = list(zip(self.mixes, self.couplings, strict=True))
        for mix, coupling in reversed(steps):
            first, second = x.chunk(2, dim=1)
            scale, shift = coupling(first, features).chunk(2, dim=1)
            second = (second - shift) * torch.exp(-2.0 * torch.tanh(scale))
            x = torch.einsum("ij,njt->nit", torch.linalg.inv(mix), torch.cat([first, second], 1))
        return unfolded(x) * loudness(features, self.mel.bands, size)[:, 0]
