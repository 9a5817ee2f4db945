"""How often the model that is wanted is loaded, where memory holds three of six.

The real scheduler on the CPU, with six image models of transformers (ViT, 6 layers of 192) and a
budget for three. Demand: 48 streams, Poisson arrivals of windows at a stated rate; which model a
window is for follows Zipf's law (the k-th most wanted gets a share of 1/k), and every `SHIFT_S`
seconds the most wanted one becomes the least wanted: what people watch changes. The same trace
goes through a scheduler with room for all six, and, as a plain list of wishes, through a cache
that always loads at once and drops the model used the longest ago.

Most of the models are wanted once or twice a second: the device is hardly used, so they give way at
once, and `residency_loading_share`, the share of the time in which one was being loaded, is not
bounded by the fifth that holds where all are wanted all the time.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.of_detectors import models
from benchmarks.of_detectors.contestants import MOST
from benchmarks.of_detectors.reels import Reel, moved, recorded
from streammon.config import SchedulerConfig
from streammon.core.clock import MonotonicClock
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Health, HealthState, Modality, StreamId, Window
from streammon.flow.channel import Channel, WhenFull
from streammon.registry import DETECTORS, adapter_class
from streammon.scheduler.residency import MEGABYTE
from streammon.scheduler.runner import Scheduler
from streammon.scheduler.tally import SchedulerStats

MODELS, ROOM, STREAMS = 6, 3, 48
RATE_HZ, SHIFT_S = 12.0, 8.0


@dataclass(frozen=True, slots=True)
class Wish:
    """A window that comes at a time, for one model."""

    at_s: float
    stream: StreamId
    model: str


def trace(seconds: float, seed: int = 11) -> list[Wish]:
    rng = np.random.default_rng(seed)
    shares = 1 / np.arange(1, MODELS + 1)
    order, at_s, found = list(range(MODELS)), 0.0, list[Wish]()
    while (at_s := at_s + float(rng.exponential(1 / RATE_HZ))) < seconds:
        turned = order[int(at_s / SHIFT_S) % MODELS :] + order[: int(at_s / SHIFT_S) % MODELS]
        model = turned[int(rng.choice(MODELS, p=shares / shares.sum()))]
        found.append(Wish(at_s, StreamId(f"s{rng.integers(STREAMS)}"), f"model{model}"))
    return found


def plain_hit_rate(wishes: Sequence[Wish]) -> float:
    """Of a cache of `ROOM` models that loads each wish at once: least recently used leaves."""
    loaded: OrderedDict[str, None] = OrderedDict()
    hits = 0
    for wish in wishes:
        hits += wish.model in loaded
        loaded[wish.model] = None
        loaded.move_to_end(wish.model)
        if len(loaded) > ROOM:
            loaded.popitem(last=False)
    return hits / len(wishes)


def built(folder: Path) -> dict[str, Detector]:
    """Six models of one size, not loaded."""
    found: dict[str, Detector] = {}
    for number in range(MODELS):
        place = folder / f"resident{number}"
        if not place.exists():
            models.vit(place, seed=number + 1)
        kind: Any = adapter_class(DETECTORS, "huggingface")
        made = kind(model=str(place), max_batch=MOST)
        found[f"model{number}"] = made.build(f"model{number}")
    return found


async def served(
    detectors: Mapping[str, Detector], wishes: Sequence[Wish], reel: Reel, memory_mb: float | None
) -> tuple[SchedulerStats, list[float]]:
    """The trace in real time; what the scheduler counted of it, and the ages of results."""
    clock, failed, ages_s = MonotonicClock(), list[Health](), list[float]()
    settings = SchedulerConfig(
        device="cpu", memory_mb=memory_mb, cpu_threads=1, idle_interval_s=0.01,
        cache={"entries": 0},
    )  # fmt: skip
    scheduler = Scheduler(detectors, settings, clock=clock, report=failed.append)
    for number in range(STREAMS):
        scheduler.add_stream(StreamId(f"s{number}"), frozenset({Modality.VIDEO}))
    out: Channel[DetectionResult] = Channel("results", 256, WhenFull.BLOCK)

    async def collect() -> None:
        async for result in out:
            ages_s.append((clock.now_ns() - result.captured_ns) / 1e9)

    await scheduler.load()
    before = scheduler.stats()
    async with asyncio.TaskGroup() as group:
        group.create_task(collect())
        running = group.create_task(scheduler.run(out))
        cuts, began_ns = itertools.cycle(reel.cuts[Modality.VIDEO]), clock.now_ns()
        for wish in wishes:
            wait_s = wish.at_s - (clock.now_ns() - began_ns) / 1e9
            await clock.sleep(max(wait_s, 0.0))
            scheduler.submit(wish.model, _now(next(cuts), wish, clock.now_ns()))
        scheduler.close()
        await running
        after = scheduler.stats()
        out.close()
    assert not [each for each in failed if each.state is HealthState.FAILED]
    return _since(before, after), ages_s


def _now(cut: Window, wish: Wish, now_ns: int) -> Window:
    window = moved(cut, wish.stream, wish.at_s)
    items = tuple(replace(item, captured_ns=now_ns) for item in window.items)
    return replace(window, items=items)


def _since(before: SchedulerStats, after: SchedulerStats) -> SchedulerStats:
    """Without the loads at the start."""
    counted = ("loads", "evictions", "loading_s")
    return replace(
        after,
        detectors={
            name: replace(
                each,
                **{
                    key: getattr(each, key) - getattr(before.detectors[name], key)
                    for key in counted
                },
            )
            for name, each in after.detectors.items()
        },
    )


async def measure(folder: Path, *, seconds: float) -> tuple[dict[str, float], dict[str, Any]]:
    detectors = built(folder)
    one = detectors["model0"]
    one.load("cpu")
    size_bytes = int(getattr(one, "resident_bytes", 0))
    reel = recorded("camera_clean.mp4", one, most=20)
    wishes = trace(seconds)
    room_mb = (ROOM + 0.5) * size_bytes / MEGABYTE
    tight, tight_ages_s = await served(detectors, wishes, reel, room_mb)
    roomy, roomy_ages_s = await served(built(folder), wishes, reel, None)
    told = tight.detectors.values()
    batches = sum(each.loads + each.loaded_already for each in told)
    loads, loading_s = sum(each.loads for each in told), sum(each.loading_s for each in told)
    figures = {
        "residency_hit_rate": sum(each.loaded_already for each in told) / batches,
        "residency_hit_rate_plain_lru": plain_hit_rate(wishes),
        "model_load_ms": 1000 * loading_s / max(loads, 1),
        "residency_loading_share": loading_s / seconds,
        "residency_scored_share": sum(each.scored for each in told) / len(wishes),
        "residency_scored_share_all_loaded": (
            sum(each.scored for each in roomy.detectors.values()) / len(wishes)
        ),
        "residency_age_p95_s": float(np.percentile(tight_ages_s, 95)),
        "residency_age_p95_s_all_loaded": float(np.percentile(roomy_ages_s, 95)),
    }
    details = {
        "seconds": seconds, "wishes": len(wishes), "batches": batches, "loads": loads,
        "evictions": sum(each.evictions for each in told),
        "model_mb": size_bytes / MEGABYTE, "budget_mb": room_mb, "rate_hz": RATE_HZ,
    }  # fmt: skip
    return figures, details
