"""From logits to probabilities: two numbers, fitted on scores that training did not see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from streammon.evaluation.measures import Floats


@dataclass(frozen=True, slots=True)
class Calibration:
    """log-odds of synthetic = slope * logit + offset, at even prior odds."""

    slope: float
    offset: float

    def log_odds(self, logits: Floats) -> Floats:
        return self.slope * logits + self.offset

    def after(self, first: Calibration) -> Calibration:
        """This law of the log-odds that `first` gives."""
        return Calibration(self.slope * first.slope, self.slope * first.offset + self.offset)


def platt(real: Floats, fake: Floats, *, steps: int = 200) -> Calibration:
    """Logistic regression of the label on the logit, both classes with equal weight (Newton)."""
    logits = np.concatenate([real, fake])
    label = np.concatenate([np.zeros(len(real)), np.ones(len(fake))])
    weight = np.concatenate(
        [np.full(len(real), 0.5 / len(real)), np.full(len(fake), 0.5 / len(fake))]
    )
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    start = np.array([1.0, 0.0])
    theta = start
    ridge = 1e-4 * np.eye(2)

    def cost(theta: Floats) -> float:
        nats = design @ theta
        likelihood = weight @ (np.logaddexp(0.0, nats) - label * nats)
        return float(likelihood + 0.5 * (theta - start) @ ridge @ (theta - start))

    for _ in range(steps):
        p = 0.5 * (1.0 + np.tanh(0.5 * design @ theta))
        gradient = design.T @ (weight * (p - label)) + ridge @ (theta - start)
        curvature = design.T @ (design * (weight * p * (1 - p))[:, None]) + ridge
        step = np.linalg.solve(curvature, gradient)
        while cost(theta - step) > cost(theta) and np.abs(step).max() >= 1e-9:
            step = step / 2  # far from the end a whole step may overshoot
        theta = theta - step
        if np.abs(step).max() < 1e-9:
            break
    return Calibration(slope=float(theta[0]), offset=float(theta[1]))
