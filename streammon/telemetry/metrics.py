"""What the monitor counts and measures, for Prometheus and OpenMetrics."""

from __future__ import annotations

import platform
import threading
from collections.abc import Iterator
from typing import Literal, TypeAlias

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    exposition,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from streammon import __version__
from streammon.telemetry.link_metrics import LinkMetrics
from streammon.telemetry.model_metrics import ModelMetrics
from streammon.telemetry.picture_metrics import PictureMetrics

MOST_STREAM_LABELS = 200
OTHER = "other"
"""The `stream` label of every stream beyond the bound."""

WindowOutcome: TypeAlias = Literal["scored", "replaced", "not_due", "failed"]

_AGES_S = (0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0)
_SHORT_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class _StreamLabels:
    """The first so many streams' own ids, and `other` for the rest. Thread-safe."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._known: set[str] = set()
        self._lock = threading.Lock()

    def label(self, stream: str) -> str:
        with self._lock:
            if stream not in self._known and len(self._known) < self._most:
                self._known.add(stream)
            return stream if stream in self._known else OTHER


class _Lean(Collector):
    """A registry without the `_created` series: one beside each counter and histogram, of since
    when it counts, which nobody asks for.

    The library's own switch would be thrown for the whole process, whoever else counts in it.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            created = f"{family.name}_created"
            family.samples = [each for each in family.samples if each.name != created]
            yield family


class Metrics:
    """One registry of named counters, gauges and histograms. Safe to call from any thread.

    Labels come from the configuration, so their number is known, except for streams: the first
    `most_streams` are counted under their own id and all others together as `other`. A gauge
    that several streams write to would say nothing, so the others have none.
    """

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        most_streams: int = MOST_STREAM_LABELS,
    ) -> None:
        """`registry`: where to register; unset: a new one, with the process's own figures."""
        if registry is None:
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
        self.registry = registry
        self._most_streams = most_streams
        self._streams = _StreamLabels(most_streams)
        self._declare_media(registry)
        self._declare_scoring(registry)
        self._declare_delivery(registry)
        self.models = ModelMetrics(registry)
        self.links = LinkMetrics(registry, most=most_streams)
        self.pictures = PictureMetrics(registry)
        build = Info("streammon_build", "The version that is running.", registry=registry)
        build.info({"version": __version__, "python": platform.python_version()})

    def _declare_media(self, registry: CollectorRegistry) -> None:
        self._items = Counter(
            "streammon_items",
            "Frames, sound chunks and messages that arrived.",
            ("stream", "modality"),
            registry=registry,
        )
        self._dropped = Counter(
            "streammon_dropped_items",
            "Items given up at a full border, newest wins.",
            ("border",),
            registry=registry,
        )
        self._stream_up = Gauge(
            "streammon_stream_up",
            "1 while media arrives from the stream, else 0.",
            ("stream",),
            registry=registry,
        )
        self._reconnects = Counter(
            "streammon_stream_reconnects",
            "Times a stream was opened again after it was lost.",
            ("stream",),
            registry=registry,
        )
        self._frame_age = Gauge(
            "streammon_frame_age",
            "Age of the newest item of the stream.",
            ("stream",),
            unit="seconds",
            registry=registry,
        )
        self._loop_lag = Histogram(
            "streammon_loop_lag",
            "How much later than asked the event loop ran a timer.",
            unit="seconds",
            buckets=_SHORT_S,
            registry=registry,
        )

    def _declare_scoring(self, registry: CollectorRegistry) -> None:
        self._windows = Counter(
            "streammon_windows",
            "Windows by what became of them: scored, replaced, not_due, failed.",
            ("detector", "outcome"),
            registry=registry,
        )
        self._results = Counter(
            "streammon_results",
            "Results of detectors; abstained is true where there was nothing to judge.",
            ("detector", "abstained"),
            registry=registry,
        )
        self._window_age = Histogram(
            "streammon_window_age",
            "Time from the arrival of a window's newest item to its result.",
            ("detector",),
            unit="seconds",
            buckets=_AGES_S,
            registry=registry,
        )
        self._batches = Counter(
            "streammon_batches",
            "Calls to a detector; each scores one window or several.",
            ("detector",),
            registry=registry,
        )
        self._scoring = Counter(
            "streammon_scoring",
            "Time that calls to a detector took.",
            ("detector",),
            unit="seconds",
            registry=registry,
        )

    def _declare_delivery(self, registry: CollectorRegistry) -> None:
        self._alerts = Counter(
            "streammon_alerts",
            "Alerts raised: opened, updated, closed.",
            ("kind", "state"),
            registry=registry,
        )
        self._delivered = Counter(
            "streammon_sink_delivered_events",
            "Events that a sink's other side accepted.",
            ("sink", "event"),
            registry=registry,
        )
        self._failures = Counter(
            "streammon_sink_failures",
            "Attempts to deliver that failed and will be made again.",
            ("sink",),
            registry=registry,
        )
        self._outbox_alerts = Gauge(
            "streammon_outbox_alerts", "Alerts kept in the outbox.", registry=registry
        )
        self._outbox_age = Gauge(
            "streammon_outbox_oldest_age",
            "Age of the oldest alert that a durable sink has not taken yet.",
            unit="seconds",
            registry=registry,
        )
        self._viewers = Gauge(
            "streammon_viewers", "Clients connected to the WebSocket.", registry=registry
        )

    def item(self, stream: str, modality: str) -> None:
        self._items.labels(self._streams.label(stream), modality).inc()

    def dropped(self, border: str, count: int = 1) -> None:
        self._dropped.labels(border).inc(count)

    def window(self, detector: str, outcome: WindowOutcome, count: int = 1) -> None:
        self._windows.labels(detector, outcome).inc(count)

    def result(self, detector: str, *, abstained: bool) -> None:
        self._results.labels(detector, "true" if abstained else "false").inc()

    def window_age(self, detector: str, seconds: float) -> None:
        self._window_age.labels(detector).observe(seconds)

    def batches(self, detector: str, count: int, *, seconds: float) -> None:
        """So many more calls to a detector, which together took so long."""
        self._batches.labels(detector).inc(count)
        self._scoring.labels(detector).inc(seconds)

    def alert(self, kind: str, state: str) -> None:
        self._alerts.labels(kind, state).inc()

    def sink_delivered(self, sink: str, event: str) -> None:
        self._delivered.labels(sink, event).inc()

    def sink_failed(self, sink: str) -> None:
        self._failures.labels(sink).inc()

    def outbox(self, rows: int, oldest_s: float) -> None:
        self._outbox_alerts.set(rows)
        self._outbox_age.set(oldest_s)

    def stream_up(self, stream: str, up: bool, reconnect: bool = False) -> None:
        """Whether media arrives; `reconnect` when it was opened again to that end."""
        label = self._streams.label(stream)
        if label != OTHER:
            self._stream_up.labels(label).set(up)
        if reconnect:
            self._reconnects.labels(label).inc()

    def frame_age(self, stream: str, seconds: float) -> None:
        label = self._streams.label(stream)
        if label != OTHER:
            self._frame_age.labels(label).set(seconds)

    def viewers(self, count: int) -> None:
        self._viewers.set(count)

    def loop_lag(self, seconds: float) -> None:
        self._loop_lag.observe(seconds)

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The page and its content type: OpenMetrics where the `Accept` header asks for it."""
        lean = _Lean(self.registry)
        kinds = {part.partition(";")[0].strip().lower() for part in accept.split(",")}
        if "application/openmetrics-text" in kinds:
            page = openmetrics.generate_latest(lean)  # type: ignore[no-untyped-call]
            return page, openmetrics.CONTENT_TYPE_LATEST
        return exposition.generate_latest(lean), exposition.CONTENT_TYPE_PLAIN_0_0_4
