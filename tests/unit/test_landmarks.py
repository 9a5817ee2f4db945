"""The mesh lies on the face, whichever way the square around it is turned."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.detectors.faces.finder import Finder
from streammon.detectors.faces.landmarks import (
    COUNT,
    LEFT_EYE_INNER,
    LEFT_EYE_OUTER,
    NOSE_TIP,
    RIGHT_EYE_INNER,
    RIGHT_EYE_OUTER,
    Mesher,
    Square,
    cut,
    square_around,
    square_of,
)
from tests.drawn_face import drawn_face


@pytest.fixture(scope="module")
def mesher() -> Mesher:
    return Mesher()


@pytest.fixture(scope="module")
def finder() -> Finder:
    return Finder()


@given(x=st.floats(-50, 700), y=st.floats(-50, 400), side=st.floats(5, 900), turn=st.floats(-3, 3))
def test_a_square_is_one_however_it_is_turned(x: float, y: float, side: float, turn: float) -> None:
    square = Square(np.array([x, y]), side, turn)
    corners = square.to_picture(np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    np.testing.assert_allclose(corners.mean(axis=0), [x, y], atol=1e-6)
    edges = np.linalg.norm(corners - np.roll(corners, 1, axis=0), axis=1)
    np.testing.assert_allclose(edges, side, rtol=1e-6)
    along = corners[1] - corners[0]
    assert math.atan2(along[1], along[0]) == pytest.approx(turn, abs=1e-6)


def test_what_is_cut_is_what_the_square_holds() -> None:
    image = np.zeros((120, 160, 3), np.uint8)
    image[40:60, 70:90] = 255
    upright = cut(image, Square(np.array([80.0, 50.0]), 40.0, 0.0), 40)
    assert upright[20, 20].tolist() == [255, 255, 255]
    assert upright[11:29, 11:29].min() == 255
    assert upright[:9].max() == 0


@pytest.mark.parametrize("angle_deg", [-30, 0, 30])
def test_the_mesh_lies_on_the_face_when_the_head_is_tilted(
    finder: Finder, mesher: Mesher, angle_deg: int
) -> None:
    turn = cv2.getRotationMatrix2D((160, 86), angle_deg, 1.0)
    image = np.asarray(cv2.warpAffine(drawn_face(), turn, (320, 180)), np.uint8)
    face = finder.find(image)[0]
    square = square_of(face.box, face.points[0], face.points[1])
    mesh = mesher.read(image, square)
    assert mesh.shape == (COUNT, 3)
    for corners, x in (
        ((RIGHT_EYE_OUTER, RIGHT_EYE_INNER), -15),
        ((LEFT_EYE_OUTER, LEFT_EYE_INNER), 15),
    ):
        middle = mesh[list(corners), :2].mean(axis=0)
        assert np.abs(middle - turn @ [160 + x, 84.5, 1]).max() < 6
    assert np.abs(mesh[NOSE_TIP, :2] - turn @ [160, 101, 1]).max() < 10
    again = mesher.read(image, square_around(mesh))
    assert np.abs(again - mesh)[:, :2].mean() < 4
    assert mesher.presence(image, square) > 0.9


def test_where_there_is_no_face_the_mesher_says_so(mesher: Mesher) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (180, 320, 3)).astype(np.uint8)
    assert mesher.presence(noise, Square(np.array([160.0, 90.0]), 120.0, 0.0)) < 0.5
