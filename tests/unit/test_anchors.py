"""From anchors to faces: what a network would say of a box is read as that box."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.detectors.faces.anchors import (
    MOST_CANDIDATES,
    POINTS,
    Candidates,
    Floats,
    anchors,
    blend,
    decode,
    overlap,
)
from streammon.detectors.faces.finder import FULL_LAYERS, SHORT_LAYERS

shares = st.floats(0.05, 0.95)
sizes = st.floats(0.02, 0.6)


@st.composite
def some_boxes(draw: st.DrawFn) -> Floats:
    rows = draw(st.lists(st.tuples(shares, shares, sizes, sizes), min_size=1, max_size=12))
    return np.array([[x - w / 2, y - h / 2, x + w / 2, y + h / 2] for x, y, w, h in rows])


def candidates(boxes: Floats, scores: list[float]) -> Candidates:
    order = np.argsort(-np.array(scores), kind="stable")
    points = np.repeat(((boxes[:, :2] + boxes[:, 2:]) / 2)[:, None], POINTS, axis=1)
    return Candidates(np.array(scores)[order], boxes[order], points[order])


@pytest.mark.parametrize(
    ("side_px", "layers", "count"), [(128, SHORT_LAYERS, 896), (192, FULL_LAYERS, 2304)]
)
def test_there_are_as_many_anchors_as_the_network_answers_for(
    side_px: int, layers: list[tuple[int, int]], count: int
) -> None:
    found = anchors(side_px, layers)
    assert found.shape == (count, 2)
    assert found.min() > 0
    assert found.max() < 1
    np.testing.assert_allclose(found.mean(axis=0), [0.5, 0.5])


def test_anchors_go_along_rows_first() -> None:
    found = anchors(4, [(2, 2)])
    np.testing.assert_allclose(found[::2], [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]])
    np.testing.assert_allclose(found[::2], found[1::2])


@given(
    at=st.integers(0, 895), x=shares, y=shares, width=sizes, height=sizes, logit=st.floats(1, 90)
)
def test_what_an_anchor_says_of_a_box_is_that_box(
    at: int, x: float, y: float, width: float, height: float, logit: float
) -> None:
    side_px, centres = 128, anchors(128, SHORT_LAYERS)
    where = np.zeros((896, 4 + 2 * POINTS))
    where[at, :4] = np.array([x - centres[at, 0], y - centres[at, 1], width, height]) * side_px
    where[at, 4:] = np.tile((np.array([x, y]) - centres[at]) * side_px, POINTS)
    whether = np.full(896, -20.0)
    whether[at] = logit
    found = decode(where, whether, centres, side_px=side_px, least_score=0.5)
    assert len(found) == 1
    np.testing.assert_allclose(
        found.boxes[0], [x - width / 2, y - height / 2, x + width / 2, y + height / 2], atol=1e-9
    )
    np.testing.assert_allclose(found.points[0], np.tile([x, y], (POINTS, 1)), atol=1e-9)
    assert 0.5 <= found.scores[0] <= 1.0


def test_answers_that_are_no_boxes_are_passed_over_and_a_flood_is_bounded() -> None:
    centres = anchors(192, FULL_LAYERS)
    where = np.full((2304, 16), 10.0)
    where[0] = np.nan
    where[1, 2] = -1.0
    where[2, 3] = 0.0
    found = decode(where, np.full(2304, 5.0), centres, side_px=192, least_score=0.5)
    assert len(found) == MOST_CANDIDATES
    assert np.isfinite(found.boxes).all()
    few = decode(where[:3], np.full(3, 5.0), centres[:3], side_px=192, least_score=0.5)
    assert len(few) == 0


@given(boxes=some_boxes(), seed=st.integers(0, 1000))
def test_blended_faces_lie_apart_and_within_what_was_found(boxes: Floats, seed: int) -> None:
    scores = np.random.default_rng(seed).uniform(0.3, 1.0, len(boxes)).tolist()
    found = blend(candidates(boxes, scores), least_overlap=0.3)
    assert 1 <= len(found) <= len(boxes)
    assert found.scores[0] == max(scores)
    assert (np.diff(found.scores) <= 0).all()
    assert (found.boxes.min(axis=0) >= boxes.min(axis=0) - 1e-9).all()
    assert (found.boxes.max(axis=0) <= boxes.max(axis=0) + 1e-9).all()


def test_the_surer_of_two_that_overlap_weighs_more() -> None:
    boxes = np.array([[0.1, 0.1, 0.5, 0.5], [0.2, 0.1, 0.6, 0.5]])
    found = blend(candidates(boxes, [0.9, 0.3]), least_overlap=0.3)
    np.testing.assert_allclose(found.boxes, [[0.125, 0.1, 0.525, 0.5]])


@given(boxes=some_boxes())
def test_overlap_is_a_share_the_same_both_ways_and_whole_with_itself(boxes: Floats) -> None:
    table = np.stack([overlap(box, boxes) for box in boxes])
    assert (table >= 0).all()
    assert (table <= 1 + 1e-9).all()
    np.testing.assert_allclose(table, table.T, atol=1e-12)
    np.testing.assert_allclose(np.diag(table), 1.0)
