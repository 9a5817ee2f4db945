"""What a vocoder in training is told: distance of spectra, and an adversary's opinion."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.voice_spoof.vocoders.signal import MelSetting, framed

RESOLUTIONS = (
    MelSetting(0, 256, 64, 8_000.0),
    MelSetting(0, 512, 128, 8_000.0),
    MelSetting(0, 1024, 256, 8_000.0),
)


def spectral_distance(said: Tensor, meant: Tensor) -> Tensor:
    """Spectral convergence and distance of log magnitudes at three resolutions.

    R. Yamamoto, E. Song, J.-M. Kim: Parallel WaveGAN, ICASSP 2020, arXiv:1910.11480.
    """
    total = said.new_zeros(())
    for setting in RESOLUTIONS:
        one = framed(said, setting).abs().clamp(min=1e-4)
        other = framed(meant, setting).abs().clamp(min=1e-4)
        convergence = (one - other).norm() / other.norm().clamp(min=1e-3)
        total = total + convergence + (one.log() - other.log()).abs().mean()
    return total / len(RESOLUTIONS)


class Adversary(nn.Module):
    """Looks at log spectra of two resolutions for what gives a vocoder away.

    W. Jang et al.: UnivNet, Interspeech 2021, arXiv:2106.07889, its multi-resolution spectrogram
    discriminator in small; least-squares objective and feature matching as in HiFi-GAN.
    """

    def __init__(self, *, width: int = 12) -> None:
        super().__init__()

        def looker() -> nn.ModuleList:
            return nn.ModuleList(
                [
                    nn.Conv2d(1, width, (7, 3), stride=(2, 1), padding=(3, 1)),
                    nn.Conv2d(width, width, (5, 3), stride=(2, 1), padding=(2, 1)),
                    nn.Conv2d(width, width, (5, 3), stride=(2, 2), padding=(2, 1)),
                    nn.Conv2d(width, 1, 3, padding=1),
                ]
            )

        self.lookers = nn.ModuleList([looker() for _ in RESOLUTIONS[1:]])

    def forward(self, samples: Tensor) -> list[list[Tensor]]:
        """The maps of every layer, per resolution; the last one of each is the opinion."""
        opinions = []
        for setting, layers in zip(RESOLUTIONS[1:], self.lookers, strict=True):
            x = framed(samples, setting).abs().clamp(min=1e-4).log()[:, None] / 4.0
            maps = []
            assert isinstance(layers, nn.ModuleList)
            for index, layer in enumerate(layers):
                x = layer(x)
                if index < len(layers) - 1:
                    x = functional.leaky_relu(x, 0.1)
                maps.append(x)
            opinions.append(maps)
        return opinions

    def own_loss(self, said: Tensor, meant: Tensor) -> Tensor:
        """To be lowered by the adversary: real is one, made is zero."""
        total = said.new_zeros(())
        for real, fake in zip(self(meant), self(said.detach()), strict=True):
            total = total + (real[-1] - 1).square().mean() + fake[-1].square().mean()
        return total

    def vocoder_loss(self, said: Tensor, meant: Tensor) -> Tensor:
        """To be lowered by the vocoder: pass for real, and look alike in every layer."""
        with torch.no_grad():
            wanted = self(meant)
        total = said.new_zeros(())
        for fake, real in zip(self(said), wanted, strict=True):
            total = total + (fake[-1] - 1).square().mean()
            for one, other in zip(fake[:-1], real[:-1], strict=True):
                total = total + 2.0 * (one - other).abs().mean()
        return total
