"""Pictures of a window as one tensor: picked, sized and normalised, all of a batch at once.

Sizing is done on 8-bit pictures, antialiased, with results that differ from Pillow's by at most one
level in 255 (two for Lanczos): on an accelerator on whole stacks, on the CPU on one after the other
through one small buffer, as fresh memory for stacks of them costs more than the sizing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from streammon.core.types import VideoFrame, Window
from streammon.detectors.model_settings import PictureSettings
from streammon.scheduler.device import CPU, to_device

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Preparation:
    """What is done to each picture, in this order. Sizes are (height, width) in pixels."""

    resize: tuple[int, int]
    keep_aspect: bool = False
    """Then `resize` is covered rather than met, and `crop` has to follow."""
    crop: tuple[int, int] | None = None
    interpolation: str = "bilinear"
    scale: float = 1.0
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)
    bgr: bool = False
    dtype: str = "float32"
    channels_last: bool = False
    """How it lies in memory: a pixel's colours side by side, as convolutions here like it."""

    @classmethod
    def of(cls, settings: PictureSettings) -> Preparation:
        """As a config says it."""
        cut = settings.fit == "crop"
        return cls(
            resize=settings.size,
            keep_aspect=cut,
            crop=settings.size if cut else None,
            interpolation=settings.interpolation,
            scale=settings.scale,
            mean=settings.mean,
            std=settings.std,
            bgr=settings.colours == "bgr",
            dtype=settings.dtype,
        )


def frames_of(window: Window) -> list[VideoFrame]:
    """The pictures of a window that may be scored, oldest first."""
    return [item for item in window.items if isinstance(item, VideoFrame) and not item.damaged]


def refusal(window: Window) -> str | None:
    """Why there is nothing to look at, or `None`."""
    return None if frames_of(window) else "no undamaged picture"


def bucket(window: Window) -> str:
    """Pictures of one size are sized in one go."""
    frames = frames_of(window)
    return "x".join(map(str, frames[0].image_rgb.shape[:2])) if frames else ""


def spread(items: Sequence[T], count: int) -> list[T]:
    """`count` of them, evenly spaced from first to last (one: the middle); some twice if few."""
    last = len(items) - 1
    if count == 1:
        return [items[last // 2]]
    return [items[round(at * last / (count - 1))] for at in range(count)]


def pictures(windows: Sequence[Window], count: int) -> list[Picture]:
    """`count` pictures of each window, (height, width, 3) each, window after window."""
    return [frame.image_rgb for window in windows for frame in spread(frames_of(window), count)]


def prepared(images: Sequence[Picture], how: Preparation, device: str) -> Tensor:
    """The pictures as one tensor (pictures, 3, height, width) on `device`, in the same order."""
    return _one_by_one(images, how) if device == CPU else _all_at_once(images, how, device)


def _one_by_one(images: Sequence[Picture], how: Preparation) -> Tensor:
    """On the CPU: each is sized while it is in the cache, and written where it is wanted."""
    import torch

    whole = how.dtype == "uint8"
    size = (len(images), *(how.crop or how.resize))
    kind = torch.uint8 if whole else torch.float32
    if how.channels_last:
        out = torch.empty((*size, 3), dtype=kind).permute(0, 3, 1, 2)
    else:
        out = torch.empty((size[0], 3, *size[1:]), dtype=kind)
    gain, offset = _gain_and_offset(how, CPU)
    shifts = bool(offset.any())
    held = torch.empty(0, dtype=torch.uint8)
    for at, image in enumerate(images):
        if held.shape[1:] != image.shape:
            held = torch.empty((1, *image.shape), dtype=torch.uint8)
        np.copyto(held.numpy()[0], image)
        sized, place = _sized(held.permute(0, 3, 1, 2), how), out[at : at + 1]
        if whole:
            place.copy_(sized)
            continue
        torch.mul(sized, gain, out=place)
        if shifts:
            place.sub_(offset)
    return out.half() if how.dtype == "float16" else out


def _all_at_once(images: Sequence[Picture], how: Preparation, device: str) -> Tensor:
    """On an accelerator: pictures of one size are sized together."""
    import torch

    alike: dict[tuple[int, ...], list[int]] = {}
    for at, image in enumerate(images):
        alike.setdefault(image.shape, []).append(at)
    stacks = [
        to_device(np.stack([images[at] for at in group]), device).permute(0, 3, 1, 2)
        for group in alike.values()
    ]
    parts = [_sized(stack, how) for stack in stacks]
    if len(parts) == 1:
        return _normalised(parts[0], how)
    order = [at for group in alike.values() for at in group]
    return _normalised(torch.cat(parts)[torch.tensor(order).argsort().to(parts[0].device)], how)


def _sized(stack: Tensor, how: Preparation) -> Tensor:
    """8-bit (pictures, 3, height, width), resized, cut, and with colours in the order wanted."""
    from torch.nn.functional import interpolate

    target = _covering(stack.shape[2:], how.resize) if how.keep_aspect else how.resize
    if tuple(stack.shape[2:]) != target:
        exact = stack if stack.device.type == CPU else stack.float()  # 8 bit only on the CPU
        smooth: Any = {} if how.interpolation == "nearest-exact" else {"antialias": True}
        exact = interpolate(exact, target, mode=how.interpolation, **smooth)
        stack = exact if stack.device.type == CPU else exact.round_().clamp_(0, 255).byte()
    if how.crop is not None:
        height, width = how.crop
        top, left = (stack.shape[2] - height) // 2, (stack.shape[3] - width) // 2
        stack = stack[:, :, top : top + height, left : left + width]
    return stack.flip(1) if how.bgr else stack


def _covering(size: Sequence[int], least: tuple[int, int]) -> tuple[int, int]:
    """The smallest size of the same aspect that covers `least`."""
    height, width = size
    if least[0] * width >= least[1] * height:
        return least[0], max(least[1], least[0] * width // height)
    return max(least[0], least[1] * height // width), least[1]


def _gain_and_offset(how: Preparation, device: str) -> tuple[Tensor, Tensor]:
    """Each value is multiplied by the first, then the second is taken off; (3 or 1, 1, 1) each."""
    import torch

    std = torch.tensor(how.std, device=device).view(-1, 1, 1)
    mean = torch.tensor(how.mean, device=device).view(-1, 1, 1)
    return how.scale / std, mean / std


def _normalised(stack: Tensor, how: Preparation) -> Tensor:
    import torch

    layout = torch.channels_last if how.channels_last else torch.contiguous_format
    stack = stack.contiguous(memory_format=layout)
    if how.dtype == "uint8":
        return stack
    gain, offset = _gain_and_offset(how, str(stack.device))
    values = stack.to(torch.float32).mul_(gain).sub_(offset)
    return values.half() if how.dtype == "float16" else values
