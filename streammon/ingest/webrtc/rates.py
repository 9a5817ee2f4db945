"""How a publisher's link does, from what was counted between two looks. Pure."""

from __future__ import annotations

from collections import deque

from streammon.core.ports import LinkStats
from streammon.ingest.webrtc.tap import Reception

OVER_S = 2.0
"""Rates are of at least so long."""


class LinkTally:
    """Counts bytes and frames, and makes figures of them."""

    def __init__(self) -> None:
        self.bytes = self.frames = self.keyframes = 0
        self.video = self.audio = ""
        self.frame_s: float | None = None
        """When the newest frame of the picture, or of sound where there is none, arrived."""
        self._looks: deque[tuple[float, int, int, int, int]] = deque()

    def look(
        self, now_s: float, tracks: list[Reception], *, clock: str, skew_s: float | None
    ) -> LinkStats:
        """The figures now. `tracks`: what was received so far, the picture first."""
        packets = sum(track.packets for track in tracks)
        lost = sum(max(track.lost, 0) for track in tracks)
        self._looks.append((now_s, self.bytes, self.frames, packets, lost))
        while len(self._looks) > 2 and self._looks[1][0] <= now_s - OVER_S:
            self._looks.popleft()
        then_s, size, frames, packets_then, lost_then = self._looks[0]
        span_s = max(now_s - then_s, 1e-3)
        newly_lost = max(lost - lost_then, 0)
        expected = packets - packets_then + newly_lost
        return LinkStats(
            codecs=tuple(name for name in (self.video, self.audio) if name),
            kbit_s=(self.bytes - size) * 8 / 1000 / span_s,
            frames_per_s=(self.frames - frames) / span_s,
            lost_share=newly_lost / expected if expected > 0 else 0.0,
            jitter_s=max((track.jitter_s for track in tracks), default=0.0),
            frame_age_s=None if self.frame_s is None else max(now_s - self.frame_s, 0.0),
            clock=clock,
            skew_s=skew_s,
        )
