"""What the head of an image file declares: format and size, read before anything is decoded. Pure.

Layouts: PNG 3rd edition 11.2.1, JPEG ITU-T T.81 B.2, GIF89a 18, WebP RFC 9649 2.7, BMP of Windows.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a frame header (SOFn); the three left out mean other things."""
PNG, JPEG, GIFS = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", (b"GIF87a", b"GIF89a")
ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers with no segment behind them."""


@dataclass(frozen=True, slots=True)
class ImageHead:
    format: str
    """`png`, `jpeg`, `gif`, `webp` or `bmp`."""
    width: int
    height: int
    complete: bool
    """The end that this format marks is there."""
    animated: bool = False


def begins_as_image(data: bytes) -> bool:
    """Whether these first bytes of a file are those of an image, whatever follows."""
    riff = data.startswith(b"RIFF") and data[8:12] == b"WEBP"
    bmp = data.startswith(b"BM") and data[6:10] == b"\0\0\0\0"
    return riff or bmp or data.startswith((PNG, JPEG, *GIFS))


def read_head(data: bytes) -> ImageHead | None:
    """The head of an image of a known format, or `None`. Never raises, whatever the bytes."""
    try:
        if not begins_as_image(data):
            return None
        readers: Mapping[bytes, Callable[[bytes], ImageHead | None]]
        readers = {b"\x89": _png, b"\xff": _jpeg, b"G": _gif, b"R": _webp, b"B": _bmp}
        return readers[data[:1]](data)
    except (struct.error, IndexError):
        return None  # ends within its own head


def _png(data: bytes) -> ImageHead | None:
    kind, width, height = struct.unpack_from(">4sII", data, 12)
    if kind != b"IHDR":
        return None
    return ImageHead("png", width, height, b"IEND" in data[-64 * 1024 :])


def _jpeg(data: bytes) -> ImageHead | None:
    at = 2
    while True:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
        elif marker in ALONE:
            at += 2
        elif marker in JPEG_FRAMES:
            height, width = struct.unpack_from(">HH", data, at + 5)
            return ImageHead("jpeg", width, height, b"\xff\xd9" in data[at:])
        else:
            at += 2 + int(struct.unpack_from(">H", data, at + 2)[0])


def _gif(data: bytes) -> ImageHead:
    width, height = struct.unpack_from("<HH", data, 6)
    animated = data.count(b"\x00\x21\xf9\x04", 0, 64 * 2**20) > 1  # more than one frame's delay
    return ImageHead("gif", width, height, b"\x3b" in data[-64 * 1024 :], animated)


def _webp(data: bytes) -> ImageHead | None:
    kind = data[12:16]
    complete = len(data) >= struct.unpack_from("<I", data, 4)[0] + 8
    if kind == b"VP8X":
        flags, width, height = data[20], data[24:27], data[27:30]
        sides = (int.from_bytes(width, "little") + 1, int.from_bytes(height, "little") + 1)
        return ImageHead("webp", *sides, complete, bool(flags & 0x02))
    if kind == b"VP8L":
        bits = int(struct.unpack_from("<I", data, 21)[0])
        return ImageHead("webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, complete)
    if kind == b"VP8 ":
        width_px, height_px = struct.unpack_from("<HH", data, 26)
        return ImageHead("webp", width_px & 0x3FFF, height_px & 0x3FFF, complete)
    return None


def _bmp(data: bytes) -> ImageHead:
    declared, width, height = struct.unpack_from("<I12xii", data, 2)
    return ImageHead("bmp", abs(width), abs(height), len(data) >= declared)
