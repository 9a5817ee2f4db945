"""Where the media time of a live stream has come to while nothing comes from it. Pure."""

from __future__ import annotations

MEMORY_S = 30.0
"""The latest arrival of the last one to two such spells counts; spells without any do not."""

GRACE_S = 0.3
"""How much later still the next item may be: what is read by polling, a busy event loop."""


class LiveTime:
    """For a stream whose media time is real time.

    An item is late by what lies between its media time and when it is read. How late the next one
    may be is taken from the latest of late. So a sender that hands over batches, or a recording
    that is piped in, is never run ahead of: what it has yet to send keeps its own time. Media time
    that starts again with an epoch makes its first item the latest of all.
    """

    def __init__(self, media_s: float, read_ns: int) -> None:
        """Begins with the first item."""
        self._late_s = self._late_before_s = read_ns / 1e9 - media_s
        self._since_ns = read_ns

    def saw(self, media_s: float, read_ns: int) -> None:
        """An item of this media time was read then, whenever it arrived."""
        late_s = read_ns / 1e9 - media_s
        if read_ns - self._since_ns >= MEMORY_S * 1e9:
            self._late_before_s, self._late_s = self._late_s, late_s
            self._since_ns = read_ns
        self._late_s = max(self._late_s, late_s)

    def now_s(self, now_ns: int) -> float:
        """Media time before which nothing more is to be expected."""
        return now_ns / 1e9 - max(self._late_s, self._late_before_s) - GRACE_S
