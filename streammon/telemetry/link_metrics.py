"""How the media of live publishers come in, for Prometheus and OpenMetrics."""

from __future__ import annotations

from typing import Protocol

from prometheus_client import CollectorRegistry, Gauge

FIGURES = {
    "bits_per_second": "Bit rate of the media that a publisher sends.",
    "frames_per_second": "Encoded pictures that come from a publisher.",
    "lost_ratio": "Share of a publisher's packets that never came, 0 to 1.",
    "jitter_seconds": "Jitter of a publisher's packets (RFC 3550).",
}


class Link(Protocol):
    """What is shown of `ports.LinkStats`."""

    @property
    def kbit_s(self) -> float: ...

    @property
    def frames_per_s(self) -> float: ...

    @property
    def lost_share(self) -> float: ...

    @property
    def jitter_s(self) -> float: ...


class LinkMetrics:
    """Gauges by stream, there only while somebody publishes. For one thread."""

    def __init__(self, registry: CollectorRegistry, *, most: int) -> None:
        """`most`: streams that are shown at once; figures of any more are left out."""
        self._gauges = {
            name: Gauge(f"streammon_link_{name}", text, ("stream",), registry=registry)
            for name, text in FIGURES.items()
        }
        self._most = most
        self._shown: set[str] = set()

    def show(self, stream: str, link: Link | None) -> None:
        """How a publisher's media come in; `None` while nobody publishes."""
        if link is None:
            self._hide(stream)
            return
        if stream not in self._shown and len(self._shown) >= self._most:
            return
        self._shown.add(stream)
        values = {
            "bits_per_second": 1000 * link.kbit_s,
            "frames_per_second": link.frames_per_s,
            "lost_ratio": link.lost_share,
            "jitter_seconds": link.jitter_s,
        }
        for name, value in values.items():
            self._gauges[name].labels(stream).set(value)

    def _hide(self, stream: str) -> None:
        if stream not in self._shown:
            return
        self._shown.discard(stream)
        for gauge in self._gauges.values():
            gauge.remove(stream)
