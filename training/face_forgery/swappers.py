"""Small networks that put one face in another's place: what the detector learns to notice.

Three kinds, after the published ones: `Decoders`, a shared encoder with one decoder for each group
of people (the open face-swap tools); `Coded`, a code of the source's identity that shifts and
scales what was read off the target (Chen et al. 2020, SimSwap, arXiv:2106.06340; Huang and
Belongie 2017, arXiv:1703.06868); `Refined`, the source warped onto the target's mesh and repaired
by a U-Net (Nirkin et al. 2019, FSGAN, arXiv:1908.05932). They are small, see a few hundred people
once, and are good for nothing but to train and test a detector.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, silu

Kind = Literal["decoders", "coded", "refined"]
GROUPS = 16


class Swapper(Protocol):
    """All pictures (n, 3, side, side) in 0..1."""

    def __call__(self, target: Tensor, source: Tensor, group: Tensor) -> Tensor:
        """The target with the source's face. `group` (n,): who the source looks like."""
        ...


def down(inside: int, outside: int, *, stride: int = 2) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, stride, 1), nn.GroupNorm(4, outside), nn.SiLU()
    )


class Up(nn.Module):
    """Twice as large, with a code that scales and shifts each channel where there is one."""

    def __init__(self, inside: int, outside: int, *, code: int = 0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inside, outside, 3, 1, 1)
        self.norm = nn.GroupNorm(4, outside, affine=not code)
        self.style = nn.Linear(code, 2 * outside) if code else None

    def forward(self, maps: Tensor, code: Tensor | None = None) -> Tensor:
        maps = self.norm(self.conv(interpolate(maps, scale_factor=2.0)))
        if self.style is not None and code is not None:
            scale, shift = self.style(code)[..., None, None].chunk(2, dim=1)
            maps = maps * (1 + scale) + shift
        return silu(maps)


class Encoder(nn.Sequential):
    """To 1/16 of the side and 6 * width channels."""

    def __init__(self, width: int) -> None:
        super().__init__(
            down(3, width), down(width, 2 * width), down(2 * width, 4 * width),
            down(4 * width, 6 * width),
        )  # fmt: skip


class Decoder(nn.Module):
    """From 1/16 of the side back to a picture."""

    def __init__(self, width: int, *, code: int = 0) -> None:
        super().__init__()
        sizes = (6 * width, 4 * width, 2 * width, width, width)
        self.ups = nn.ModuleList(
            Up(inside, outside, code=code) for inside, outside in pairwise(sizes)
        )
        self.last = nn.Conv2d(width, 3, 3, 1, 1)

    def forward(self, maps: Tensor, code: Tensor | None = None) -> Tensor:
        for up in self.ups:
            maps = up(maps, code)
        return torch.sigmoid(self.last(maps))


class Decoders(nn.Module):
    """One encoder for all, one decoder for each group of people."""

    def __init__(self, *, side: int, width: int) -> None:
        super().__init__()
        self.encoder = Encoder(width)
        cells = (side // 16) ** 2 * 6 * width
        self.narrow = nn.Linear(cells, 8 * width)
        self.widen = nn.Linear(8 * width, cells)
        self.decoders = nn.ModuleList(Decoder(width) for _ in range(GROUPS))

    def forward(self, target: Tensor, source: Tensor, group: Tensor) -> Tensor:
        maps = self.encoder(target)
        maps = self.widen(self.narrow(maps.flatten(1))).view_as(maps)
        found = torch.empty_like(target)
        for one in sorted(set(group.tolist())):
            found[group == one] = self.decoders[one](maps[group == one]).to(found.dtype)
        return found


class Coded(nn.Module):
    """The target's place, turn and expression; the source's identity as a code."""

    def __init__(self, *, side: int, width: int) -> None:
        super().__init__()
        self.encoder = Encoder(width)
        self.identity = Encoder(width)
        self.code = nn.Linear(6 * width, 64)
        self.thin = nn.Conv2d(6 * width, 12, 1)
        self.widen = nn.Conv2d(12, 6 * width, 1)
        self.decoder = Decoder(width, code=64)

    def identity_of(self, source: Tensor) -> Tensor:
        return self.code(self.identity(source).mean(dim=(2, 3)))  # type: ignore[no-any-return]

    def forward(self, target: Tensor, source: Tensor, group: Tensor) -> Tensor:
        maps = self.widen(self.thin(self.encoder(target)))
        return self.decoder(maps, self.identity_of(source))  # type: ignore[no-any-return]


class Refined(nn.Module):
    """`source` comes warped onto the target's mesh; colour and light are the target's."""

    def __init__(self, *, side: int, width: int) -> None:
        super().__init__()
        self.first = down(6, width, stride=1)
        self.downs = nn.ModuleList(
            (down(width, 2 * width), down(2 * width, 4 * width), down(4 * width, 4 * width))
        )
        self.ups = nn.ModuleList(
            (Up(4 * width, 4 * width), Up(4 * width, 2 * width), Up(2 * width, width))
        )
        self.last = nn.Conv2d(width, 3, 3, 1, 1)

    def forward(self, target: Tensor, source: Tensor, group: Tensor) -> Tensor:
        coarse = interpolate(avg_pool2d(target, 8), scale_factor=8.0, mode="bilinear")
        maps = self.first(torch.cat([source, coarse], dim=1))
        skips = []
        for layer in self.downs:
            skips.append(maps)
            maps = layer(maps)
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            maps = up(maps) + skip
        return torch.sigmoid(self.last(maps))


def swapper(kind: Kind, *, side: int, width: int) -> nn.Module:
    """A new one; `side` a multiple of 16, in pixels."""
    kinds: dict[str, type[nn.Module]] = {"decoders": Decoders, "coded": Coded, "refined": Refined}
    return kinds[kind](side=side, width=width)
