"""Where a case's numbers come from: seeded, from the ranges of its split."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Literal, TypeVar

import numpy as np

Split = Literal["dev", "test"]
Range = tuple[float, float]
T = TypeVar("T")


class Draw:
    """Draws the parameters of one case; every case has a stream of numbers of its own.

    Where a call names two ranges or choices, the first is for development, the second for the
    test: wider, and partly elsewhere, so that the test also asks what was not tuned on.
    """

    def __init__(self, split: Split, seed: int, case: str, number: int) -> None:
        self.split = split
        name = zlib.crc32(f"{split}/{case}".encode())
        self.seed = int(np.random.SeedSequence((seed, name, number)).generate_state(1)[0])
        self.rng = np.random.default_rng(self.seed)

    def between(self, dev: Range, test: Range) -> float:
        """Uniform in the range of the split."""
        return float(self.rng.uniform(*(dev if self.split == "dev" else test)))

    def log_between(self, dev: Range, test: Range) -> float:
        """Log-uniform in the range of the split."""
        low, high = dev if self.split == "dev" else test
        return float(np.exp(self.rng.uniform(np.log(low), np.log(high))))

    def one_of(self, dev: Sequence[T], test: Sequence[T]) -> T:
        """One of the choices of the split."""
        choices = dev if self.split == "dev" else test
        return choices[int(self.rng.integers(len(choices)))]

    def perhaps(self, chance: float) -> bool:
        return bool(self.rng.random() < chance)
