"""What a window costs: a detector and its bare model, asked in turn, medians of the rounds.

On the CPU in processor time of this process, which on one thread is what an idle machine would
take: others' work on a shared one is not counted. On CUDA, and where another process is waited
for, in wall time.
"""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from benchmarks.of_detectors.contestants import Contestant, Network, Thunk
from streammon.core.ports import Evictable
from streammon.core.types import Window

MOST_ROUNDS = 40


@dataclass(frozen=True, slots=True)
class Cost:
    """Of batches of one size; medians over `rounds`."""

    batch: int
    rounds: int
    window_s: float
    bare_window_s: float | None
    overhead: float | None
    """The median of the rounds' ratios."""

    def details(self) -> dict[str, float]:
        found = {"rounds": float(self.rounds), "ms_per_window": 1000 * self.window_s}
        found["windows_per_s"] = 1 / self.window_s
        if self.bare_window_s is not None and self.overhead is not None:
            found |= {"bare_ms_per_window": 1000 * self.bare_window_s, "overhead": self.overhead}
        return found


class Clock:
    """Seconds that asking once takes."""

    def __init__(self, device: str, *, in_wall_time: bool = False) -> None:
        self._cuda = device.startswith("cuda")
        self._now = time.perf_counter if self._cuda or in_wall_time else time.process_time

    def of(self, ask: Thunk) -> float:
        if self._cuda:
            torch.cuda.synchronize()
        began_s = self._now()
        ask()
        if self._cuda:
            torch.cuda.synchronize()
        return self._now() - began_s


def ask_all(contestant: Contestant, calls: Sequence[Sequence[Window]]) -> None:
    """Score batches of one modality each, none larger than the detector allows."""
    most = contestant.detector.max_batch
    for batch in calls:
        for at in range(0, len(batch), most):
            contestant.detector.score(batch[at : at + most])


def cost(
    contestant: Contestant,
    batch: int,
    *,
    budget_s: float,
    device: str,
    longest_s: float,
    least_rounds: int,
) -> Cost:
    """Rounds of detector and bare model in turn, until `budget_s` of wall time are spent.

    Where one batch would take longer than `longest_s`, a smaller one is measured instead.
    """
    clock = Clock(device, in_wall_time=contestant.in_wall_time)
    turn = 0

    def own(size: int) -> Thunk:
        nonlocal turn
        turn += 1
        deal = contestant.reel.deal
        calls = [deal(modality, size, turn) for modality in contestant.modalities]
        return lambda: ask_all(contestant, calls)

    with torch.inference_mode():
        first_s = clock.of(own(1))  # also warms up
        batch = max(1, min(batch, int(longest_s / first_s)))
        bare = None if contestant.bare is None else contestant.bare(batch)
        if bare is not None and batch * first_s < 1.0:
            bare()
            if batch > 1:
                own(batch)()
        until_s, pairs = time.perf_counter() + budget_s, list[tuple[float, float]]()
        while len(pairs) < MOST_ROUNDS and (
            len(pairs) < least_rounds or time.perf_counter() < until_s
        ):
            pairs.append(_pair(clock, own(batch), bare, own_first=len(pairs) % 2 == 0))
    windows = batch * len(contestant.modalities)
    ratio = None if bare is None else statistics.median(own_s / bare_s for own_s, bare_s in pairs)
    return Cost(
        batch,
        len(pairs),
        statistics.median(own_s for own_s, _ in pairs) / windows,
        None if bare is None else statistics.median(bare_s for _, bare_s in pairs) / windows,
        ratio,
    )


def _pair(clock: Clock, own: Thunk, bare: Thunk | None, *, own_first: bool) -> tuple[float, float]:
    if bare is None:
        return clock.of(own), 0.0
    if own_first:
        own_s = clock.of(own)
        return own_s, clock.of(bare)
    bare_s = clock.of(bare)
    return clock.of(own), bare_s


def measure(
    contestants: Sequence[Contestant],
    sizes: Sequence[int],
    *,
    budget_s: float,
    device: str,
    longest_s: float,
    least_rounds: int,
    tell: Callable[[str], None],
    reloads: bool = True,
) -> dict[str, dict[str, Any]]:
    """A table of costs by name and batch; each line is told when it is known.

    With `reloads` also what loading each once more takes.
    """
    table: dict[str, dict[str, Any]] = {}
    for each in contestants:
        rows: dict[str, Any] = dict(reloaded(each, device)) if reloads else {}
        for size in sizes:
            found = cost(
                each, size, budget_s=budget_s, device=device, longest_s=longest_s,
                least_rounds=least_rounds,
            )  # fmt: skip
            rows[f"batch_{size}"] = {"batch": found.batch, **found.details()}
            against = "" if found.overhead is None else f"{found.overhead:6.3f} x bare"
            tell(
                f"{each.name:<24} batch {found.batch:>2} {1000 * found.window_s:9.3f} ms a window "
                f"{1 / found.window_s:9.1f} windows/s {against}"
            )
        table[each.name] = {"about": each.about, **rows}
    return table


def reloaded(contestant: Contestant, device: str) -> dict[str, float]:
    """What loading it once more takes, for one that can be unloaded, and what it then holds."""
    detector = contestant.detector
    if not isinstance(detector, Evictable):
        return {}
    detector.unload()
    took_s = Clock(device, in_wall_time=True).of(lambda: detector.load(device))
    return {"load_ms": 1000 * took_s, "resident_mb": detector.resident_bytes / 2**20}


def precisions(
    networks: Mapping[str, Network], batch: int, *, device: str, rounds: int
) -> dict[str, dict[str, float]]:
    """ms per window of bare models on a device: fp32, autocast to fp16 and bf16, and compiled.

    A model is left out of what it cannot do.
    """
    table: dict[str, dict[str, float]] = {}
    for name, network in networks.items():
        module, moved = network.module, network.inputs(batch)
        ways: dict[str, tuple[Any, torch.dtype | None]] = {
            "fp32": (module, None),
            "fp16": (module, torch.float16),
            "bf16": (module, torch.bfloat16),
            "compiled": (torch.compile(module), None),
            "compiled_bf16": (torch.compile(module), torch.bfloat16),
        }
        table[name] = {}
        for way, (given, kind) in ways.items():
            try:
                took_s = _asked_s(network, given, moved, kind, device, rounds)
            except (RuntimeError, TypeError, AttributeError) as error:
                logging.getLogger(__name__).error("%s cannot be %s: %s", name, way, error)
                continue
            table[name][way] = 1000 * took_s / batch
    return table


def _asked_s(
    network: Network, module: Any, given: Any, kind: torch.dtype | None, device: str, rounds: int
) -> float:
    clock, took_s = Clock(device), list[float]()
    place = device.partition(":")[0]
    with torch.inference_mode(), torch.autocast(place, dtype=kind, enabled=kind is not None):
        network.ask(module, given)
        for _ in range(rounds):
            took_s.append(clock.of(lambda: network.ask(module, given)))
    return statistics.median(took_s)
