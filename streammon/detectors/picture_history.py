"""The recent pictures of one stream, thinned and reduced."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from streammon.core.types import VideoFrame
from streammon.detectors.picture_signals import (
    REFRESH_PEAK,
    STILL_TOUCHED,
    UNCHANGED,
    Change,
    Look,
    Thumb,
    change_between,
    change_inside,
    inside,
    likeness,
    look_at,
)
from streammon.detectors.rested import RestedCells
from streammon.detectors.stream_memory import habit_s, lasting_since

MOST_PICTURES = 480
"""Two minutes, the longest memory that can be set, at four pictures a second."""
MOMENTS_S = 0.2
"""Pictures closer together than this are left out: more of them would say nothing new."""
COMPARED_S = 0.4
"""Pictures closer together than this are not compared: a codec has not drawn them anew."""

ALIVE_S = 3.0
"""Shorter movement may be the turn of a slide."""
BEGINS_S = 1.5
"""So long after the first picture nothing counts as life: a codec works that out. What may be noise
counts only after `SETTLED_S`."""
MOST_REFRESHED = 3
"""A keyframe lies between two pictures at most twice in a row; more is sensor noise."""
EARLIER_S = 600.0
"""So long ago a stillness that ended still tells what the stream is used to."""
WIDE_OF, WIDE_SHARE = 8, 0.5
"""A camera moved when in most of the last so many changes so much of the picture did."""
LEAST_NEW_CELLS = 18
"""Of 3600. With fewer that never stood still so before, all stands as it did before. Where somebody
who moved was frozen it is 25 and more, where the last one left 12 at most."""
MOST_GRAIN = 0.15
"""Noise over more of the picture than this does not end by itself when the last one leaves."""
TURN_S = 2.5
"""The longest fade from one shown picture to the next."""
SETTLED_S = 8.0
"""For so long a codec may work out a picture that was put up."""
TURN_SPREAD, TURN_TIMES = 8.0, 4.0
"""A new picture changes more than so many levels, and so many times what changed before."""
TURN_LIKENESS = 0.8
"""It is less like what was shown before than that, by correlation. Where much moves at all times, a
change is a turn, too, by being so unlike, and `TURN_TIMES` as unlike as what changed before."""
LEAST_USUAL, MOST_USUAL = 3, 20
"""Of changes before `SETTLED_S`: of fewer, what is usual is asked of all; of more, of the last."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One remembered picture."""

    at_s: float
    thumb: Thumb


@dataclass(frozen=True, slots=True)
class Glimpse:
    """One picture that was compared, and how it came about from the one compared before."""

    at_s: float
    thumb: Thumb
    black: bool
    slate: bool
    change: Change | None
    """`None` for the first picture, and after a gap or a change of size."""
    inside: Change | None = None
    """The change without the margins, likewise."""
    unlike: float = 0.0
    """By how much the correlation with the one before is less than 1."""


class StillRun:
    """How long the picture has stood still, how long it did before, whether it ever lived."""

    def __init__(self) -> None:
        self.since_s: float | None = None
        """When the stillness that goes on began; `None`: it moves."""
        self.seen_alive = False
        """Enough moved, or sensor noise was there, for `ALIVE_S` without a break: more than a
        cursor on a page."""
        self.shown_anew = False
        """The picture that stands still is not the one that moved: another was put up."""
        self.moved_as_a_whole = False
        """Before it stood still most of the picture moved: a camera that may have come to rest."""
        self.as_at_rest = False
        """Each part of the picture that stands still stood so before, at some time, and no noise
        ended with the movement: who came into a room has left it."""
        self.new_cells = 0
        """How much of the picture that stands still never stood so before."""
        self._began_s: float | None = None
        self._alive_since_s: float | None = None
        self._refreshed_in_a_row = 0
        self._moved: deque[Change] = deque(maxlen=WIDE_OF)
        self._earlier: deque[tuple[float, float]] = deque(maxlen=64)

    def longest_earlier_s(self, now_s: float) -> float:
        """The longest stretch of stillness that ended by itself in the last ten minutes."""
        return max(self._earlier_s(now_s), default=0.0)

    def habit_s(self, now_s: float) -> float:
        """How long it stands still by habit."""
        return habit_s(self._earlier_s(now_s))

    def gap(self) -> None:
        """Nothing is known of what comes next: no stillness and no life goes on through it."""
        self.since_s = self._alive_since_s = self._began_s = None
        self.shown_anew = self.as_at_rest = False
        self._refreshed_in_a_row = 0

    def begins(self, *, new_cells: int, shown_anew: bool, noise_counts: bool) -> None:
        """The picture has come to stand still: what is known of it."""
        self.new_cells, self.shown_anew = new_cells, shown_anew
        moved = self._moved or (UNCHANGED,)
        self.moved_as_a_whole = median(change.wide for change in moved) >= WIDE_SHARE
        noise_ended = noise_counts and median(change.grain for change in moved) >= MOST_GRAIN
        self.as_at_rest = new_cells < LEAST_NEW_CELLS and not noise_ended

    def advance(self, before_s: float, now_s: float, change: Change) -> None:
        """`before_s` is when the picture before was, from which `change` came about at `now_s`."""
        self._refreshed_in_a_row = self._refreshed_in_a_row + 1 if change.refreshed else 0
        self._began_s = before_s if self._began_s is None else self._began_s
        if change.still:
            self._alive_since_s = None
            self.since_s = before_s if self.since_s is None else self.since_s
            return
        if self.since_s is None:
            self._moved.append(change)
        if change.touched < STILL_TOUCHED:
            self._alive_since_s = None
        elif self._alive_since_s is None:
            begins_s = self._began_s + (BEGINS_S if change.lively else SETTLED_S)
            self._alive_since_s = before_s if before_s >= begins_s else None
        if self._alive_since_s is not None and now_s - self._alive_since_s >= ALIVE_S:
            self.seen_alive = True
        noisy_again = self._refreshed_in_a_row >= MOST_REFRESHED
        if self.since_s is not None and (change.lively or noisy_again):
            self._earlier.append((before_s, before_s - self.since_s))
            self.since_s = None
            self._moved.clear()

    def _earlier_s(self, now_s: float) -> list[float]:
        return [lasted for ended_s, lasted in self._earlier if ended_s >= now_s - EARLIER_S]


class PictureHistory:
    """Grows by the frames it has not seen yet; forgets pictures older than `keep_s`."""

    def __init__(self, *, keep_s: float, gap_s: float) -> None:
        self._keep_s = keep_s
        self._gap_s = gap_s
        self._newest: Look | None = None
        self._rested = RestedCells()
        self._blanked = False
        """A cut led to the picture of one colour that is shown since."""
        self.moments: deque[Moment] = deque(maxlen=MOST_PICTURES)
        self.glimpses: deque[Glimpse] = deque(maxlen=MOST_PICTURES)
        self.still = StillRun()
        self.still_inside = StillRun()
        """The same of the picture without its margins, where clocks and tickers run on."""
        self.still_beneath = StillRun()
        """The same of the picture beneath its noise, without its margins."""
        self.black_since_s: float | None = None
        self.slate_since_s: float | None = None

    def add(self, frames: Iterable[VideoFrame]) -> None:
        """Take what is newer than all before. Damaged frames are left out."""
        for frame in frames:
            moment_s = self.moments[-1].at_s if self.moments else None
            if frame.damaged or (moment_s is not None and frame.media_s < moment_s + MOMENTS_S):
                continue
            look = look_at(frame.image_rgb)
            self.moments.append(Moment(frame.media_s, look.thumb))
            while self.moments[0].at_s < frame.media_s - self._keep_s:
                self.moments.popleft()
            last_s = self.glimpses[-1].at_s if self.glimpses else None
            if last_s is not None and frame.media_s < last_s + COMPARED_S:
                continue
            change = within = None
            unlike = 0.0
            if self._newest and last_s is not None and frame.media_s - last_s <= self._gap_s:
                change = change_between(self._newest, look)
                within = change_inside(self._newest, look)
                unlike = 1.0 - likeness(self._newest.thumb, look.thumb)
            glimpse = Glimpse(
                frame.media_s, look.thumb, look.black, look.slate, change, within, unlike
            )
            self._append(glimpse, look)
            self._newest = look

    def _append(self, glimpse: Glimpse, look: Look) -> None:
        last_s = self.glimpses[-1].at_s if self.glimpses else glimpse.at_s
        self.glimpses.append(glimpse)
        while self.glimpses[0].at_s < glimpse.at_s - self._keep_s:
            self.glimpses.popleft()
        if glimpse.change is None or glimpse.inside is None:
            self.still.gap()
            self.still_inside.gap()
            self.still_beneath.gap()
            self.black_since_s = self.slate_since_s = None
        else:
            runs = (
                (self.still, glimpse.change),
                (self.still_inside, glimpse.inside),
                (self.still_beneath, glimpse.inside.beneath),
            )
            self._advance(runs, last_s, look)
        self._rested.add(glimpse.at_s, look.cells)
        quiet = glimpse.inside is None or not glimpse.inside.lively
        black = glimpse.black and (quiet or self.black_since_s is None)
        cut = glimpse.inside is not None and glimpse.inside.spread >= TURN_SPREAD
        self._blanked = look.blank and (cut or self._blanked)
        slate = (glimpse.slate or self._blanked) and (quiet or self.slate_since_s is None)
        self.black_since_s = lasting_since(self.black_since_s, glimpse.at_s, lasts=black)
        self.slate_since_s = lasting_since(self.slate_since_s, glimpse.at_s, lasts=slate)

    def _advance(self, runs: Sequence[tuple[StillRun, Change]], last_s: float, look: Look) -> None:
        """Take the changes since `last_s` into the runs of stillness.

        They do not begin together: a codec draws a picture for a while that stands still already.
        """
        now_s = self.glimpses[-1].at_s
        since_s = now_s - SETTLED_S
        lately = [run for run, _ in runs if run.since_s is not None and run.since_s >= since_s]
        new_lately = max((run.new_cells for run in lately), default=0)
        for run, change in runs:
            stood = run.since_s is not None
            run.advance(last_s, now_s, change)
            if run.since_s is not None and not stood:
                new = self._rested.new(look.cells)
                part = new if run is self.still else new[inside(len(new))]
                run.begins(
                    new_cells=max(new_lately, int(np.count_nonzero(part))),
                    shown_anew=self._turned(),
                    noise_counts=run is not self.still_beneath,
                )

    def _turned(self) -> bool:
        """Whether the newest picture, like the one before, was put up, by a cut or a fade.

        It has not moved since: while a codec works a new picture out, that changes, but no more
        than a keyframe may.
        """
        newest, still_s = self.glimpses[-1], self.glimpses[-2].at_s
        changes = [one for one in self.glimpses if one.inside]
        settled = [one for one in changes if one.at_s < still_s - SETTLED_S]
        usual = settled[-MOST_USUAL:] if len(settled) >= LEAST_USUAL else changes
        recent = [one for one in changes if one.at_s >= still_s - SETTLED_S]
        turned_s = max((one.at_s for one in turns(recent, usual)), default=None)
        if turned_s is None:
            return False
        after = [one.inside for one in recent if turned_s < one.at_s <= still_s - TURN_S]
        if any(change is not None and change.peak > REFRESH_PEAK for change in after):
            return False
        before = (one for one in reversed(self.glimpses) if one.at_s < turned_s - TURN_S)
        old = next(before, None)
        return old is not None and likeness(old.thumb, newest.thumb) < TURN_LIKENESS


def turns(recent: Sequence[Glimpse], usual: Sequence[Glimpse]) -> Iterator[Glimpse]:
    """Those of `recent` that change the picture as another that is put up does."""
    spread = TURN_TIMES * median(one.inside.spread for one in usual if one.inside)
    unlike = max(1.0 - TURN_LIKENESS, TURN_TIMES * median(one.unlike for one in usual))
    for one in recent:
        if one.inside is None or one.inside.spread < TURN_SPREAD:
            continue
        if one.inside.spread >= spread or one.unlike >= unlike:
            yield one
