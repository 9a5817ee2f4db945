"""Faces are found where they are, at many sizes, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.detectors.faces.finder import Finder, letterbox
from tests.drawn_face import drawn_face


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder()


@pytest.mark.parametrize("size_px", [30, 45, 75, 110])
def test_a_face_is_found_where_it_is_whatever_its_size(finder: Finder, size_px: int) -> None:
    face = finder.find(drawn_face(size_px=size_px))[0]
    right_eye, left_eye = face.points[:2]
    assert np.abs(right_eye - [160 - 0.2 * size_px, 86 - 0.02 * size_px]).max() < 0.1 * size_px
    assert np.abs(left_eye - [160 + 0.2 * size_px, 86 - 0.02 * size_px]).max() < 0.1 * size_px
    assert np.abs(face.points[3] - [160, 86 + 0.43 * size_px]).max() < 0.2 * size_px
    assert face.box[1] < right_eye[1] < face.points[3][1] < face.box[3]


def test_two_faces_are_two(finder: Finder) -> None:
    image = np.hstack([drawn_face(), drawn_face(0.9)])
    found = [face for face in finder.find(image) if face.score > 0.6]
    middles = sorted(float(face.points[2][0]) for face in found)
    assert middles == pytest.approx([160, 480], abs=8)


def test_nothing_is_found_in_flat_or_tiny_pictures(finder: Finder) -> None:
    for shape in [(1, 1), (1, 640), (15, 15), (360, 640)]:
        assert finder.find(np.full((*shape, 3), 90, np.uint8)) == []


@settings(max_examples=30, deadline=None)
@given(
    width=st.integers(16, 700), height=st.integers(16, 700), x=st.floats(0, 1), y=st.floats(0, 1)
)
def test_a_letterbox_can_be_undone(width: int, height: int, x: float, y: float) -> None:
    image = np.full((height, width, 3), 255, np.uint8)
    square, side_px, corner = letterbox(image, 128)
    assert square.shape == (128, 128, 3)
    assert side_px == max(width, height)
    at = (np.array([x * (width - 1), y * (height - 1)]) + corner) / side_px * 128
    column, row = np.clip(at.astype(int), 0, 127)
    near = square[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
    assert near.max() == 1.0, "a point of the picture lies on the picture in the square"
    lit = (square == 1.0).all(axis=2).mean()
    assert lit == pytest.approx(width * height / side_px**2, abs=0.02)
