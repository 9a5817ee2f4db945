"""Error rates, their intervals, and calibration: small functions on arrays of logits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def auc(real: Floats, fake: Floats) -> float:
    """The chance that a fake scores above a real one; ties count half."""
    both = np.concatenate([real, fake])
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    n, m = len(real), len(fake)
    return float((ranks[n:].sum() - m * (m + 1) / 2) / (n * m))


def equal_error_rate(real: Floats, fake: Floats) -> float:
    """Where as many reals are called fake as fakes are called real."""
    thresholds = np.concatenate([np.sort(np.concatenate([real, fake])), [np.inf]])
    alarms = 1.0 - np.searchsorted(np.sort(real), thresholds, side="left") / len(real)
    misses = np.searchsorted(np.sort(fake), thresholds, side="left") / len(fake)
    at = int(np.argmin(np.abs(alarms - misses)))
    return float((alarms[at] + misses[at]) / 2)


def interval_by_group(
    figure: Callable[[Floats, Floats], float],
    fake: NDArray[np.bool_],
    logits: Floats,
    groups: Sequence[str],
    *,
    seed: int = 0,
    rounds: int = 1000,
) -> tuple[float, float]:
    """The 95 % bootstrap interval of figure(real, fake) when whole speakers are drawn again.

    Real and fake groups are drawn apart, so that every round has both.
    """
    rng = np.random.default_rng(seed)
    keys = np.array([f"{kind}:{group}" for kind, group in zip(fake, groups, strict=True)])
    rows = {key: np.flatnonzero(keys == key) for key in sorted(set(keys))}
    kinds = [[key for key in rows if key.startswith(f"{kind}:")] for kind in (False, True)]
    values = []
    for _ in range(rounds):
        drawn = [rows[key] for kind in kinds if kind for key in rng.choice(kind, len(kind))]
        take = np.concatenate(drawn)
        values.append(figure(logits[take][~fake[take]], logits[take][fake[take]]))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class Calibration:
    """log-odds of synthetic = slope * logit + offset, at even prior odds."""

    slope: float
    offset: float

    def log_odds(self, logits: Floats) -> Floats:
        return self.slope * logits + self.offset


def platt(real: Floats, fake: Floats, *, steps: int = 200) -> Calibration:
    """Logistic regression of the label on the logit, both classes with equal weight (Newton)."""
    logits = np.concatenate([real, fake])
    label = np.concatenate([np.zeros(len(real)), np.ones(len(fake))])
    weight = np.concatenate(
        [np.full(len(real), 0.5 / len(real)), np.full(len(fake), 0.5 / len(fake))]
    )
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    theta = np.array([1.0, 0.0])
    ridge = 1e-4 * np.eye(2)
    for _ in range(steps):
        p = 1.0 / (1.0 + np.exp(-design @ theta))
        gradient = design.T @ (weight * (p - label)) + ridge @ (theta - np.array([1.0, 0.0]))
        curvature = design.T @ (design * (weight * p * (1 - p))[:, None]) + ridge
        step = np.linalg.solve(curvature, gradient)
        theta = theta - step
        if np.abs(step).max() < 1e-9:
            break
    return Calibration(slope=float(theta[0]), offset=float(theta[1]))
