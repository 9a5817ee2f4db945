"""Probabilities, log-odds and what a calibrated score is worth as evidence. Pure.

A detector reports a probability p that was calibrated on data of which a share `prior` was
synthetic. By Bayes' rule in odds form (Good, "Probability and the Weighing of Evidence", 1950)

    log-odds(p) - log-odds(prior) = log( P(score | synthetic) / P(score | genuine) )

so the prior of the calibration data drops out and what is left, in nats, is the weight of the
evidence of this one window. These weights add up over independent windows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

MOST_CERTAIN = 0.999
"""No score is believed beyond this: finite test sets cannot support more."""


def log_odds(probability: float, *, most_certain: float = MOST_CERTAIN) -> float:
    """`log(p / (1 - p))` in nats, with p first clipped to [1 - most_certain, most_certain].

    Finite for every number in 0..1. Raises `ValueError` for anything else.
    """
    if not 0.0 <= probability <= 1.0:
        raise ValueError(f"a probability lies in 0..1, got {probability}")
    if not 0.5 < most_certain < 1.0:
        raise ValueError(f"most_certain lies between 0.5 and 1, got {most_certain}")
    clipped = min(max(probability, 1.0 - most_certain), most_certain)
    return math.log(clipped) - math.log1p(-clipped)


def probability(log_odds: float) -> float:
    """The probability with these log-odds; never overflows."""
    if log_odds >= 0.0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1.0 + odds)


def weight_of_evidence(probability: float, *, prior: float = 0.5) -> float:
    """Nats for (positive) or against (negative) synthetic that one calibrated score is worth.

    `prior` is the share of synthetic windows in the data the score was calibrated on.
    """
    if not 0.0 < prior < 1.0:
        raise ValueError(f"prior lies between 0 and 1, got {prior}")
    return log_odds(probability) - (math.log(prior) - math.log1p(-prior))


@dataclass(frozen=True, slots=True)
class Platt:
    """Platt scaling: a sigmoid laid over a raw score, fitted on held-out data.

    J. Platt, "Probabilistic outputs for support vector machines", 1999; for a neural network
    with `intercept=0` it is temperature scaling with temperature `1 / slope` (Guo, Pleiss, Sun
    and Weinberger, "On calibration of modern neural networks", ICML 2017).
    """

    slope: float = 1.0
    intercept: float = 0.0

    def __post_init__(self) -> None:
        if not (self.slope > 0.0 and math.isfinite(self.slope) and math.isfinite(self.intercept)):
            raise ValueError(f"expected a positive slope and finite numbers, got {self}")

    def calibrated(self, score: float) -> float:
        """The calibrated probability of a raw score on the log-odds scale (a logit)."""
        return probability(self.slope * score + self.intercept)


def shifted_prior(probability_: float, *, trained: float, deployed: float) -> float:
    """A probability calibrated where a share `trained` was synthetic, as it is worth where a
    share `deployed` is (Saerens, Latinne and Decaestecker, "Adjusting the outputs of a
    classifier to new a priori probabilities", 2002).
    """
    if not 0.0 < deployed < 1.0:
        raise ValueError(f"deployed lies between 0 and 1, got {deployed}")
    weight = weight_of_evidence(probability_, prior=trained)
    return probability(weight + math.log(deployed) - math.log1p(-deployed))
