"""A face is cut out upright and at one size, wherever and however it is in the picture."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.detectors.faces.crop import PLACES, STEADY, CropSpec, alignment, crop, similarity
from streammon.detectors.faces.finder import Finder
from streammon.detectors.faces.landmarks import Mesher, square_of
from tests.drawn_face import drawn_face

lengths = st.floats(-500, 500)


@given(size=st.floats(0.05, 20), turn=st.floats(-3.1, 3.1), x=lengths, y=lengths)
def test_a_similarity_is_found_again(size: float, turn: float, x: float, y: float) -> None:
    made = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    found = similarity(PLACES, PLACES @ made.T + [x, y])
    np.testing.assert_allclose(found, np.column_stack([made, [x, y]]), atol=1e-6)


def test_points_that_are_one_point_are_refused() -> None:
    with pytest.raises(ValueError, match="no direction"):
        similarity(np.ones((3, 2)), PLACES[:3])


@given(size=st.floats(3, 400), turn=st.floats(-1, 1), x=lengths, y=lengths)
def test_the_eyes_of_any_face_come_to_lie_level_and_at_their_place(
    size: float, turn: float, x: float, y: float
) -> None:
    mesh = np.zeros((468, 3))
    made = size * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    mesh[list(STEADY), :2] = PLACES @ made.T + [x, y]
    spec = CropSpec(side_px=200, eyes_share=0.3, eyes_at=0.4)
    how = alignment(mesh, spec)
    eyes = mesh[[STEADY[0], STEADY[3]], :2] @ how[:, :2].T + how[:, 2]
    np.testing.assert_allclose(eyes, [[70, 80], [130, 80]], atol=1e-6)


def test_turned_and_moved_faces_give_the_same_cut() -> None:
    finder, mesher = Finder(), Mesher()
    cuts = []
    for angle_deg, scale in ((0, 1.0), (20, 1.15), (-20, 0.85)):
        turn = cv2.getRotationMatrix2D((160, 86), angle_deg, scale)
        image = np.asarray(cv2.warpAffine(drawn_face(), turn, (320, 180)), np.uint8)
        face = finder.find(image)[0]
        mesh = mesher.read(image, square_of(face.box, face.points[0], face.points[1]))
        cuts.append(crop(image, mesh, CropSpec(side_px=96, eyes_share=0.5)).astype(float))
    for other in cuts[1:]:
        inner = np.abs(cuts[0] - other)[20:76, 20:76]
        assert inner.mean() < 12
