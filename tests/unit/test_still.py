"""Still images become one frame; bombs and broken ones are refused."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.errors import TooLarge, Undecodable
from streammon.core.types import StreamId, VideoFrame
from streammon.ingest.still import StillConfig, decode_image, frames_source
from tests.fakes import WantAll
from tests.unit.test_image_head import FORMATS, an_image

STREAM = StreamId("photo")


def a_png(width: int, height: int, rows: int) -> bytes:
    """A PNG that declares a size and holds so many black rows, well compressed."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes((1 + 3 * width) * rows), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_a_png_is_the_same_picture_in_rgb_and_read_only() -> None:
    pixels = np.random.default_rng(1).integers(0, 255, (20, 30, 3), np.uint8)
    data = bytes(cv2.imencode(".png", pixels[..., ::-1])[1])
    image = decode_image(data, most_pixels=600)
    assert np.array_equal(image, pixels)
    assert not image.flags.writeable


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_decoded(form: str) -> None:
    assert decode_image(an_image(form), most_pixels=600).shape == (20, 30, 3)


def test_a_bomb_is_refused_by_its_head() -> None:
    """12 kB that would take 12 GB."""
    with pytest.raises(TooLarge, match="64000x64000"):
        decode_image(a_png(64_000, 64_000, 64), most_pixels=64_000_000)


@pytest.mark.parametrize("form", FORMATS)
def test_one_pixel_too_many_is_too_many(form: str) -> None:
    decode_image(an_image(form), most_pixels=600)
    with pytest.raises(TooLarge):
        decode_image(an_image(form), most_pixels=599)


@given(form=st.sampled_from(FORMATS), data=st.data())
def test_a_damaged_image_is_a_picture_or_undecodable(form: str, data: st.DataObject) -> None:
    whole = bytearray(an_image(form))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        image = decode_image(bytes(whole), most_pixels=600)
    except (TooLarge, Undecodable):
        return
    assert image.ndim == 3
    assert image.shape[0] * image.shape[1] <= 600


def test_a_photo_taken_upright_is_shown_upright() -> None:
    """EXIF orientation 6: the camera was turned, so the stored rows are the picture's columns."""
    pixels = np.zeros((16, 32, 3), np.uint8)
    pixels[:, :16] = 255
    jpeg = bytes(cv2.imencode(".jpg", pixels)[1])
    tiff = b"MM\x00\x2a\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00"
    body = b"Exif\x00\x00" + tiff + b"\x00\x00\x00\x00"
    turned = jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + jpeg[2:]
    image = decode_image(turned, most_pixels=600)
    assert image.shape == (32, 16, 3)
    assert image[:8].mean() > 200 > 50 > image[-8:].mean()


def test_a_file_is_one_frame_and_only_where_pictures_are_wanted(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(an_image("png"))
    (frame,) = StillConfig(path=path).build(STREAM).items(WantAll())
    assert isinstance(frame, VideoFrame)
    assert (frame.seq, frame.media_s, frame.image_rgb.shape) == (0, 0.0, (20, 30, 3))


def test_frames_in_memory_come_as_often_as_they_are_wanted() -> None:
    """Every 0.5 s of 10 a second is every fifth; what is given is not written to."""
    images = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    source = frames_source(STREAM, images, fps=10.0)
    frames = [item for item in source.items(WantAll(0.5)) if isinstance(item, VideoFrame)]
    assert [int(frame.image_rgb[0, 0, 0]) for frame in frames] == [0, 5, 10, 15]
    assert [frame.seq for frame in frames] == [0, 1, 2, 3]
    images[:] = 99
    assert int(frames[1].image_rgb[0, 0, 0]) == 5


@pytest.mark.parametrize("fps", [0.0, -1.0, float("nan"), 1e9])
def test_frames_need_a_rate(fps: float) -> None:
    with pytest.raises(ValueError, match="fps"):
        frames_source(STREAM, np.zeros((1, 4, 4, 3), np.uint8), fps=fps)
