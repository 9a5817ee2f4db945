"""JPEG files."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streammon.overlay.encode import encode_jpeg


def test_red_stays_red_and_the_size_is_kept() -> None:
    rgb = np.zeros((48, 64, 3), np.uint8)
    rgb[..., 0] = 220
    decoded = cv2.imdecode(np.frombuffer(encode_jpeg(rgb, quality=80), np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (48, 64, 3)
    blue, green, red = decoded.mean(axis=(0, 1))
    assert (red, green, blue) == pytest.approx((220, 0, 0), abs=4)


def test_the_same_picture_gives_the_same_bytes_and_quality_costs_bytes() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (90, 160, 3), np.uint8)
    assert encode_jpeg(rgb, quality=80) == encode_jpeg(rgb, quality=80)
    assert len(encode_jpeg(rgb, quality=40)) < len(encode_jpeg(rgb, quality=90))


@pytest.mark.parametrize("shape", [(0, 10, 3), (10, 0, 3), (10, 10), (10, 10, 4), (65_536, 1, 3)])
def test_what_no_jpeg_can_hold_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError):
        encode_jpeg(np.zeros(shape, np.uint8), quality=80)
