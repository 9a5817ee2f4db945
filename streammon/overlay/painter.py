"""Makes the pictures that people see, remembering each stream's scores of the recent past."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence

from streammon.config import OverlayConfig
from streammon.core.types import Alert, DetectionResult, Overlay, StreamId, VideoFrame
from streammon.overlay.draw import draw
from streammon.overlay.encode import encode_jpeg

MOST_SCORES = 60
"""Scores of the past that are shown: half a minute at the default of two pictures a second."""
MOST_STREAMS = 1024
"""Streams whose past is kept; beyond that the longest unseen is forgotten."""


class Painter:
    """Draws and encodes. For one worker thread: it may be any thread, but only one at a time."""

    def __init__(self, settings: OverlayConfig) -> None:
        self._settings = settings
        self._past: OrderedDict[StreamId, deque[float | None]] = OrderedDict()

    def paint(
        self,
        frame: VideoFrame,
        *,
        results: Sequence[DetectionResult],
        incidents: Sequence[Alert],
    ) -> Overlay:
        """The frame as it is shown. Its results' highest score joins the stream's past."""
        own = tuple(result for result in results if result.stream == frame.stream)
        past = self._past.setdefault(frame.stream, deque(maxlen=MOST_SCORES))
        self._past.move_to_end(frame.stream)
        if len(self._past) > MOST_STREAMS:
            self._past.popitem(last=False)
        scores = [result.confidence for result in own if result.confidence is not None]
        past.append(max(scores, default=None))
        image_rgb = draw(
            frame, results=own, history=past, incidents=incidents, width=self._settings.width
        )
        return Overlay(
            stream=frame.stream,
            seq=frame.seq,
            media_s=frame.media_s,
            captured_ns=frame.captured_ns,
            jpeg=encode_jpeg(image_rgb, quality=self._settings.jpeg_quality),
            width=image_rgb.shape[1],
            height=image_rgb.shape[0],
            epoch=frame.epoch,
            results=own,
        )

    def forget(self, stream: StreamId) -> None:
        """Drop the past of a stream that has ended."""
        self._past.pop(stream, None)
