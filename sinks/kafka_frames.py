"""Which frames go to Kafka: at most so many per second, one on its way per stream. Pure."""

from __future__ import annotations

from streammon.core.types import Overlay, StreamId


class FrameGate:
    """Keeps frames fresh: while one is on its way, only the stream's newest waits.

    Invariant: `offered == delivered + dropped + waiting + on_way`.
    """

    def __init__(self, *, most_fps: float, most_bytes: int) -> None:
        self._interval_ns = round(1e9 / most_fps)
        self._most_bytes = most_bytes
        self._due_ns: dict[StreamId, int] = {}
        self._on_way: set[StreamId] = set()
        self._waiting: dict[StreamId, Overlay] = {}
        self.offered = self.delivered = self.dropped = 0

    @property
    def waiting(self) -> int:
        return len(self._waiting)

    @property
    def on_way(self) -> int:
        return len(self._on_way)

    def offer(self, overlay: Overlay) -> Overlay | None:
        """The frame to send now, if any. One that comes too early or is too large is dropped."""
        self.offered += 1
        stream, at_ns = overlay.stream, overlay.captured_ns
        due_ns = self._due_ns.get(stream, at_ns)
        if at_ns < due_ns or len(overlay.jpeg) > self._most_bytes:
            self.dropped += 1
            return None
        # A frame that comes a little late does not delay the ones after it.
        self._due_ns[stream] = max(due_ns, at_ns - self._interval_ns // 2) + self._interval_ns
        if stream in self._on_way:
            self.dropped += stream in self._waiting
            self._waiting[stream] = overlay
            return None
        return self._go(overlay)

    def arrived(self, stream: StreamId, *, delivered: bool) -> Overlay | None:
        """The frame on its way has arrived or failed; the next one to send, if one waits."""
        self._on_way.discard(stream)
        self.delivered += delivered
        self.dropped += not delivered
        newest = self._waiting.pop(stream, None)
        return None if newest is None else self._go(newest)

    def refused(self, overlay: Overlay) -> None:
        """The client's queue was full: the frame just given out goes nowhere."""
        self._on_way.discard(overlay.stream)
        self.dropped += 1

    def _go(self, overlay: Overlay) -> Overlay:
        self._on_way.add(overlay.stream)
        return overlay
