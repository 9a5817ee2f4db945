"""One clock for the picture and the sound of a stream that is shown live. Pure."""

from __future__ import annotations

STRAY_S = 3.0
"""Media time this far behind its arrival is not believed: the stream is put there anew."""
AHEAD_S = 0.5
"""Nothing arrives before it was: what seems to shows that the clock was set by something late."""


class LiveClock:
    """Puts a stream's media time on a clock that goes on over its epochs, in seconds from 0.

    Within an epoch items stay as far apart as they are in the stream, picture and sound alike;
    each epoch begins where its first item arrived, and is put right by those that show that it was
    late, as the first of a burst is.
    """

    def __init__(self, began_ns: int) -> None:
        self._began_ns = began_ns
        self._epoch: int | None = None
        self._offset_s = 0.0

    def place_s(self, epoch: int, media_s: float, arrived_ns: int) -> float:
        """Where this moment of the stream lies; the newest that is known of what arrived."""
        arrived_s = self.at_s(arrived_ns)
        ahead_s = media_s + self._offset_s - arrived_s
        stray = not -STRAY_S <= ahead_s <= AHEAD_S
        if self._epoch is None or epoch > self._epoch or stray:
            self._epoch, self._offset_s = epoch, arrived_s - media_s
        return media_s + self._offset_s

    def at_s(self, now_ns: int) -> float:
        """What this clock shows then."""
        return (now_ns - self._began_ns) / 1e9
