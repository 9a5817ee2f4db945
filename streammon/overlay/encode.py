"""RGB pictures to JPEG."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray


def encode_jpeg(rgb: NDArray[np.uint8], *, quality: int) -> bytes:
    """The picture, (height, width, 3), as a JPEG file; `quality` 0..100, the same bytes each time.

    Raises `ValueError` for what no JPEG can hold (empty, or a side of 65,536 pixels and more).
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or min(rgb.shape[:2]) == 0:
        raise ValueError(f"expected a picture of (height, width, 3), got {rgb.shape}")
    if max(rgb.shape[:2]) > 65_535:
        raise ValueError(f"a JPEG side has at most 65,535 pixels, got {rgb.shape}")
    bgr = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    done, coded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    assert done, "the JPEG encoder takes every 8-bit picture within these bounds"
    return coded.tobytes()
