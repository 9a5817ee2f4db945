"""Who gets what: items to windows, meters and pictures; results and alerts to all who are told."""

from __future__ import annotations

from collections.abc import Mapping

from streammon.core.ports import Clock, StoredAlert
from streammon.core.types import (
    Alert,
    AudioChunk,
    ChatMessage,
    DetectionResult,
    Item,
    StreamId,
    VideoFrame,
)
from streammon.overlay.meter import ChatMeter, audio_meter
from streammon.pipelines.outlets import Outlets
from streammon.pipelines.pictures import Pictures
from streammon.pipelines.streams import Stream, modality_of
from streammon.telemetry.metrics import Metrics


class Routes:
    """The event loop's side of every hand-over. Nothing here waits."""

    def __init__(
        self,
        streams: Mapping[StreamId, Stream],
        *,
        clock: Clock,
        outlets: Outlets,
        pictures: Pictures,
        metrics: Metrics,
    ) -> None:
        self._streams = streams
        self._clock = clock
        self._outlets = outlets
        self._pictures = pictures
        self._metrics = metrics
        self._chat_meters: dict[StreamId, ChatMeter] = {}

    def take(self, stream: Stream, item: Item) -> None:
        """An item from a source."""
        self._metrics.item(stream.stream, modality_of(item).value)
        stream.take(item, now_ns=self._clock.now_ns())
        if isinstance(item, VideoFrame):
            self._pictures.saw_frame(stream, item)
        elif isinstance(item, ChatMessage):
            name = stream.stream
            if meter := self._chat_meters.setdefault(name, ChatMeter(name)).push(item):
                self._outlets.tell(meter)
        elif isinstance(item, AudioChunk) and self._outlets.listened_to(stream.stream):
            self._outlets.tell(audio_meter(item))

    def tell_result(self, result: DetectionResult) -> None:
        """A result that the rules have heard."""
        self._metrics.result(result.detector, abstained=result.confidence is None)
        age_s = (self._clock.now_ns() - result.captured_ns) / 1e9
        self._metrics.window_age(result.detector, max(0.0, age_s))
        self._outlets.tell(result)
        if (stream := self._streams.get(result.stream)) is not None:
            self._pictures.saw_result(stream, result)

    def tell_alert(self, stored: StoredAlert, alert: Alert) -> None:
        """An alert that the outbox has."""
        self._outlets.tell_alert(stored, alert)
        if (stream := self._streams.get(alert.stream)) is not None:
            self._pictures.saw_alert(stream, alert)
