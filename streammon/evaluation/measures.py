"""How well scores tell fakes from reals: small functions of how often each score was given.

A score is higher for what looks more synthetic. Equal scores cannot be told apart, so a threshold
never falls between them: each distinct score is one point of the curve.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CALIBRATION_BINS = 10


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """How many reals and fakes were given each distinct score; all arrays are (k,)."""

    scores: Floats
    """Rising."""
    real: Floats
    fake: Floats

    @classmethod
    def of(cls, real: Floats, fake: Floats) -> Counts:
        """Of the scores of reals and of fakes. Raises `ValueError` for a score not finite."""
        both = np.concatenate([real, fake]).astype(np.float64)
        if not np.isfinite(both).all():
            raise ValueError("a score is not a finite number")
        scores, place = np.unique(both, return_inverse=True)
        size = len(scores)
        return cls(
            scores,
            np.bincount(place[: len(real)], minlength=size).astype(np.float64),
            np.bincount(place[len(real) :], minlength=size).astype(np.float64),
        )

    @property
    def has_both(self) -> bool:
        return bool(self.real.sum() > 0 and self.fake.sum() > 0)


Measure = Callable[[Counts], float]


@dataclass(frozen=True, slots=True, eq=False)
class Roc:
    """Shares called fake as the threshold falls, one point per distinct score; arrays (k + 1,).

    The first point is (0, 0), above every score; the last is (1, 1).
    """

    thresholds: Floats
    """What is at or above it is called fake."""
    false_alarms: Floats
    """Of the reals."""
    hits: Floats
    """Of the fakes."""


def roc(counts: Counts) -> Roc:
    """The receiver operating characteristic. Raises `ValueError` unless there are both classes."""
    if not counts.has_both:
        raise ValueError("a curve needs reals and fakes")
    return Roc(
        np.concatenate([[np.inf], counts.scores[::-1]]),
        np.concatenate([[0.0], np.cumsum(counts.real[::-1]) / counts.real.sum()]),
        np.concatenate([[0.0], np.cumsum(counts.fake[::-1]) / counts.fake.sum()]),
    )


def auc(counts: Counts) -> float:
    """The chance that a fake scores above a real one; ties count half (Mann-Whitney)."""
    reals, fakes = counts.real.sum(), counts.fake.sum()
    below = np.cumsum(counts.real) - counts.real / 2.0
    return float((counts.fake * below).sum() / (reals * fakes))


def equal_error_rate(counts: Counts) -> float:
    """Where as many reals are called fake as fakes are missed.

    Between two points of the curve it is on the straight line: what a coin between the two
    thresholds would reach.
    """
    curve = roc(counts)
    lead = curve.false_alarms - (1.0 - curve.hits)  # from -1 up to 1, never falling
    at = int(np.searchsorted(lead, 0.0, side="left"))
    before, after = lead[at - 1], lead[at]
    part = -before / (after - before)
    first, last = curve.false_alarms[at - 1], curve.false_alarms[at]
    return float(first + part * (last - first))


def hits_at(counts: Counts, *, false_alarms: float) -> float:
    """The largest share of fakes found by a threshold with at most this share of false alarms.

    Only thresholds that exist count: no line is drawn between points, so with few reals, or many
    of one score, the figure is what one would really get, never better.
    """
    curve = roc(counts)
    allowed = curve.false_alarms <= false_alarms
    return float(curve.hits[allowed].max())


def brier(counts: Counts) -> float:
    """The mean squared distance of confidences (0..1) from the truth: 0 is perfect.

    Saying 0.5 of everything gives 0.25.
    """
    missed = counts.real * counts.scores**2 + counts.fake * (1.0 - counts.scores) ** 2
    return float(missed.sum() / (counts.real.sum() + counts.fake.sum()))


@dataclass(frozen=True, slots=True)
class Bin:
    """What became of the confidences in (low, high]; the first bin holds 0 as well."""

    low: float
    high: float
    count: int
    said: float
    """Their mean."""
    found: float
    """The share of fakes among them."""


def reliability(counts: Counts, *, bins: int = CALIBRATION_BINS) -> list[Bin]:
    """Bins of equal width over 0..1 that hold anything, lowest first."""
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.searchsorted(edges[1:-1], counts.scores)
    both = counts.real + counts.fake
    number = np.bincount(place, weights=both, minlength=bins)
    said = np.bincount(place, weights=both * counts.scores, minlength=bins)
    found = np.bincount(place, weights=counts.fake, minlength=bins)
    return [
        Bin(
            float(edges[at]),
            float(edges[at + 1]),
            round(number[at]),
            float(said[at] / number[at]),
            float(found[at] / number[at]),
        )
        for at in np.flatnonzero(number)
    ]


def calibration_error(counts: Counts) -> float:
    """Expected calibration error: the distance of `said` from `found`, bins weighted by count."""
    found = reliability(counts)
    total = sum(one.count for one in found)
    return math.fsum(one.count * abs(one.said - one.found) for one in found) / total


MEASURES: Mapping[str, Measure] = {
    "auc": auc,
    "eer": equal_error_rate,
    "tpr_at_1": lambda counts: hits_at(counts, false_alarms=0.01),
    "tpr_at_5": lambda counts: hits_at(counts, false_alarms=0.05),
    "brier": brier,
    "ece": calibration_error,
}
"""The figures of every report. The first four need both classes, the others either."""
NEED_BOTH = frozenset({"auc", "eer", "tpr_at_1", "tpr_at_5"})


def figures(counts: Counts) -> dict[str, float | None]:
    """Each of `MEASURES`; `None` where a class that it needs is missing."""
    empty = len(counts.scores) == 0
    return {
        name: None if empty or (name in NEED_BOTH and not counts.has_both) else measure(counts)
        for name, measure in MEASURES.items()
    }
