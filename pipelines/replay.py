"""A recording through the same windows, detectors and rules, as fast as they go.

No clock but the recording's own and no concurrency: every window that is due is scored, in media
order, so the same input gives the same output, byte for byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from streammon.alerts.incidents import IncidentBook
from streammon.config import MonitorConfig
from streammon.core.errors import Permanent
from streammon.core.ports import Detector, Recording, Rule, Source
from streammon.core.types import (
    Alert,
    DetectionResult,
    Health,
    HealthState,
    Modality,
    StreamId,
    Window,
)
from streammon.pipelines.streams import Look, Stream

Line = DetectionResult | Alert | Health


@dataclass(frozen=True, slots=True)
class FixedDemand:
    """What every detector of a replay wants; satisfies `ports.Demand`."""

    frame_interval_s: float | None
    audio: bool


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
        self._detectors = detectors
        self._rules = rules
        self._origin = f"replay/{config.name}"
        for detector in detectors.values():
            detector.load(device if detector.on_device else "cpu")

    def judge(
        self, source: Source, *, progress: Callable[[float], None] = lambda media_s: None
    ) -> Iterator[Line]:
        """Results, alerts and health of one recording, in media order.

        `progress` is called with the media time reached. Raises `Permanent` for a source that
        cannot be replayed.
        """
        if not isinstance(source, Recording):
            raise Permanent(f"{source.stream}: only recordings can be replayed, not live sources")
        book = IncidentBook(self._settings, self._rules, origin=self._origin)
        due: list[tuple[str, Window]] = []
        stream = Stream(
            source,
            self._looks(source.modalities),
            submit=lambda name, window: due.append((name, window)),
        )
        yield _health(source.stream, HealthState.UP, "", 0)
        for item in source.items(self._demand(stream.looks)):
            stream.take(item)
            yield from self._score(due, book)
            progress(item.media_s)
        stream.finish()
        yield from self._score(due, book)
        yield from book.end_stream(
            source.stream, captured_ns=stream.captured_ns, why="the recording ended"
        )
        yield _health(source.stream, HealthState.ENDED, "read to its end", stream.captured_ns)

    def _looks(self, modalities: frozenset[Modality]) -> list[Look]:
        return [
            Look(name, modality, spec)
            for name, detector in self._detectors.items()
            for modality, spec in detector.inputs.items()
            if modality in modalities
        ]

    def _demand(self, looks: Sequence[Look]) -> FixedDemand:
        intervals = [
            look.spec.frame_interval_s or 0.5 for look in looks if look.modality is Modality.VIDEO
        ]
        audio = any(look.modality is Modality.AUDIO for look in looks)
        return FixedDemand(min(intervals, default=None), audio)

    def _score(self, due: list[tuple[str, Window]], book: IncidentBook) -> Iterator[Line]:
        """Score and forget what is due, each window alone: the same as live, whatever the load."""
        for name, window in due:
            (result,) = self._detectors[name].score([window])
            result = replace(result, processing_time_s=0.0)
            yield result
            yield from book.judge(result)
        due.clear()


def _health(stream: StreamId, state: HealthState, cause: str, since_ns: int) -> Health:
    return Health(f"stream:{stream}", state, cause, since_ns, stream)
