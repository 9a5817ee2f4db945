"""Finds that the newest pictures were all there before, one fixed time ago: a replayed loop.

The pictures are samples, half a second apart, of something that moves; a replay is sampled at
other moments each round. So a picture is not compared with the old pictures but with the straight
lines between each two neighbours of them, in the space of small pictures. Where movement is too
fast for that, the replay is found at the multiple of its length that comes closest to the
sampling grid, some rounds later.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from streammon.detectors.picture_history import Glimpse

RECENT = (24, 20, 16, 12, 10, 8)
"""How many of the newest pictures must have been there before; the most that hold count."""
NEAR = 0.35
"""A picture was there before when its distance is at most this share of the usual distance."""
MOST_STEP_S = 1.05
"""Pictures further apart than this cannot be joined by a line."""
LEAST_MOTION_LEVELS = 0.6
LEAST_SHARE = 0.6
LEAST_MOVING = 0.6
NATURAL_RATIO = 0.55
LEAST_UNLIKE = 4

Pictures = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Recurrence:
    lag_s: float
    """To within the sampling interval; a multiple of the loop's length when that matched first."""
    matched_s: float
    """For how long the newest pictures have been old ones."""
    distance: float
    """Median distance to the old pictures as a share of the usual one."""
    onset_seen: bool
    """Earlier, the same time ago, the picture was another: it did not always repeat."""
    natural: bool
    """Something repeats faster than any replay would: a pendulum, a flag, a fan."""


def recurrence_in(
    glimpses: Sequence[Glimpse], *, shortest_s: float, natural_s: float
) -> Recurrence | None:
    """The replay that is going on at the end of `glimpses`, if one is.

    Nothing is found in a picture without movement, nor where movement never comes back. Lags
    below `shortest_s` are not looked at; movement that repeats within `natural_s` is marked.
    """
    times = np.array([glimpse.at_s for glimpse in glimpses])
    if len(times) < RECENT[-1] + 4:
        return None
    step_s = float(np.median(np.diff(times)))
    if step_s > MOST_STEP_S:
        return None
    thumbs = np.stack([glimpse.thumb for glimpse in glimpses]).reshape(len(times), -1)
    pictures = thumbs.astype(np.float32)
    newest = min(RECENT[0], len(times) // 2)
    ratio, usual = _ratios(times, pictures, newest=newest, step_s=step_s)
    if usual < LEAST_MOTION_LEVELS:
        return None
    steps = np.sqrt(((pictures[-newest:] - pictures[-newest - 1 : -1]) ** 2).mean(axis=1))
    moving = steps >= max(LEAST_MOTION_LEVELS, 0.2 * usual)
    ratio[:, : max(2, int(shortest_s / step_s))] = np.inf
    for count in RECENT:
        if count > newest or moving[-count:].mean() < LEAST_MOVING:
            continue
        middle = np.median(ratio[-count:], axis=0)
        share = (ratio[-count:] < NEAR).mean(axis=0)
        best = int(np.argmax(share))
        if share[best] < LEAST_SHARE or middle[best] >= NEAR:
            continue
        back = _looking_back(times, pictures, lag_s=(best + 0.5) * step_s)
        fast = middle[: int(natural_s / step_s)]
        unlike = np.isfinite(back.distance) & (back.distance > 2 * NEAR * usual)
        return Recurrence(
            lag_s=round(float(np.median(back.lag_s[-count:])), 2),
            matched_s=round(count * step_s, 2),
            distance=round(float(middle[best]), 3),
            onset_seen=int(np.count_nonzero(unlike[:-count])) >= LEAST_UNLIKE,
            natural=float(fast.min(initial=np.inf)) < NATURAL_RATIO,
        )
    return None


def _ratios(
    times: NDArray[np.float64], pictures: Pictures, *, newest: int, step_s: float
) -> tuple[Pictures, float]:
    """Per newest picture (rows) and lag (columns, one per step): distance over the usual distance.

    Also the usual distance itself: the median over all lags of a second or more.
    """
    distance, lag_s = _to_lines(times[-newest:], pictures[-newest:], times, pictures)
    usual = float(np.median(distance[lag_s >= 1.0])) if (lag_s >= 1.0).any() else 0.0
    columns = int((times[-1] - times[0]) / step_s)
    nearest = np.full((newest, columns + 2), np.inf, np.float32)
    column = np.round(lag_s / step_s).astype(np.int64)
    row = np.broadcast_to(np.arange(newest)[:, None], column.shape)
    inside = (column > 0) & (column < columns)
    np.minimum.at(nearest, (row[inside], column[inside]), distance[inside])
    # A true lag lies between two columns, and samples fall to either side of it.
    nearest = np.minimum(nearest[:, :-1], nearest[:, 1:])
    return nearest / np.float32(max(usual, 1e-6)), usual


def _to_lines(
    query_s: NDArray[np.float64],
    query: Pictures,
    times: NDArray[np.float64],
    pictures: Pictures,
) -> tuple[Pictures, NDArray[np.float64]]:
    """RMS distance of each query to each line between two neighbouring pictures, and the lag."""
    start, along = pictures[:-1], pictures[1:] - pictures[:-1]
    length2 = (along * along).sum(axis=1) + np.float32(1e-6)
    apart2 = (query * query).sum(axis=1)[:, None] + (start * start).sum(axis=1)[None]
    # Not `@`: at this size its threads cost far more than they save.
    apart2 -= 2 * np.einsum("ik,jk->ij", query, start)
    towards = np.einsum("ik,jk->ij", query, along) - (along * start).sum(axis=1)[None]
    share = np.clip(towards / length2, 0, 1)
    rest2 = np.maximum(apart2 - 2 * share * towards + share * share * length2, 0)
    distance = np.sqrt(rest2 / query.shape[1])
    lag_s = query_s[:, None] - ((times[:-1] + times[1:]) / 2)[None]
    distance[:, np.diff(times) > MOST_STEP_S] = np.inf
    return distance.astype(np.float32), lag_s


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
