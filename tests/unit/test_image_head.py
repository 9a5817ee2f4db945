"""Sizes are read from the heads of images, whatever follows them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.ingest.image_head import begins_as_image, read_head

FORMATS = ["png", "jpeg", "webp", "gif", "bmp"]


def an_image(form: str, width: int = 30, height: int = 20, *, seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (height, width, 3), np.uint8)
    ok, data = cv2.imencode(f".{form}", pixels)
    assert ok
    return bytes(data)


@given(form=st.sampled_from(FORMATS), width=st.integers(1, 90), height=st.integers(1, 90))
def test_the_head_tells_what_was_written(form: str, width: int, height: int) -> None:
    head = read_head(an_image(form, width, height))
    assert head is not None
    assert (head.format, head.width, head.height) == (form, width, height)
    assert head.complete
    assert not head.animated


@given(data=st.binary(max_size=200))
def test_bytes_of_any_kind_are_read_without_an_error(data: bytes) -> None:
    assert (read_head(data) is None) or begins_as_image(data)


@given(form=st.sampled_from(FORMATS), data=st.data())
def test_an_image_cut_anywhere_is_no_head_or_no_complete_one(
    form: str, data: st.DataObject
) -> None:
    whole = an_image(form)
    cut = whole[: data.draw(st.integers(0, len(whole) - 16))]
    head = read_head(cut)
    assert head is None or not head.complete or form == "gif"


@given(form=st.sampled_from(FORMATS), at=st.integers(0, 60), byte=st.integers(0, 255))
def test_a_changed_byte_never_raises(form: str, at: int, byte: int) -> None:
    changed = bytearray(an_image(form))
    changed[at] = byte
    read_head(bytes(changed))


def test_a_lossy_webp_is_read_as_well() -> None:
    ok, data = cv2.imencode(
        ".webp", np.zeros((50, 70, 3), np.uint8), [cv2.IMWRITE_WEBP_QUALITY, 50]
    )
    head = read_head(bytes(data))
    assert ok
    assert head is not None
    assert (head.width, head.height) == (70, 50)


@pytest.mark.parametrize("data", [b"", b"BM", b"\xff\xd8\xff", b"GIF89a", b"RIFF....WEBP"])
def test_a_head_that_ends_within_itself_is_none(data: bytes) -> None:
    assert read_head(data) is None
