"""A recording through the same windows, detectors and rules, as fast as they go.

No clock but the recording's own and no concurrency: every window that is due is scored, in media
order, so the same input gives the same output, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from streammon.alerts.incidents import IncidentBook
from streammon.config import MonitorConfig
from streammon.core.ports import Detector, Rule, Source
from streammon.core.types import Alert, DetectionResult, Health, HealthState, StreamId
from streammon.pipelines.examine import Examiner

Line = DetectionResult | Alert | Health


class Replay:
    """Loaded detectors and rules, ready to judge one recording after another."""

    def __init__(
        self,
        config: MonitorConfig,
        detectors: Mapping[str, Detector],
        rules: Mapping[str, Rule],
        *,
        device: str,
    ) -> None:
        self._settings = config.alerts
        self._rules = rules
        self._origin = f"replay/{config.name}"
        self._examiner = Examiner(detectors, device=device, limits=config.scheduler)

    @property
    def given_up(self) -> Mapping[str, str]:
        """Detectors that hang, and what is known of it: they abstain from all that is left."""
        return self._examiner.given_up

    def judge(
        self, source: Source, *, progress: Callable[[float], None] = lambda media_s: None
    ) -> Iterator[Line]:
        """Results, alerts and health of one recording, in media order.

        `progress` is called with the media time reached. Raises `Permanent` for a source that
        cannot be replayed.
        """
        book = IncidentBook(self._settings, self._rules, origin=self._origin)
        examination = self._examiner.examine(source)
        yield _health(source.stream, HealthState.UP, "", 0)
        for result in examination.results(progress=progress):
            alerts = book.judge(result)
            yield book.noted(result)
            yield from alerts
        captured_ns = examination.stream.captured_ns
        yield from book.end_stream(
            source.stream, captured_ns=captured_ns, why="the recording ended"
        )
        yield _health(source.stream, HealthState.ENDED, "read to its end", captured_ns)


def _health(stream: StreamId, state: HealthState, cause: str, since_ns: int) -> Health:
    return Health(f"stream:{stream}", state, cause, since_ns, stream)
