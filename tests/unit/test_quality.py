"""Each thing that makes a face hard to judge is told by its own reason."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from streammon.detectors.faces.anchors import Floats
from streammon.detectors.faces.finder import Finder
from streammon.detectors.faces.landmarks import Mesher, square_of
from streammon.detectors.faces.quality import Gates, Quality, quality
from tests.drawn_face import Image, drawn_face

GOOD = Quality(eyes_px=60, sharpness=20, yaw_deg=0, pitch_deg=0, roll_deg=0, brightness=0.5)


@pytest.fixture(scope="module")
def face() -> tuple[Image, Floats]:
    image = drawn_face(size_px=90)
    found = Finder().find(image)[0]
    return image, Mesher().read(image, square_of(found.box, found.points[0], found.points[1]))


def test_a_clear_face_is_judged(face: tuple[Image, Floats]) -> None:
    found = quality(*face)
    assert found.reason() is None
    assert found.eyes_px == pytest.approx(54, abs=6)
    assert abs(found.yaw_deg) < 8
    assert abs(found.roll_deg) < 4


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"eyes_px": 10.0}, "too small"),
        ({"yaw_deg": -60.0}, "turned away"),
        ({"pitch_deg": 50.0}, "turned away"),
        ({"brightness": 0.01}, "too dark"),
        ({"brightness": 0.99}, "too bright"),
        ({"sharpness": 0.5}, "blurred"),
    ],
)
def test_each_defect_has_its_reason(change: dict[str, float], why: str) -> None:
    assert GOOD.reason() is None
    assert why in (replace(GOOD, **change).reason() or "")


def test_the_gates_are_the_askers_own() -> None:
    assert replace(GOOD, eyes_px=10.0).reason(Gates(least_eyes_px=8.0)) is None


def test_blur_lowers_sharpness_and_darkness_brightness(face: tuple[Image, Floats]) -> None:
    image, mesh = face
    clear = quality(image, mesh)
    soft = np.asarray(cv2.GaussianBlur(image, (0, 0), 5), np.uint8)
    assert quality(soft, mesh).sharpness < clear.sharpness / 4
    assert quality(soft, mesh).reason() == "the face is blurred"
    assert quality(image // 12, mesh).reason() == "the face is too dark"


def test_a_head_that_turns_is_seen_to_turn(face: tuple[Image, Floats]) -> None:
    image, mesh = face
    turn = np.radians(50)
    turned = mesh.copy()
    turned[:, 0] = mesh[:, 0] * np.cos(turn) - mesh[:, 2] * np.sin(turn)
    turned[:, 2] = mesh[:, 0] * np.sin(turn) + mesh[:, 2] * np.cos(turn)
    turned[:, :2] += mesh[:, :2].mean(axis=0) - turned[:, :2].mean(axis=0)
    found = quality(image, turned)
    assert found.yaw_deg == pytest.approx(50, abs=6)
    assert found.reason() == "the face is turned away"
    assert found.eyes_px == pytest.approx(quality(image, mesh).eyes_px, rel=1e-6)
