"""What a stream's recent pictures prove: black, slate, frozen, looped, or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from streammon.detectors.finding import Finding, grown
from streammon.detectors.picture_history import PictureHistory, StillRun
from streammon.detectors.recurrence import Recurrence, recurrence_in

MOST_BLACK, MOST_SLATE, MOST_FROZEN, MOST_LOOPED = 0.95, 0.9, 0.98, 0.92
"""How sure one can be of each, however long it lasts."""
MOST_IF_NEVER_ALIVE = 0.4
MOST_IF_NATURAL = 0.45
"""Of what comes again as machines, swings and passers-by do."""
MOST_IF_ALWAYS_LOOPED = 0.87
LEAST_ROUND, LEAST_ROUND_IF_EVEN = 0.7, 0.9
"""Of a replay at least such a share of the last round was there before; more of even movement that
does not come again exactly, as of a pendulum, or of somebody who sways and talks."""
HALF_LOOPED_S = 4.0
MOST_STILL_IN_REPLAY_S = 1.5
"""What is replayed may stand still for a moment; over a longer rest no replay is looked for."""
EVEN, EVEN_IF_EXACT = 0.4, 0.6
"""Movement is even from such an evenness on. Of what a camera sees of machines, flags and swings,
which never comes again exactly, it is 0.42 and more; of drawn ones, which may, 0.61 and more."""
Unheeded = Literal["nothing", "margins", "noise"]
"""What may go on moving in a picture that is said to stand still."""
TIMES_LONGER: Mapping[Unheeded, float] = {"nothing": 1.0, "margins": 1.5, "noise": 2.0}
CAMERA_MOVED_TIMES = 1.5
"""Stillness takes so many times as long to count, and so many after a camera moved as a whole."""


@dataclass(frozen=True, slots=True)
class PictureTimes:
    """After how long each state of the picture is as likely a fault or an attack as not."""

    black_s: float
    slate_s: float
    frozen_s: float
    loop_shortest_s: float
    camera: bool
    """The stream comes from a camera: it cannot stand still in health, even from the start."""


def picture_findings(history: PictureHistory, times: PictureTimes) -> list[Finding]:
    """Every cause that something speaks for, black and slate before frozen before looped."""
    now_s = history.glimpses[-1].at_s
    if history.black_since_s is not None:
        lasted_s = now_s - history.black_since_s
        confidence = grown(lasted_s, half_s=times.black_s, most=MOST_BLACK)
        return [Finding("black", confidence, {"for_s": round(lasted_s, 2)})]
    if history.slate_since_s is not None:
        lasted_s = now_s - history.slate_since_s
        confidence = grown(lasted_s, half_s=times.slate_s, most=MOST_SLATE)
        return [Finding("slate", confidence, {"for_s": round(lasted_s, 2)})]
    runs: tuple[tuple[Unheeded, StillRun], ...] = (
        ("nothing", history.still),
        ("margins", history.still_inside),
        ("noise", history.still_beneath),
    )
    frozen = [
        _frozen(still, times, since_s=still.since_s, now_s=now_s, unheeded=unheeded)
        for unheeded, still in runs
        if still.since_s is not None
    ]
    stood = (history.still.since_s, history.still_inside.since_s)
    stands = any(
        since_s is not None and now_s - since_s > MOST_STILL_IN_REPLAY_S for since_s in stood
    )
    looped = None if stands else _looped(history, times)
    found = [max(frozen, key=lambda each: each.confidence)] if frozen else []
    return found if looped is None else [*found, looped]


def _frozen(
    still: StillRun, times: PictureTimes, *, since_s: float, now_s: float, unheeded: Unheeded
) -> Finding:
    """A picture that lived and stands still for longer than it is used to.

    A clean screen share or a slide stands still too, and a codec may take a quiet scene's noise
    away: what never lived, was put up as it is, often stood still as long, or stands in each part
    as that stood before, proves little.
    Where only the margins move, a small movement there may be all that lives; under noise, one too
    small to be seen: these take longer, and so does a camera that moved and may have come to rest
    where all is quiet.
    """
    lasted_s = now_s - since_s
    longer = CAMERA_MOVED_TIMES if still.moved_as_a_whole else 1.0
    frozen_s = times.frozen_s * longer * TIMES_LONGER[unheeded]
    lived = still.seen_alive and not still.shown_anew and not still.as_at_rest
    if lived:
        half_s, most = max(frozen_s, 2 * still.habit_s(now_s)), MOST_FROZEN
    elif times.camera:
        half_s, most = 2 * frozen_s, MOST_FROZEN
    else:
        half_s, most = 6 * frozen_s, MOST_IF_NEVER_ALIVE
    return Finding(
        "frozen",
        grown(lasted_s, half_s=half_s, most=most),
        {
            "for_s": round(lasted_s, 2),
            "lived_before": lived,
            "longest_still_before_s": round(still.longest_earlier_s(now_s), 2),
            "margins_move": unheeded == "margins",
            "noisy": unheeded == "noise",
            "camera_moved": still.moved_as_a_whole,
            "as_at_rest": still.as_at_rest,
        },
    )


def _looped(history: PictureHistory, times: PictureTimes) -> Finding | None:
    """The same movement again, one fixed time later.

    Of a replay a whole round comes again; of what passes by, one thing at a time. What was seen to
    move as never before, and then began to repeat, is a replay, unless it swings to and fro at one
    pace, or pauses, and does not come again exactly. What has repeated since the stream began may
    be a machine, a flag or a swing: those go at one pace, and smoothly. A replay jumps at its seam,
    or is as uneven as what lives.
    """
    found = recurrence_in(history.moments, shortest_s=times.loop_shortest_s)
    if found is None:
        return None
    return Finding(
        "looped",
        grown(found.matched_s, half_s=HALF_LOOPED_S, most=_most(found)),
        {
            "lag_s": found.lag_s,
            "for_s": found.matched_s,
            "distance": found.distance,
            "exact": found.exact,
            "began_in_sight": found.onset_seen,
            "seamed": found.seamed,
            "evenness": found.evenness,
            "retraces": found.retraces,
            "pauses": found.pauses,
            "round_share": found.round_share,
        },
    )


def _most(found: Recurrence) -> float:
    """How sure one can be that this is a replay, however long it lasts."""
    even = found.evenness >= (EVEN_IF_EXACT if found.exact else EVEN)
    swings = found.retraces and even
    if found.round_share < (LEAST_ROUND_IF_EVEN if even and not found.exact else LEAST_ROUND):
        return MOST_IF_NATURAL
    if found.onset_seen and (found.exact or not (found.pauses or swings)):
        return MOST_LOOPED
    if not found.pauses and not found.retraces and (found.seamed or not even):
        return MOST_IF_ALWAYS_LOOPED
    return MOST_IF_NATURAL
