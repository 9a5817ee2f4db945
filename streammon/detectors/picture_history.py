"""The recent pictures of one stream, thinned and reduced."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from streammon.core.types import VideoFrame
from streammon.detectors.picture_signals import Change, Grey, Look, change_between, look_at

MOST_PICTURES = 256
THINNED_TO_S = 0.4
"""Pictures closer together than this are left out: more of them would say nothing new."""

STILL_TOUCHED = 0.01
STILL_PEAK = 4.0
REFRESH_PEAK = 12.0
REFRESH_SPREAD = 1.5
"""Measured on x264 at CRF 23 to 33 and 200 kbit/s: a picture that stands still changes less than
the first two within a group of pictures, and less than the others where a keyframe draws it anew.
"""

ALIVE_S = 3.0
"""Shorter movement may be the turn of a slide."""
MOST_REFRESHED = 3
"""A keyframe lies between two pictures at most twice in a row; more is sensor noise."""
EARLIER_S = 600.0


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One remembered picture and how it came about from the one before."""

    at_s: float
    thumb: Grey
    black: bool
    slate: bool
    change: Change | None
    """`None` for the first picture, and after a gap or a change of size."""

    @property
    def still(self) -> bool:
        """Nothing but codec noise since the picture before."""
        change = self.change
        return change is not None and change.touched < STILL_TOUCHED and change.peak <= STILL_PEAK

    @property
    def refreshed(self) -> bool:
        """Too much changed for a still picture, but no more than a keyframe may change."""
        change = self.change
        return (
            change is not None
            and not self.still
            and change.peak <= REFRESH_PEAK
            and change.spread <= REFRESH_SPREAD
        )

    @property
    def lively(self) -> bool:
        return self.change is not None and not self.still and not self.refreshed


class StillRun:
    """How long the picture has stood still, how long it did before, whether it ever lived."""

    def __init__(self) -> None:
        self.since_s: float | None = None
        self.seen_alive = False
        """Something moved, or sensor noise was there, for `ALIVE_S` without a break."""
        self._alive_since_s: float | None = None
        self._refreshed_in_a_row = 0
        self._earlier: deque[tuple[float, float]] = deque(maxlen=64)

    def longest_earlier_s(self, now_s: float) -> float:
        """The longest stretch of stillness that ended by itself in the last ten minutes."""
        return max(
            (lasted_s for ended_s, lasted_s in self._earlier if ended_s >= now_s - EARLIER_S),
            default=0.0,
        )

    def gap(self) -> None:
        self.since_s = self._alive_since_s = None
        self._refreshed_in_a_row = 0

    def advance(self, before_s: float, glimpse: Glimpse) -> None:
        """`before_s` is when the picture before `glimpse` was."""
        self._refreshed_in_a_row = self._refreshed_in_a_row + 1 if glimpse.refreshed else 0
        if glimpse.still:
            self._alive_since_s = None
            self.since_s = before_s if self.since_s is None else self.since_s
            return
        if self._alive_since_s is None:
            self._alive_since_s = before_s
        if glimpse.at_s - self._alive_since_s >= ALIVE_S:
            self.seen_alive = True
        noisy_again = self._refreshed_in_a_row >= MOST_REFRESHED
        if self.since_s is not None and (glimpse.lively or noisy_again):
            self._earlier.append((before_s, before_s - self.since_s))
            self.since_s = None


class PictureHistory:
    """Grows by the frames it has not seen yet; forgets pictures older than `keep_s`."""

    def __init__(self, *, keep_s: float, gap_s: float) -> None:
        self._keep_s = keep_s
        self._gap_s = gap_s
        self._newest: Look | None = None
        self.glimpses: deque[Glimpse] = deque(maxlen=MOST_PICTURES)
        self.still = StillRun()
        self.black_since_s: float | None = None
        self.slate_since_s: float | None = None

    def add(self, frames: Iterable[VideoFrame]) -> None:
        """Take what is newer than all before. Damaged frames are left out."""
        for frame in frames:
            last_s = self.glimpses[-1].at_s if self.glimpses else None
            if frame.damaged or (last_s is not None and frame.media_s < last_s + THINNED_TO_S):
                continue
            look = look_at(frame.image_rgb)
            change = None
            if self._newest and last_s is not None and frame.media_s - last_s <= self._gap_s:
                change = change_between(self._newest, look)
            self._newest = look
            self._append(Glimpse(frame.media_s, look.thumb, look.black, look.slate, change))

    def _append(self, glimpse: Glimpse) -> None:
        last_s = self.glimpses[-1].at_s if self.glimpses else glimpse.at_s
        self.glimpses.append(glimpse)
        while self.glimpses[0].at_s < glimpse.at_s - self._keep_s:
            self.glimpses.popleft()
        if glimpse.change is None:
            self.still.gap()
            self.black_since_s = self.slate_since_s = None
        else:
            self.still.advance(last_s, glimpse)
        quiet = glimpse.slate and not glimpse.lively
        self.black_since_s = _since(self.black_since_s, glimpse.at_s, lasts=glimpse.black)
        self.slate_since_s = _since(self.slate_since_s, glimpse.at_s, lasts=quiet)


def _since(since_s: float | None, now_s: float, *, lasts: bool) -> float | None:
    if not lasts:
        return None
    return now_s if since_s is None else since_s
