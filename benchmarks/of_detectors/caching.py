"""What the result cache saves, on the bundled recordings as they are.

Pictures of a camera that freezes, of one that is looped, of one that does neither (two a second,
one a window), and the lines of a flooded and of a calm chat, one a window, in the order in which
they were recorded, eight windows a batch, each recording with a cache of its own that is empty at
the start. A picture counts as known only where the decoder gave the same bytes again; a line only
where it is the same to the letter.
"""

from __future__ import annotations

import shutil
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.of_detectors.contestants import MOST, a_detector
from benchmarks.of_detectors.reels import recorded
from benchmarks.of_detectors.speed import Clock
from streammon.config import CacheConfig
from streammon.core.ports import Detector
from streammon.core.types import Window
from streammon.scheduler.cache import Cached, ResultCache

BATCH = 8
RECORDINGS = {
    "camera_frozen.mp4": "vit", "camera_looped.mp4": "vit", "camera_clean.mp4": "vit",
    "chat_flood.jsonl": "distilbert", "chat_clean.jsonl": "distilbert",
}  # fmt: skip


def batches(windows: Sequence[Window]) -> list[Sequence[Window]]:
    return [windows[at : at + BATCH] for at in range(0, len(windows), BATCH)]


def measure(folder: Path, *, most: int) -> tuple[dict[str, float], dict[str, Any]]:
    """Over the first `most` windows of each recording. Models are those of `contestants`."""
    line: dict[str, Any] = {"window": {"length": 1, "unit": "messages"}}
    detectors = {
        "vit": a_detector("huggingface", device="cpu", model=str(folder / "vit"), max_batch=MOST),
        "distilbert": a_detector(
            "huggingface", device="cpu", model=str(folder / "distilbert"), max_batch=MOST, **line
        ),
    }
    clock = Clock("cpu")
    table: dict[str, dict[str, float]] = {}
    for name, model in RECORDINGS.items():
        detector = detectors[model]
        (windows,) = recorded(name, detector, most=most).cuts.values()
        table[name] = _one(detector, batches(windows), clock)
    whole = {key: sum(row[key] for row in table.values()) for key in ("plain_s", "cached_s")}
    hits = sum(row["hits"] for row in table.values())
    figures = {
        "cache_hit_rate": hits / sum(row["windows"] for row in table.values()),
        "cache_time_saved": 1 - whole["cached_s"] / whole["plain_s"],
        "cache_cost_where_nothing_repeats": (
            table["camera_clean.mp4"]["cached_s"] / table["camera_clean.mp4"]["plain_s"]
        ),
    }
    for key, name in (("picture", "camera_clean.mp4"), ("line", "chat_clean.jsonl")):
        figures |= _of_a_hit(detectors[RECORDINGS[name]], name, key, folder)
    return figures, {"recordings": table}


def _one(detector: Detector, parts: list[Sequence[Window]], clock: Clock) -> dict[str, float]:
    """One recording without and with a cache, batch by batch in turn."""
    cache = ResultCache(CacheConfig())
    cached = Cached(detector, cache)
    detector.score(parts[0])
    plain_s = cached_s = 0.0
    for at, part in enumerate(parts):
        ways = [partial(detector.score, part), partial(cached.score, part)]
        order = (0, 1) if at % 2 == 0 else (1, 0)
        took_s = dict[int, float]()
        for way in order:
            took_s[way] = clock.of(ways[way])
        plain_s, cached_s = plain_s + took_s[0], cached_s + took_s[1]
    stats = cache.stats()
    windows = stats.hits + stats.misses
    return {
        "windows": windows, "hits": stats.hits, "hit_rate": stats.hits / windows,
        "plain_s": plain_s, "cached_s": cached_s, "time_saved": 1 - cached_s / plain_s,
    }  # fmt: skip


def _of_a_hit(detector: Detector, name: str, key: str, folder: Path) -> dict[str, float]:
    """Microseconds a window where all are known: from memory, and from Redis if it is here."""
    (windows,) = recorded(name, detector, most=BATCH).cuts.values()
    memory = ResultCache(CacheConfig())
    cached = Cached(detector, memory)
    cached.score(windows)
    took_s = [Clock("cpu").of(partial(cached.score, windows)) for _ in range(20)]
    figures = {f"cache_hit_us_{key}": 1e6 * statistics.median(took_s) / len(windows)}
    if shutil.which("redis-server") is not None:
        took_s = _from_redis(detector, windows, folder)
        figures[f"cache_hit_us_{key}_redis"] = 1e6 * statistics.median(took_s) / len(windows)
    return figures


def _from_redis(detector: Detector, windows: Sequence[Window], folder: Path) -> list[float]:
    """In wall time, with a memory that is empty each time."""
    from tests.loopback.redis_server import RedisServer

    server = RedisServer(folder)
    try:
        settings = CacheConfig.model_validate({"redis": server.url})
        first = ResultCache(settings)
        Cached(detector, first).score(windows)
        took_s = []
        for _ in range(10):
            cache = ResultCache(settings)
            warm = Cached(detector, cache)
            took_s.append(Clock("cpu", in_wall_time=True).of(partial(warm.score, windows)))
            stats = cache.stats()
            assert (stats.redis_hits, stats.misses) == (len(windows), 0), stats
            cache.close()
        first.close()
    finally:
        server.kill()
    return took_s
