"""When to ask a sender for a keyframe. Pure.

WebRTC senders make keyframes only when asked: one in 25 s was seen, or none. Asking serves three
needs: to begin at all or again after a loss, at once; to look at a calm stream by its keyframes
alone, as often as pictures are wanted; and to keep groups of pictures short enough for clips.
"""

from __future__ import annotations

LEAST_S = 1.0
"""Pictures wanted closer together than this are decoded from what comes anyway: keyframes at
such a rate would cost the picture its quality."""

EARLY = 0.8
"""A keyframe is asked for this share of the interval after the last, so that it is there when
the interval ends."""

AGAIN_S = 0.5
MOST_AGAIN_S = 8.0
"""Unanswered, it is asked for again after so long, then half as often each time, up to this."""


class KeyframeWish:
    """Whether now is the time to ask. All times are seconds of one clock."""

    def __init__(self, *, most_s: float) -> None:
        """`most_s`: keyframes are wanted at least so often, whatever is looked at."""
        self._most_s = most_s
        self._needed = True
        self._came_s: float | None = None
        self._asked_s: float | None = None
        self._pause_s = AGAIN_S

    def need(self) -> None:
        """What follows cannot be decoded without one."""
        self._needed = True

    def came(self, now_s: float) -> None:
        """A keyframe arrived."""
        self._needed = False
        self._came_s, self._asked_s, self._pause_s = now_s, None, AGAIN_S

    def due(self, now_s: float, interval_s: float | None) -> bool:
        """Whether to ask now, while pictures are wanted every `interval_s`; if so, it was asked."""
        if not self._wanted(now_s, interval_s):
            return False
        if self._asked_s is not None:
            if now_s < self._asked_s + self._pause_s:
                return False
            self._pause_s = min(2.0 * self._pause_s, MOST_AGAIN_S)
        self._asked_s = now_s
        return True

    def _wanted(self, now_s: float, interval_s: float | None) -> bool:
        if self._needed or self._came_s is None:
            return True
        every_s = self._most_s
        if interval_s is not None and interval_s >= LEAST_S:
            every_s = min(every_s, EARLY * interval_s)
        return now_s - self._came_s >= every_s
