"""What a stream's recent pictures prove: black, slate, frozen, looped, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

from streammon.detectors.finding import Finding, grown
from streammon.detectors.picture_history import PictureHistory
from streammon.detectors.recurrence import recurrence_in

MOST_BLACK, MOST_SLATE, MOST_FROZEN, MOST_LOOPED = 0.95, 0.9, 0.98, 0.97
MOST_IF_NEVER_ALIVE = 0.4
MOST_IF_NATURAL = 0.45
MOST_IF_ALWAYS_LOOPED = 0.8
HALF_LOOPED_S = 5.0


@dataclass(frozen=True, slots=True)
class PictureTimes:
    """After how long each state of the picture is as likely a fault or an attack as not."""

    black_s: float
    slate_s: float
    frozen_s: float
    loop_shortest_s: float
    loop_natural_s: float
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
    if history.still.since_s is not None:
        return [_frozen(history, times, now_s)]
    looped = _looped(history, times)
    return [] if looped is None else [looped]


def _frozen(history: PictureHistory, times: PictureTimes, now_s: float) -> Finding:
    """A picture that lived and stands still for longer than it ever did.

    A clean screen share or a slide stands still too, and a codec may take a quiet scene's noise
    away: what never lived, or stood still as long before, proves little.
    """
    still = history.still
    lasted_s = now_s - (now_s if still.since_s is None else still.since_s)
    earlier_s = still.longest_earlier_s(now_s)
    if still.seen_alive:
        half_s, most = max(times.frozen_s, 2 * earlier_s), MOST_FROZEN
    elif times.camera:
        half_s, most = 2 * times.frozen_s, MOST_FROZEN
    else:
        half_s, most = 6 * times.frozen_s, MOST_IF_NEVER_ALIVE
    return Finding(
        "frozen",
        grown(lasted_s, half_s=half_s, most=most),
        {
            "for_s": round(lasted_s, 2),
            "lived_before": still.seen_alive,
            "longest_still_before_s": round(earlier_s, 2),
        },
    )


def _looped(history: PictureHistory, times: PictureTimes) -> Finding | None:
    """The same movement again, one fixed time later.

    Where the repeating was seen to begin it is a replay. Where it has repeated since the stream
    began it may be a pendulum or a flag, and when something comes back fast it proves little.
    """
    found = recurrence_in(
        history.glimpses, shortest_s=times.loop_shortest_s, natural_s=times.loop_natural_s
    )
    if found is None:
        return None
    if found.onset_seen:
        half_s, most = HALF_LOOPED_S, MOST_LOOPED
    elif found.natural:
        half_s, most = HALF_LOOPED_S, MOST_IF_NATURAL
    else:
        half_s, most = HALF_LOOPED_S, MOST_IF_ALWAYS_LOOPED
    return Finding(
        "looped",
        grown(found.matched_s, half_s=half_s, most=most),
        {
            "lag_s": found.lag_s,
            "for_s": found.matched_s,
            "distance": found.distance,
            "began_in_sight": found.onset_seen,
            "repeats_fast": found.natural,
        },
    )
