"""Finds that the newest pictures were all there before, one fixed time ago: a replayed loop.

The pictures are samples, a quarter of a second apart, of something that moves; a replay is sampled
at other moments each round. So a picture is not compared with the old pictures but with the
straight lines between each two neighbours of them, in the space of small pictures, and its distance
to them is measured in its own steps: how far it is from the pictures just before and after. What
is live comes back to within a step or two of where it was, a replay to a fraction of a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streammon.detectors.movement import (
    Pictures,
    evenly_lit,
    evenness,
    followed,
    jolted,
    own_steps,
    pauses,
    seamed,
)
from streammon.detectors.picture_history import Moment
from streammon.detectors.picture_signals import Thumb, inside

RECENT = (24, 20, 16, 12, 10, 8)
"""How many of the newest pictures must have been there before; the most that hold count."""
LEAST_MOMENTS = RECENT[-1] + 4
ASKED_EVERY_S = 0.5
"""Pictures closer together are remembered, so that the lines are short, but not asked about."""
MOST_STEP_S = 1.05
"""Pictures further apart than this cannot be joined by a line."""
NEAR = 0.5
"""A picture was there before when it is at most so many of its own steps away."""
ROUND_NEAR = 0.65
"""Within a whole round so far still counts as near."""
UNLIKE_S, UNLIKE, UNLIKE_TIMES, MOST_UNLIKE = 3.5, 0.6, 3.0, 2.0
"""For so long pictures were others when their distance was such a mean, in steps, or so many times
that of the newest. Single ones are not enough: live movement, too, comes near now and then. More
than so many steps, as at a cut, count as so many."""
ALIKE_TIMES = 1.5
"""What came as near before as it does now, or nearly, repeated before: something else changed."""
MOVES_LEVELS = 0.25
"""A smaller step is no movement: such a picture tells nothing."""
LEAST_MOVING, LEAST_MOVING_PICTURES = 0.4, 5
"""Of the newest pictures at least such a share moves, and so many; only those are held against."""
LEAST_SHARE = 0.7
"""At the lag of a replay such a share of them was there before."""
NEARLY, PEAK = 0.1, 4
"""Lags whose shares differ by no more are as good; and how many lags a peak is wide."""
MOVED_BEFORE = 0.3
"""What moved before a replay began moved at least by such a share of what moves since."""
BESIDE_S, BESIDE_SHARE = 0.75, 0.3
"""So long after or before, or for such a share of a round, it is still the same moment."""
RETRACES, MOST_ASKED = 0.7, 48
"""Of what swings so large a share of pictures comes again within its round, at no fixed time. So
many pictures of a round are asked, spread over it."""
EXACT = 0.04
"""So few steps away nothing is left but what the codec does. What a camera sees of a turntable, a
pendulum or a flag comes to within 0.07 to 0.4 of a step, at the best of all lags."""


@dataclass(frozen=True, slots=True)
class Recurrence:
    lag_s: float
    """A multiple of the loop's length when that matched first."""
    matched_s: float
    """For how long the newest pictures have been old ones."""
    distance: float
    """Median distance to the old pictures, in steps."""
    exact: bool
    """At some lag the old pictures come again as they were, but for the codec."""
    onset_seen: bool
    """Earlier, the same time ago, the picture was another that moved: it did not always repeat."""
    seamed: bool
    """It jumps once a round, each time as far, and further than at any other time; or further than
    just before and after, and comes again exactly."""
    evenness: float
    """How far it goes in a slow second as a share of how far in a fast one: machines, flags and
    pendulums go at one pace, nobody who is alive does."""
    retraces: bool
    """It comes the same way back, as pendulums and what bounces between walls do."""
    pauses: bool
    """For half of the round hardly anything moves of what comes back: it passes by once a round."""
    round_share: float
    """So much of what moved in the whole last round had been there before. Of a replay nearly all;
    where one car passes as another did, only so long as it passes. What is not remembered was not.
    """


def recurrence_in(moments: Sequence[Moment], *, shortest_s: float) -> Recurrence | None:
    """The replay that is going on at the end of `moments`, if one is.

    Nothing is found in a picture without movement, nor where movement never comes back, nor at
    lags below `shortest_s`. The margins, where clocks and tickers run on, are left out only
    where nothing is found with them, and for what began in sight: of a swing that reaches into
    them a part is left, which pauses and is uneven.
    """
    if len(moments) < LEAST_MOMENTS or moments[-1].at_s - moments[0].at_s <= shortest_s:
        return None
    times = np.array([moment.at_s for moment in moments])
    if float(np.median(np.diff(times))) > MOST_STEP_S:
        return None
    thumbs = np.stack([moment.thumb for moment in moments])
    whole = _replayed(times, thumbs, shortest_s=shortest_s)
    if whole is not None:
        return whole
    within = _replayed(times, thumbs[:, inside(thumbs.shape[1])], shortest_s=shortest_s)
    return within if within is not None and within.onset_seen else None


def _replayed(times: NDArray[np.float64], thumbs: Thumb, *, shortest_s: float) -> Recurrence | None:
    """The same of pictures or parts of them; `thumbs` is (n, rows, columns)."""
    step_s = float(np.median(np.diff(times)))
    pictures = followed(evenly_lit(thumbs))
    seen = _Seen(times, pictures, own_steps(pictures), step_s)
    stride = max(1, round(ASKED_EVERY_S / step_s))
    asked = np.arange(len(times) - 1, len(times) // 2 - 1, -stride)[: RECENT[0]][::-1]
    distance = _distances(seen, asked=asked)
    moving = seen.moves[asked]
    shortest = max(2, int(shortest_s / step_s))
    for count in RECENT:
        if count > len(asked):
            continue
        rows = distance[-count:][moving[-count:]]
        if len(rows) < max(LEAST_MOVING_PICTURES, LEAST_MOVING * count):
            continue
        share = (rows < NEAR).mean(axis=0)
        middle = np.median(rows, axis=0)
        best = _first_best(share, middle, begin=shortest)
        if share[best] >= LEAST_SHARE and middle[best] < NEAR:
            exact = bool(middle[shortest:].min() <= EXACT)
            return _described(seen, middle, best, recent=count * stride, exact=exact)
    return None


@dataclass(frozen=True, slots=True)
class _Seen:
    times: NDArray[np.float64]
    pictures: Pictures
    steps: Pictures
    """How far each picture is from the nearer of its neighbours."""
    step_s: float

    @property
    def moves(self) -> NDArray[np.bool_]:
        return np.asarray(self.steps >= MOVES_LEVELS)

    @property
    def scale(self) -> Pictures:
        return np.maximum(self.steps, np.float32(MOVES_LEVELS))


def _first_best(share: Pictures, middle: Pictures, *, begin: int) -> int:
    """The nearest column of the first peak that is as high as the highest, or nearly.

    A loop matches at every multiple of its length, now here better, now there.
    """
    high = begin + int(np.argmax(share[begin:] >= share[begin:].max() - NEARLY))
    return high + int(np.argmin(middle[high : high + PEAK]))


def _described(
    seen: _Seen, middle: Pictures, column: int, *, recent: int, exact: bool
) -> Recurrence:
    times, step_s = seen.times, seen.step_s
    look_back = _looking_back(times, seen.pictures, lag_s=(column + 0.5) * step_s)
    back = look_back.distance / seen.scale
    lag_s = float(np.median(look_back.lag_s[-recent:][seen.moves[-recent:]]))
    last_round = times > times[-1] - lag_s
    moving = last_round & seen.moves
    paced = seen.pictures[-max(int(np.count_nonzero(last_round)), recent) :]
    return Recurrence(
        lag_s=round(lag_s, 2),
        matched_s=round(recent * step_s, 2),
        distance=round(float(middle[column]), 3),
        exact=exact,
        onset_seen=_began(seen, back, lag_s=lag_s, recent=recent),
        seamed=seamed(times, seen.pictures, lag_s=lag_s, step_s=step_s)
        or (exact and jolted(times, seen.pictures, lag_s=lag_s, step_s=step_s)),
        evenness=round(evenness(paced, step_s=step_s), 3),
        retraces=_retraces(seen, np.flatnonzero(moving), middle, lag_s=lag_s),
        pauses=pauses(seen.steps[last_round]),
        round_share=round(float((back[moving] < ROUND_NEAR).mean()), 3) if moving.any() else 0.0,
    )


def _began(seen: _Seen, back: Pictures, *, lag_s: float, recent: int) -> bool:
    """Whether pictures were others than the lag before, for a while, while both moved."""
    least = max(1, round(UNLIKE_S / seen.step_s))
    before = np.flatnonzero(np.isfinite(back[:-recent]) & seen.moves[:-recent])
    if len(before) < least:
        return False
    far = np.minimum(back[before], MOST_UNLIKE)
    means = np.convolve(far, np.full(least, 1 / least, np.float32), mode="valid")
    at = int(np.argmax(means))
    now = float(np.median(back[-recent:][seen.moves[-recent:]]))
    if float(means[:at].min(initial=np.inf)) <= max(NEAR, ALIKE_TIMES * now):
        return False
    # What was shown the lag before the pictures that were still others: how it was until then.
    until_then = np.searchsorted(seen.times, seen.times[before[at : at + least]] - lag_s)
    moved = float(np.median(seen.steps[until_then]))
    moves = float(np.median(seen.steps[-recent:]))
    return bool(means[at] >= max(UNLIKE, UNLIKE_TIMES * now)) and moved >= MOVED_BEFORE * moves


def _retraces(seen: _Seen, at: NDArray[np.intp], middle: Pictures, *, lag_s: float) -> bool:
    """Whether most of these pictures are near another moment of the round, at no common lag."""
    if not len(at):
        return False
    times, step_s = seen.times, seen.step_s
    at = at[:: -(-len(at) // MOST_ASKED)]
    near = _to_lines(seen.pictures[at], times, seen.pictures) / seen.scale[at][:, None]
    lag = np.abs(times[at][:, None] - ((times[:-1] + times[1:]) / 2)[None])
    beside_s = min(BESIDE_S, BESIDE_SHARE * lag_s)
    between = (lag > beside_s) & (lag < lag_s - beside_s)
    common = np.flatnonzero(middle < NEAR)
    between &= ~np.isin(np.round(lag / step_s).astype(np.int64), np.append(common, common + 1))
    return bool((np.where(between, near, np.inf).min(axis=1) < NEAR).mean() >= RETRACES)


def _distances(seen: _Seen, *, asked: NDArray[np.intp]) -> Pictures:
    """Per picture that is asked about (rows) and lag (columns, one per step): the distance."""
    times, step_s = seen.times, seen.step_s
    distance = _to_lines(seen.pictures[asked], times, seen.pictures) / seen.scale[asked][:, None]
    lag_s = times[asked][:, None] - ((times[:-1] + times[1:]) / 2)[None]
    columns = int((times[-1] - times[0]) / step_s)
    column = np.round(lag_s / step_s).astype(np.int64)
    beyond = columns + 2
    column[(column <= 0) | (column >= columns)] = beyond
    # Two neighbours may fall into one column; hardly ever three, and then the third is left out.
    nearest = np.full((2, len(asked), beyond + 1), np.inf, np.float32)
    for turn in (0, 1):
        every_other = np.s_[:, turn::2]
        np.put_along_axis(nearest[turn], column[every_other], distance[every_other], axis=1)
    nearest = np.asarray(nearest.min(axis=0)[:, :beyond])
    # A true lag lies between two columns, and samples fall to either side of it.
    return np.minimum(nearest[:, :-1], nearest[:, 1:])


def _to_lines(query: Pictures, times: NDArray[np.float64], pictures: Pictures) -> Pictures:
    """RMS distance of each query to each line between two neighbouring pictures."""
    start, along = pictures[:-1], pictures[1:] - pictures[:-1]
    length2 = (along * along).sum(axis=1) + np.float32(1e-6)
    # Not `@`: at this size its threads cost far more than they save.
    alike = np.einsum("ik,jk->ij", query, pictures)
    apart2 = (query * query).sum(axis=1)[:, None] + (start * start).sum(axis=1)[None]
    apart2 -= 2 * alike[:, :-1]
    towards = np.diff(alike, axis=1) - (along * start).sum(axis=1)[None]
    share = np.clip(towards / length2, 0, 1)
    rest2 = np.maximum(apart2 - 2 * share * towards + share * share * length2, 0)
    distance = np.sqrt(rest2 / query.shape[1])
    distance[:, np.diff(times) > MOST_STEP_S] = np.inf
    return np.asarray(distance, np.float32)


@dataclass(frozen=True, slots=True)
class _LookBack:
    distance: Pictures
    lag_s: NDArray[np.float64]


def _looking_back(times: NDArray[np.float64], pictures: Pictures, *, lag_s: float) -> _LookBack:
    """For each picture the nearest point of the lines about `lag_s` before it, and its true lag.

    Infinitely far where nothing is remembered of that time.
    """
    distance = np.full(len(times), np.inf, np.float32)
    found_s = np.full(len(times), lag_s)
    line = np.searchsorted(times, times - lag_s) - 1
    for near in (line - 1, line, line + 1):
        at = np.flatnonzero((near >= 0) & (near < len(times) - 1) & (times > times[0] + lag_s))
        start, along = pictures[near[at]], pictures[near[at] + 1] - pictures[near[at]]
        offset = pictures[at] - start
        length2 = (along * along).sum(axis=1) + 1e-6
        share = np.clip((offset * along).sum(axis=1) / length2, 0, 1)
        rest = np.sqrt(((offset - share[:, None] * along) ** 2).mean(axis=1))
        gap_s = times[near[at] + 1] - times[near[at]]
        better = (rest < distance[at]) & (gap_s <= MOST_STEP_S)
        distance[at[better]] = rest[better]
        found_s[at[better]] = (times[at] - times[near[at]] - share * gap_s)[better]
    return _LookBack(distance, found_s)
