"""Swappers whose answers are sharp, and a network that restores the faces of another.

After the published ones, and unlike those of `swappers` in all that leaves traces. `Modulated`: the
target at a quarter of its side, without skips, scaled and shifted by a code of the source (Chen et
al. 2020, SimSwap, arXiv:2106.06340), and drawn again through smooth enlargements. `Restored`: what
another answers, its detail made up by a U-Net whose points are shuffled into place, as live tools
let a restorer do (Wang et al. 2021, GFP-GAN, arXiv:2101.04061). Good for nothing but to train and
test a detector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, silu

CODE = 64
SOURCE_PX = 64


def step(inside: int, outside: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inside, outside, 3, stride, 1), nn.SiLU())


class Added(nn.Module):
    """Two convolutions added to what came in; a code scales and shifts them where there is one."""

    def __init__(self, channels: int, *, code: int = 0) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(channels, channels, 3, 1, 1) for _ in range(2))
        self.norm = nn.InstanceNorm2d(channels) if code else nn.Identity()
        self.styles = nn.ModuleList(nn.Linear(code, 2 * channels) for _ in range(2 if code else 0))

    def forward(self, maps: Tensor, code: Tensor | None = None) -> Tensor:
        said = maps
        for at, conv in enumerate(self.convs):
            said = self.norm(conv(said))
            if code is not None:
                scale, shift = self.styles[at](code)[..., None, None].chunk(2, dim=1)
                said = said * (1 + scale) + shift
            said = silu(said)
        return maps + said


class Identity(nn.Sequential):
    """A picture (n, 3, side, side) to a code (n, CODE) of what somebody looks like."""

    def __init__(self, width: int) -> None:
        super().__init__(
            nn.PixelUnshuffle(4), step(48, 2 * width), step(2 * width, 2 * width, stride=2),
            step(2 * width, 2 * width, stride=2), nn.Flatten(),
            nn.Linear((SOURCE_PX // 16) ** 2 * 2 * width, CODE),
        )  # fmt: skip

    def forward(self, source: Tensor) -> Tensor:
        size = (SOURCE_PX, SOURCE_PX)
        few = interpolate(source, size=size, mode="bilinear", antialias=True)
        return super().forward(few)  # type: ignore[no-any-return, no-untyped-call]


def seen(width: int) -> nn.Sequential:
    """A picture to maps of a quarter of its side: what is where in the source's face."""
    return nn.Sequential(
        nn.PixelUnshuffle(4), step(48, 2 * width), nn.Conv2d(2 * width, 2 * width, 3, 1, 1)
    )


class Modulated(nn.Module):
    """`source` comes warped onto the target's mesh: seen coarsely, and as a code."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.identity = Identity(width)
        self.read = nn.Sequential(step(3, width, stride=2), step(width, 2 * width, stride=2))
        self.seen = seen(width)
        self.middle = nn.ModuleList(Added(2 * width, code=CODE) for _ in range(4))
        self.first, self.second = step(2 * width, 3 * width // 2), step(3 * width // 2, width)
        self.last = nn.Conv2d(width, 3, 3, 1, 1)

    def forward(self, target: Tensor, source: Tensor, group: Tensor) -> Tensor:
        code = self.identity(source)
        maps = self.read(target) + self.seen(source)
        for block in self.middle:
            maps = block(maps, code)
        for up in (self.first, self.second):
            maps = up(interpolate(maps, scale_factor=2.0, mode="bilinear"))
        return torch.sigmoid(self.last(maps))


class Restorer(nn.Module):
    """A face with its detail made up again; pictures (n, 3, side, side), 0..1, in and out."""

    def __init__(self, *, width: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.PixelUnshuffle(2), step(12, width))
        self.downs = nn.ModuleList(
            (step(width, 2 * width, stride=2), step(2 * width, 3 * width, stride=2))
        )
        self.middle = Added(3 * width)
        self.ups = nn.ModuleList((step(3 * width, 2 * width), step(2 * width, width)))
        self.last = nn.Conv2d(width, 12, 3, 1, 1)

    def forward(self, picture: Tensor) -> Tensor:
        skips, maps = [], self.first(picture)
        for layer in self.downs:
            skips.append(maps)
            maps = layer(maps)
        maps = self.middle(maps)
        for up, skip in zip(self.ups, reversed(skips), strict=True):
            maps = up(interpolate(maps, scale_factor=2.0)) + skip
        more = torch.tanh(pixel_shuffle(self.last(maps), 2).float())
        return (picture + 0.5 * more).clamp(0, 1)


class Restored(nn.Module):
    """A swapper whose answers are restored, both at sizes of their own."""

    def __init__(self, base: nn.Module, base_side: int, restorer: nn.Module) -> None:
        super().__init__()
        self.base, self.base_side, self.restorer = base, base_side, restorer

    def forward(self, target: Tensor, source: Tensor, group: Tensor) -> Tensor:
        size = (self.base_side, self.base_side)
        small = [
            interpolate(one, size=size, mode="bilinear", antialias=True) for one in (target, source)
        ]
        made = self.base(*small, group)
        large = interpolate(made, size=target.shape[-2:], mode="bicubic").clamp(0, 1)
        return self.restorer(large)  # type: ignore[no-any-return]
