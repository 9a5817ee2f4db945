"""From what a BlazeFace network says of its anchors to faces. Pure.

The anchors are those of the Single Shot Detector (Liu et al. 2016, arXiv:1512.02325) as BlazeFace
places them (Bazarevsky et al. 2019, arXiv:1907.05047): in the middle of every cell of every layer,
all of the size of the picture. Overlapping answers are blended by their scores, as in the same
paper, which keeps boxes steadier from picture to picture than taking the best one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

POINTS = 6
"""Right eye, left eye, tip of the nose, middle of the mouth, right ear, left ear."""
MOST_LOGIT = 80.0
MOST_CANDIDATES = 512
"""No picture has more that matter; bounds the work on a hostile one."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Answers of a network, best first; lengths are shares of the side of its picture."""

    scores: Floats
    """(n,), 0..1"""
    boxes: Floats
    """(n, 4): x1, y1, x2, y2"""
    points: Floats
    """(n, POINTS, 2)"""

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def joined(cls, parts: Sequence[Candidates]) -> Candidates:
        """All of them, best first."""
        scores = np.concatenate([part.scores for part in parts])
        order = np.argsort(-scores, kind="stable")
        return cls(
            scores[order],
            np.concatenate([part.boxes for part in parts])[order],
            np.concatenate([part.points for part in parts])[order],
        )


def anchors(side_px: int, layers: Sequence[tuple[int, int]]) -> Floats:
    """Centres of all anchors, (n, 2). `layers`: pixels from cell to cell, and anchors in each."""
    found = []
    for stride_px, count in layers:
        cells = -(-side_px // stride_px)
        middles = (np.arange(cells) + 0.5) / cells
        rows, columns = np.meshgrid(middles, middles, indexing="ij")
        centres = np.stack([columns.ravel(), rows.ravel()], axis=1)
        found.append(np.repeat(centres, count, axis=0))
    return np.concatenate(found)


def decode(
    where: NDArray[np.floating], whether: NDArray[np.floating], centres: Floats, *,
    side_px: int, least_score: float,
) -> Candidates:  # fmt: skip
    """The answers of at least this score. `where`: (n, 4 + 2 * POINTS), `whether`: (n,) logits.

    An anchor says how far, in pixels, the box's middle is from its own, how wide and high the box
    is, and where the points are from its middle. Answers that are no numbers are passed over.
    """
    scores = 1.0 / (
        1.0 + np.exp(-np.clip(np.asarray(whether, np.float64), -MOST_LOGIT, MOST_LOGIT))
    )
    said = np.asarray(where, np.float64) / side_px
    sound = np.isfinite(said).all(axis=1) & (scores >= least_score)
    sound &= (said[:, 2] > 0) & (said[:, 3] > 0)
    kept = np.flatnonzero(sound)
    kept = kept[np.argsort(-scores[kept], kind="stable")][:MOST_CANDIDATES]
    middle = centres[kept] + said[kept, :2]
    half = said[kept, 2:4] / 2
    points = said[kept, 4:].reshape(-1, POINTS, 2) + centres[kept, None]
    return Candidates(scores[kept], np.hstack([middle - half, middle + half]), points)


def blend(found: Candidates, *, least_overlap: float) -> Candidates:
    """One answer for each group that overlaps its best by so much, averaged by score."""
    left = np.arange(len(found))
    scores, boxes, points = [], [], []
    while len(left):
        same = overlap(found.boxes[left[0]], found.boxes[left]) > least_overlap
        same[0] = True
        group = left[same]
        weight = found.scores[group] / found.scores[group].sum()
        scores.append(found.scores[group[0]])
        boxes.append(weight @ found.boxes[group])
        points.append(np.tensordot(weight, found.points[group], axes=1))
        left = left[~same]
    return Candidates(
        np.array(scores), np.reshape(boxes, (-1, 4)), np.reshape(points, (-1, POINTS, 2))
    )


def overlap(box: Floats, boxes: Floats) -> Floats:
    """Area that `box` (4,) shares with each of `boxes` (n, 4), as a share of both: (n,), 0..1."""
    corner = np.maximum(box[:2], boxes[:, :2])
    sides = np.clip(np.minimum(box[2:], boxes[:, 2:]) - corner, 0.0, None)
    shared = sides.prod(axis=1)
    both = (box[2:] - box[:2]).prod() + (boxes[:, 2:] - boxes[:, :2]).prod(axis=1) - shared
    return np.asarray(shared / np.maximum(both, 1e-12))
