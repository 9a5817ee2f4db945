"""Faces keep their numbers while they are followed, and nobody is followed for ever."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.detectors.faces.anchors import Floats, overlap
from streammon.detectors.faces.finder import Face
from streammon.detectors.faces.landmarks import (
    COUNT,
    LEFT_EYE_OUTER,
    RIGHT_EYE_OUTER,
    Square,
)
from streammon.detectors.faces.tracker import (
    LEAST_OVERLAP,
    Eyes,
    Image,
    Tracker,
    match,
    open_eyes,
)
from tests.drawn_face import drawn_face, wandering

BLANK = np.zeros((200, 300, 3), np.uint8)


class Stage:
    """A picture's faces as they are told: (x, y) of each middle, all 40 px wide."""

    def __init__(self, *middles: tuple[float, float]) -> None:
        self.middles = list(middles)
        self.searches = 0
        self.found = True
        """Whether the finder sees them; the mesh does in any case."""

    def eyes(self) -> Eyes:
        return Eyes(self._find, self._read, self._presence)

    def _find(self, image: Image) -> Sequence[Face]:
        self.searches += 1
        return [_face(np.array(middle)) for middle in (self.middles if self.found else [])]

    def _nearest(self, square: Square) -> Floats | None:
        near = [np.array(one) for one in self.middles if np.abs(square.middle - one).max() < 25]
        return min(near, key=lambda one: float(np.abs(square.middle - one).sum()), default=None)

    def _read(self, image: Image, square: Square) -> Floats:
        middle = self._nearest(square)
        grid = np.random.default_rng(0).uniform(-20, 20, (COUNT, 2))
        mesh = np.column_stack([grid, np.zeros(COUNT)])
        mesh[RIGHT_EYE_OUTER, :2], mesh[LEFT_EYE_OUTER, :2] = (-14, -5), (14, -5)
        mesh[:, :2] -= mesh[:, :2].mean(axis=0)
        mesh[:, :2] += square.middle if middle is None else middle
        return mesh

    def _presence(self, image: Image, square: Square) -> float:
        return 0.99 if self._nearest(square) is not None else 0.01


def _face(middle: Floats) -> Face:
    corners = np.array([[-20.0, -20.0], [20.0, 20.0]])
    points = np.array([[-10.0, -5.0], [10.0, -5.0], *[[0.0, 0.0]] * 4])
    return Face(0.9, (corners + middle).ravel(), points + middle)


def numbers(tracker: Tracker, media_s: float) -> list[int]:
    return [track.number for track in tracker.observe(BLANK, media_s=media_s)]


def test_a_face_keeps_its_number_while_it_moves_and_the_finder_looks_seldom() -> None:
    stage = Stage((60, 100))
    tracker = Tracker(stage.eyes())
    for step in range(50):
        stage.middles = [(60 + 3 * step, 100)]
        assert numbers(tracker, step / 25) == [1]
    assert stage.searches <= 5


def test_a_second_face_gets_a_number_of_its_own_and_a_returning_one_a_new_one() -> None:
    stage = Stage((60, 100))
    tracker = Tracker(stage.eyes())
    assert numbers(tracker, 0.0) == [1]
    stage.middles.append((200, 100))
    assert numbers(tracker, 0.4) == [1]
    assert numbers(tracker, 0.8) == [1, 2]
    stage.middles = [(200, 100)]
    assert numbers(tracker, 1.2) == [1, 2], "nobody has looked yet"
    assert numbers(tracker, 1.6) == [2]
    stage.middles.append((60, 100))
    assert numbers(tracker, 2.0) == [2]
    assert numbers(tracker, 2.4) == [2, 3]


def test_what_the_finder_sees_no_more_is_given_up() -> None:
    stage = Stage((60, 100))
    tracker = Tracker(stage.eyes(), lost_after_s=1.0)
    numbers(tracker, 0.0)
    stage.found = False
    kept = [bool(numbers(tracker, step / 10)) for step in range(1, 20)]
    assert kept[8]
    assert not kept[-1]


def test_a_face_that_jumps_is_another() -> None:
    stage = Stage((60, 100))
    tracker = Tracker(stage.eyes())
    assert numbers(tracker, 0.00) == [1]
    stage.middles = [(82, 100)]
    assert numbers(tracker, 0.04) == [2]


def test_after_a_gap_or_another_size_all_faces_are_new() -> None:
    stage = Stage((60, 100))
    tracker = Tracker(stage.eyes())
    assert numbers(tracker, 0.0) == [1]
    assert numbers(tracker, 1.0) == [2]
    wider = np.zeros((200, 320, 3), np.uint8)
    assert [track.number for track in tracker.observe(wider, media_s=1.04)] == [3]


def test_a_picture_that_is_not_later_changes_nothing() -> None:
    stage = Stage((60, 100))
    tracker = Tracker(stage.eyes())
    numbers(tracker, 1.0)
    stage.middles = []
    assert numbers(tracker, 1.0) == [1]
    assert numbers(tracker, 0.5) == [1]


def test_no_more_are_followed_than_was_said() -> None:
    stage = Stage(*[(30 + 45 * column, 40 + 50 * row) for row in range(3) for column in range(6)])
    tracker = Tracker(stage.eyes(), most_faces=3)
    assert numbers(tracker, 0.0) == [1, 2, 3]
    assert numbers(tracker, 0.4) == [1, 2, 3]


@st.composite
def some_boxes(draw: st.DrawFn) -> list[Floats]:
    rows = draw(st.lists(st.tuples(st.integers(0, 90), st.integers(0, 90)), max_size=6))
    return [np.array([x, y, x + 40.0, y + 30.0]) for x, y in rows]


@given(tracked=some_boxes(), found=some_boxes())
def test_boxes_are_paired_once_at_most_and_only_where_they_overlap(
    tracked: list[Floats], found: list[Floats]
) -> None:
    pairs = match(tracked, found)
    assert len(set(pairs.values())) == len(pairs)
    for at, other in pairs.items():
        assert overlap(tracked[at], found[other][None])[0] >= LEAST_OVERLAP
    for at, box in enumerate(tracked):
        for other, face in enumerate(found):
            if at not in pairs and other not in pairs.values():
                assert overlap(box, face[None])[0] < LEAST_OVERLAP


@given(found=some_boxes())
def test_boxes_that_stay_where_they_were_are_their_own_pairs(found: list[Floats]) -> None:
    apart = [box for at, box in enumerate(found) if not any((box == b).all() for b in found[:at])]
    assert match(apart, apart) == {at: at for at in range(len(apart))}


def test_a_drawn_face_is_followed_across_the_picture_with_one_number() -> None:
    tracker = Tracker(open_eyes())
    for at, image in enumerate(wandering(40)):
        (track,) = tracker.observe(image, media_s=at / 25)
        assert track.number == 1
        assert track.mesh[:, 0].mean() == pytest.approx(90 + 3 * at, abs=8)


def test_nothing_is_followed_where_there_is_no_face() -> None:
    tracker = Tracker(open_eyes())
    noise = np.random.default_rng(2).integers(0, 256, (30, 180, 320, 3)).astype(np.uint8)
    assert all(not tracker.observe(image, media_s=at / 2) for at, image in enumerate(noise))


def test_a_face_that_is_covered_is_lost_within_two_seconds() -> None:
    tracker = Tracker(open_eyes())
    assert tracker.observe(drawn_face(), media_s=0.0)
    grey = np.full((180, 320, 3), 100, np.uint8)
    left = [len(tracker.observe(grey, media_s=step / 25)) for step in range(1, 51)]
    assert left[-1] == 0
