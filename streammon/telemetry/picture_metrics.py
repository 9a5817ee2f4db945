"""What people's pictures cost, for Prometheus and OpenMetrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter


class PictureMetrics:
    """Counters of the two ways in which pictures come to people. Safe to call from any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._painted = Counter(
            "streammon_pictures_painted",
            "Pictures that were drawn upon and encoded as JPEG, for viewers, sinks and incidents.",
            registry=registry,
        )
        self._jumps = Counter(
            "streammon_viewer_jumps",
            "Times that a slow viewer of encoded pictures was moved on to a later keyframe.",
            registry=registry,
        )

    def painted(self) -> None:
        self._painted.inc()

    def jumped(self, times: int) -> None:
        self._jumps.inc(times)
