"""MesoNet: two small networks that look at a face's texture, neither its pixels nor its meaning.

D. Afchar, V. Nozick, J. Yamagishi, I. Echizen: MesoNet: a Compact Facial Video Forgery Detection
Network, WIFS 2018, arXiv:1809.00888. Written from the paper. The authors' weights are files of
Keras, where a layer's name says only the order in which it was made: the layers here are made in
that order too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 256
"""Pixels of the square picture of a face."""
KERAS_EPSILON = 1e-3


def convolution(inputs: int, outputs: int, size: int, *, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding="same", dilation=dilation)


class Inception(nn.Module):
    """Looks of four reaches side by side; (n, inputs, h, w) -> (n, sum of widths, h, w)."""

    def __init__(self, inputs: int, widths: tuple[int, int, int, int]) -> None:
        super().__init__()
        self.near = convolution(inputs, widths[0], 1)
        self.reaches = nn.ModuleList()
        for dilation, width in enumerate(widths[1:], start=1):
            self.reaches.append(convolution(inputs, width, 1))
            self.reaches.append(convolution(width, width, 3, dilation=dilation))

    def forward(self, x: Tensor) -> Tensor:
        looks = [torch.relu(self.near(x))]
        for narrow, wide in zip(self.reaches[::2], self.reaches[1::2], strict=True):
            looks.append(torch.relu(wide(torch.relu(narrow(x)))))
        return torch.cat(looks, dim=1)


class Mesonet(nn.Module):
    """Pictures (n, 3, SIDE, SIDE), RGB in 0..1 -> the probability that each is real, (n,)."""

    def __init__(self, first: nn.Module, second: nn.Module, widths: tuple[int, int]) -> None:
        super().__init__()
        third, fourth = convolution(widths[1], 16, 5), convolution(16, 16, 5)
        self.looks = nn.ModuleList([first, second, third, fourth])
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(width, eps=KERAS_EPSILON) for width in (*widths, 16, 16)
        )
        self.hidden = nn.Linear((SIDE // 32) ** 2 * 16, 16)
        self.out = nn.Linear(16, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        x = pictures
        for look, norm, pool in zip(self.looks, self.norms, (2, 2, 2, 4), strict=True):
            x = functional.max_pool2d(norm(torch.relu(look(x))), pool)
        flat = x.permute(0, 2, 3, 1).flatten(1)  # as Keras lays pictures out: channels last
        hidden = functional.leaky_relu(self.hidden(flat), 0.1)
        return torch.sigmoid(self.out(hidden))[:, 0]


def meso4() -> Mesonet:
    return Mesonet(convolution(3, 8, 3), convolution(8, 8, 5), (8, 8))


def meso_inception4() -> Mesonet:
    first = Inception(3, (1, 4, 4, 2))
    return Mesonet(first, Inception(11, (2, 4, 4, 2)), (11, 12))


VARIANTS = {"Meso4": meso4, "MesoInception4": meso_inception4}

PARTS = {
    "conv2d": (nn.Conv2d, {"kernel": "weight", "bias": "bias"}),
    "batch_normalization": (
        nn.BatchNorm2d,
        {
            "gamma": "weight",
            "beta": "bias",
            "moving_mean": "running_mean",
            "moving_variance": "running_var",
        },
    ),
    "dense": (nn.Linear, {"kernel": "weight", "bias": "bias"}),
}
"""What Keras calls a layer and its weights, and what they are called here."""


def from_keras(tensors: Mapping[str, Tensor], network: Mesonet) -> dict[str, Tensor]:
    """The weights of a Keras model under the names that `network` has for them.

    Layers of one kind are matched by the number in their name. Raises `ValueError` when they are
    not as many, or one has a name of no such layer.
    """
    layers: dict[str, dict[int, dict[str, Tensor]]] = {kind: {} for kind in PARTS}
    for name, tensor in tensors.items():
        found = re.fullmatch(r"(conv2d|batch_normalization|dense)(?:_(\d+))?/(\w+):0", name)
        if found is None:
            raise ValueError(f"{name[:80]} is of no layer of MesoNet")
        kind, number, weight = found.groups()
        layers[kind].setdefault(int(number or 0), {})[weight] = _turned(tensor)
    state: dict[str, Tensor] = {}
    for kind, (module_type, names) in PARTS.items():
        ours = [name for name, part in network.named_modules() if isinstance(part, module_type)]
        theirs = [layers[kind][number] for number in sorted(layers[kind])]
        if len(ours) != len(theirs):
            raise ValueError(f"{len(theirs)} layers {kind}, not {len(ours)}")
        for place, weights in zip(ours, theirs, strict=True):
            state |= {f"{place}.{names.get(key, key)}": each for key, each in weights.items()}
    counts = {name: each for name, each in network.state_dict().items() if name.endswith("tracked")}
    return state | counts


def _turned(tensor: Tensor) -> Tensor:
    """Keras keeps (height, width, inputs, outputs) and (inputs, outputs); torch, outputs first."""
    if tensor.ndim == 4:
        return tensor.permute(3, 2, 0, 1).contiguous()
    return tensor.T.contiguous() if tensor.ndim == 2 else tensor
