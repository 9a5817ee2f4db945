"""Pictures that are at hand: a still image, or frames in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt

from streammon.core.errors import TooLarge, Undecodable
from streammon.core.ports import Demand
from streammon.core.types import Item, Modality, StreamId, VideoFrame
from streammon.ingest.finite import Finite
from streammon.ingest.image_head import read_head
from streammon.ingest.whole_file import read_file
from streammon.media.decode import Sampler
from streammon.registry import AdapterConfig

MOST_PIXELS = 64_000_000
MOST_IMAGE_BYTES = 256 * 2**20


class StillConfig(AdapterConfig):
    """A still image (PNG, JPEG, WebP, GIF, BMP) as a stream of one frame."""

    type: Literal["still"] = "still"
    path: Path
    pace: Literal["fast"] = "fast"
    """There is no time in an image."""
    most_pixels: PositiveInt = Field(MOST_PIXELS, le=2**30)
    """A larger image is refused before it is decoded."""

    def build(self, stream: StreamId) -> Finite:
        def make(demand: Demand) -> Iterator[Item]:
            if demand.frame_interval_s is not None:
                data = read_file(self.path, most_bytes=MOST_IMAGE_BYTES)
                yield frame_of(stream, decode_image(data, most_pixels=self.most_pixels))

        return Finite(stream, Modality.VIDEO, make)


def decode_image(data: bytes, *, most_pixels: int) -> NDArray[np.uint8]:
    """(height, width, 3) RGB, read-only, upright; of an animation the first frame.

    Raises `TooLarge` from the size that the head declares, before anything is decoded, and
    `Undecodable` for what is no image or is cut short.
    """
    head = read_head(data)
    if head is None:
        raise Undecodable("not a PNG, JPEG, WebP, GIF or BMP image")
    if head.width * head.height > most_pixels:
        raise TooLarge(f"the image is {head.width}x{head.height}: larger than {most_pixels} pixels")
    if not head.complete:
        raise Undecodable("the image is cut short")
    import cv2

    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        image = None
    if image is None:
        raise Undecodable("the image is damaged")
    rgb: NDArray[np.uint8] = np.ascontiguousarray(image)
    rgb.setflags(write=False)
    return rgb


def frame_of(
    stream: StreamId, image: NDArray[np.uint8], *, seq: int = 0, media_s: float = 0.0
) -> VideoFrame:
    """One frame of a picture (height, width, 3) RGB, which is not copied where it is read-only."""
    if image.flags.writeable:
        image = image.copy()
        image.setflags(write=False)
    return VideoFrame(
        stream=stream,
        seq=seq,
        media_s=media_s,
        captured_ns=round(media_s * 1e9),
        image_rgb=image,
        is_keyframe=True,
    )


def frames_source(stream: StreamId, images: NDArray[np.uint8], *, fps: float) -> Finite:
    """A recording of (count, height, width, 3) RGB pictures, `fps` a second, as often as wanted.

    Raises `ValueError` for an `fps` that is no rate.
    """
    if not 0.0 < fps <= 1000.0:
        raise ValueError(f"fps must be above 0 and at most 1000, got {fps}")

    def make(demand: Demand) -> Iterator[Item]:
        sampler, given = Sampler(), 0
        for number, image in enumerate(images):
            media_s, interval_s = number / fps, demand.frame_interval_s
            if interval_s is not None and sampler.due(media_s, interval_s):
                sampler.take(media_s)
                yield frame_of(stream, image, seq=given, media_s=media_s)
                given += 1

    return Finite(stream, Modality.VIDEO, make)
