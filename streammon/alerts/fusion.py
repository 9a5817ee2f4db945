"""Several opinions of one thing made into one. Pure.

Opinions are probabilities; they are weighed on the scale on which evidence adds up, log-odds
(`calibration`). `pooled` is the logarithmic opinion pool (Genest and Zidek, "Combining
probability distributions: a critique and an annotated bibliography", Statistical Science 1986):
the weighted *mean* of the log-odds. Not their sum, which would take the opinions for independent:
detectors of one recording share its codec, its microphone and often their training data, so two
that say 0.9 make 0.9, not 0.99. What repeated evidence is worth is for the rule over time.

For all three ways: an opinion that is `None` (an abstention) counts for nothing, the order makes
no difference, and what comes out lies between the least and the greatest that went in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations

from streammon.alerts.calibration import MOST_CERTAIN, log_odds, probability


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one voice says: a probability, or `None` when it abstains."""

    voice: str
    confidence: float | None
    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (self.weight > 0.0 and math.isfinite(self.weight)):
            raise ValueError(f"{self.voice}: a weight is positive and finite, got {self.weight}")
        if self.confidence is not None and not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"{self.voice}: a probability lies in 0..1, got {self.confidence}")


def spoken(opinions: Iterable[Opinion]) -> list[float]:
    """The confidences of those that did not abstain."""
    return [each.confidence for each in opinions if each.confidence is not None]


def pooled(opinions: Iterable[Opinion]) -> float | None:
    """The probability at the weighted mean of the log-odds; `None` when nobody spoke.

    No voice counts as surer than `calibration.MOST_CERTAIN`.
    """
    said = [(each.confidence, each.weight) for each in opinions if each.confidence is not None]
    if not said:
        return None
    heaviest = max(weight for _, weight in said)  # shares of it: sums of weights stay finite
    total = math.fsum(weight / heaviest for _, weight in said)
    nats = math.fsum(weight / heaviest * log_odds(confidence) for confidence, weight in said)
    between = sorted(min(max(one, 1.0 - MOST_CERTAIN), MOST_CERTAIN) for one, _ in said)
    return min(max(probability(nats / total), between[0]), between[-1])


def agreed(opinions: Iterable[Opinion], *, votes: int) -> float | None:
    """The greatest number that at least `votes` voices reach; `None` when fewer spoke.

    So at any threshold this says yes exactly when `votes` of them do: with more than half of
    those who spoke it is the majority, with all of them it is unanimity. Weights do not count.
    """
    if votes < 1:
        raise ValueError(f"at least one vote is needed, got {votes}")
    said = sorted(spoken(opinions), reverse=True)
    return said[votes - 1] if len(said) >= votes else None


def strongest(opinions: Iterable[Opinion]) -> float | None:
    """The greatest confidence: any one voice is enough; `None` when nobody spoke."""
    return max(spoken(opinions), default=None)


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two voices that are both sure, of opposite things."""

    synthetic: str
    genuine: str
    why: str


def conflicts(opinions: Iterable[Opinion], *, sure: float = 0.8) -> list[Conflict]:
    """Every pair of which one is at least `sure` of synthetic and one of genuine, by name."""
    if not 0.5 < sure < 1.0:
        raise ValueError(f"sure lies between 0.5 and 1, got {sure}")
    said: Mapping[str, float] = {
        each.voice: each.confidence for each in opinions if each.confidence is not None
    }
    found: list[Conflict] = []
    for pair in combinations(sorted(said), 2):
        low, high = sorted(pair, key=lambda voice: said[voice])
        if said[high] >= sure and said[low] <= 1.0 - sure:
            why = (
                f"{high} looks synthetic ({said[high]:.2f}), {low} looks genuine ({said[low]:.2f})"
            )
            found.append(Conflict(high, low, why))
    return found
