"""How long a swapper is taught, how fast it learns by then, and when what it has is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import torch

RATE = 1e-3
SAVE_EVERY_S = 60.0


def paced(
    optimiser: torch.optim.Optimizer,
    *,
    steps: int,
    minutes: float,
    keep: Callable[[], None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[tuple[int, float]]:
    """The number of each step and the minutes before it, until steps or minutes are used up.

    The rate stays for two thirds of whichever ends first and then falls to zero. `clock` counts
    seconds; `keep` is called every minute of it.
    """
    began = kept = clock()
    for step in range(steps):
        now = clock()
        spent = (now - began) / 60
        done = max(step / steps, spent / minutes)
        if done >= 1:
            return
        if now - kept > SAVE_EVERY_S:
            kept = now
            keep()
        optimiser.param_groups[0]["lr"] = RATE * min(1.0, 3 * (1 - done))
        yield step, spent
