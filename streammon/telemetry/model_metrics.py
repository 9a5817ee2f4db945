"""What is counted of models in memory and of results that were known already."""

from __future__ import annotations

from typing import Literal, TypeAlias

from prometheus_client import CollectorRegistry, Counter, Gauge

Lookup: TypeAlias = Literal["hit", "miss", "redis_hit", "redis_error"]


class ModelMetrics:
    """Part of `Metrics`; as safe to call from any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._loads = Counter(
            "streammon_model_loads",
            "Times that a model was loaded, the first time and after it had given way.",
            ("detector",),
            registry=registry,
        )
        self._evictions = Counter(
            "streammon_model_evictions",
            "Times that a model gave way to another in the device's memory.",
            ("detector",),
            registry=registry,
        )
        self._loading = Counter(
            "streammon_model_loading",
            "Time that loading a model took, with making room for it.",
            ("detector",),
            unit="seconds",
            registry=registry,
        )
        self._loaded_already = Counter(
            "streammon_model_loaded_already",
            "Batches for which the model was loaded already.",
            ("detector",),
            registry=registry,
        )
        self._resident = Gauge(
            "streammon_model_resident",
            "What the model takes of the device's memory now.",
            ("detector",),
            unit="bytes",
            registry=registry,
        )
        self._cached = Counter(
            "streammon_cached_windows",
            "Windows whose result was known, of those that were scored.",
            ("detector",),
            registry=registry,
        )
        self._lookups = Counter(
            "streammon_cache_lookups",
            "Windows looked up in the result cache: hit, miss; redis_hit for the hits that were "
            "Redis's, redis_error for the times it did not answer.",
            ("outcome",),
            registry=registry,
        )

    def loaded(self, detector: str, *, loads: int, evictions: int, seconds: float) -> None:
        self._loads.labels(detector).inc(loads)
        self._evictions.labels(detector).inc(evictions)
        self._loading.labels(detector).inc(seconds)

    def used(self, detector: str, *, loaded_already: int, resident_bytes: int) -> None:
        self._loaded_already.labels(detector).inc(loaded_already)
        self._resident.labels(detector).set(resident_bytes)

    def cached(self, detector: str, count: int) -> None:
        self._cached.labels(detector).inc(count)

    def looked_up(self, outcome: Lookup, count: int) -> None:
        self._lookups.labels(outcome).inc(count)
