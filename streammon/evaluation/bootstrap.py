"""How sure the figures are: 95 % intervals by drawing whole groups of rows again.

Clips of one speaker, or crops of one face, are not independent: drawing single rows would give
intervals that are far too narrow. So groups are drawn (the cluster bootstrap; Davison and
Hinkley, Bootstrap Methods and their Application, 1997, 3.8), percentile intervals.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.measures import Counts, Floats, Measure

ROUNDS = 1000
LOW, HIGH = 2.5, 97.5
NORMAL_95 = 1.959964
"""Standard deviations within which 95 % of a normal distribution lie."""


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float


class Redrawn:
    """Scored rows, ready to be drawn again and again, the same way for the same seed.

    Groups of reals only, of fakes only and of both are drawn apart, as many of each as there are,
    so that every round has both classes and a group's reals and fakes stay together.
    """

    def __init__(
        self,
        fake: NDArray[np.bool_],
        scores: Floats,
        groups: Sequence[str],
        *,
        seed: int = 0,
        rounds: int = ROUNDS,
    ) -> None:
        """`fake` and `scores`: (n,); `groups`: one name per row."""
        self._scores, self._place = np.unique(scores, return_inverse=True)
        self._fake = fake = fake.astype(np.bool_)
        names = {name: at for at, name in enumerate(sorted(set(groups)))}
        self._group = np.array([names[name] for name in groups], dtype=np.intp)
        self._seed, self._rounds = seed, rounds
        holds_fake = np.bincount(self._group, weights=fake, minlength=len(names)) > 0
        holds_real = np.bincount(self._group, weights=~fake, minlength=len(names)) > 0
        self.real_groups, self.fake_groups = int(holds_real.sum()), int(holds_fake.sum())
        kinds = (holds_real & ~holds_fake, holds_fake & ~holds_real, holds_real & holds_fake)
        self._strata = [np.flatnonzero(kind) for kind in kinds if kind.any()]

    def intervals(self, measures: Mapping[str, Measure]) -> dict[str, Interval | None]:
        """The 95 % interval of each measure.

        `None` where either class comes from a single group: how much another group would differ
        cannot be known then. A class that is not there at all is not asked for.
        """
        if 1 in {self.real_groups, self.fake_groups} or not self._strata:
            return dict.fromkeys(measures)
        values: dict[str, list[float]] = {name: [] for name in measures}
        for counts in self._draws():
            for name, measure in measures.items():
                values[name].append(measure(counts))
        return {name: _percentiles(found) for name, found in values.items()}

    def _draws(self) -> Iterator[Counts]:
        rng = np.random.default_rng(self._seed)
        size, groups = len(self._scores), int(self._group.max()) + 1
        for _ in range(self._rounds):
            drawn = np.concatenate([rng.choice(kind, len(kind)) for kind in self._strata])
            times = np.bincount(drawn, minlength=groups).astype(np.float64)[self._group]
            real, fake = (
                np.bincount(self._place, weights=times * of, minlength=size).astype(np.float64)
                for of in (~self._fake, self._fake)
            )
            yield Counts(self._scores, real, fake)


def _percentiles(values: Sequence[float]) -> Interval:
    low, high = np.percentile(values, [LOW, HIGH])
    return Interval(float(low), float(high))


def rate_interval(count: int, exposure: float) -> Interval:
    """The exact 95 % interval of a rate after `count` events in `exposure` (Garwood, 1936).

    For events that come independently of each other. After none it goes up to 3.7 / exposure.
    """
    if exposure <= 0:
        raise ValueError(f"exposure must be positive, got {exposure}")
    low = 0.0 if count == 0 else _solve(lambda mean: 1.0 - _at_most(count - 1, mean), 0.025)
    high = _solve(lambda mean: -_at_most(count, mean), -0.025)
    return Interval(low / exposure, high / exposure)


def share_interval(count: int, of: int) -> Interval:
    """The 95 % interval of a share after `count` of `of` independent trials (Wilson, 1927)."""
    if not 0 <= count <= of or of == 0:
        raise ValueError(f"{count} of {of} is no share")
    z2, share = NORMAL_95**2, count / of
    middle = (share + z2 / (2 * of)) / (1 + z2 / of)
    half = NORMAL_95 / (1 + z2 / of) * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def _at_most(count: int, mean: float) -> float:
    """The chance of at most so many events where `mean` are expected."""
    if mean == 0.0:
        return 1.0
    terms = (math.exp(n * math.log(mean) - mean - math.lgamma(n + 1)) for n in range(count + 1))
    return min(math.fsum(terms), 1.0)


def _solve(rising: Callable[[float], float], target: float) -> float:
    """Where a rising function of a mean count meets `target`, by halving."""
    low, high = 0.0, 1.0
    while rising(high) < target:
        high *= 2.0
    while high - low > 1e-12 * high:
        middle = (low + high) / 2.0
        low, high = (middle, high) if rising(middle) < target else (low, middle)
    return (low + high) / 2.0
