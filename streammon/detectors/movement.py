"""How small pictures move from one to the next: evenly, with pauses, or by a jump once a round."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FOLLOWED = 0.35
"""A place counts less, the more of its variance lies beside the lines between the samples on both
sides, and not at all from so much of it on. Of noise one and a half times as much does."""
USUALLY = 0.95
"""The share of all samples that is asked: a cut, or the seam of a replay, is left out."""
LEAST_FOLLOWED = 0.4
"""With less of the movement than this left, as a share of it, all counts as it is."""
SEAM_AGAIN, SEAM_BESIDE = 0.8, 0.7
"""A seam comes again a round later, as far as that or nearly, and no other step goes as far."""
LEAST_BETWEEN_SEAMS_S = 1.5
JOLT, LEAST_JOLT_LEVELS = 1.3, 0.25
"""A step that is so many times as far as the two before and the two after it is a jolt. Of drawn
machines, pendulums and gradients, steps go up to 1.13 times as far; up to 0.25 levels is none."""
MOST_ROUNDS = 8
"""In so many rounds, where so many are remembered."""
PAUSES = 0.15
"""Of movement that goes on and on the steps in the middle are such a share of the fast ones."""
LEAST_CONTRAST_LEVELS = 2.0

Pictures = NDArray[np.float32]
"""(n, places): one row each."""


def evenly_lit(thumbs: NDArray[np.float32]) -> Pictures:
    """Every picture as one row, at the same brightness and contrast.

    Light that rises and falls is movement in one dimension, which passes everywhere again and
    again; and a replay may be darker than what it replays.
    """
    rows = thumbs.reshape(len(thumbs), -1).astype(np.float32)
    rows -= rows.mean(axis=1, keepdims=True)
    power = np.einsum("ij,ij->i", rows, rows)[:, None] / np.float32(rows.shape[1])
    contrast = np.maximum(np.sqrt(power), np.float32(LEAST_CONTRAST_LEVELS))
    return np.asarray(rows * (np.median(contrast) / contrast), np.float32)


def followed(pictures: Pictures) -> Pictures:
    """The same, with each place weighed by how well straight lines between samples follow it.

    What beats faster than it is sampled, flickers, or is noise, would be as far from where it was
    in a replay as anywhere else.
    """
    missed = (pictures[1:-1] - (pictures[2:] + pictures[:-2]) / 2) ** 2
    usually = max(1, round(USUALLY * len(missed)))
    missed = np.partition(missed, usually - 1, axis=0)[:usually].mean(axis=0)
    variance = pictures.var(axis=0)
    weight = np.clip(1 - missed / (FOLLOWED * np.maximum(variance, 1e-6)), 0, 1)
    if float((weight * variance).mean()) < LEAST_FOLLOWED**2 * float(variance.mean()):
        return pictures
    return np.asarray(pictures * np.sqrt(weight), np.float32)


def apart(one: Pictures, other: Pictures) -> Pictures:
    """RMS distance of each picture to the other in the same place."""
    return np.asarray(np.sqrt(((one - other) ** 2).mean(axis=1)), np.float32)


def own_steps(pictures: Pictures) -> Pictures:
    """How far each picture is from the nearer of its two neighbours: cuts do not count."""
    steps = apart(pictures[1:], pictures[:-1])
    return np.minimum(np.append(steps[:1], steps), np.append(steps, steps[-1:]))


def evenness(pictures: Pictures, *, step_s: float) -> float:
    """How far it goes in a slow second as a share of how far in a fast one."""
    steps = apart(pictures[1:], pictures[:-1])
    second = min(len(steps), max(1, round(1.0 / step_s)))
    paces = np.convolve(steps, np.full(second, 1 / second, np.float32), mode="valid")
    slow, fast = np.quantile(paces, (0.1, 0.9))
    return float(slow / fast) if fast > 0 else 1.0


def pauses(steps: Pictures) -> bool:
    usual, fast = np.quantile(steps, (0.5, 0.9))
    return bool(usual < PAUSES * fast)


def jolted(times: NDArray[np.float64], pictures: Pictures, *, lag_s: float, step_s: float) -> bool:
    """Whether, once in every round at the same time, a step stands out among those beside it.

    Of a machine, of what swings and of what bounces each step is about as far as the next. Only of
    what comes again exactly is it asked.
    """
    rounds = min(MOST_ROUNDS, int((times[-1] - times[0]) / lag_s))
    if rounds < 2:
        return False
    ago_s, steps = times[-1] - times[1:], apart(pictures[1:], pictures[:-1])
    beside = np.pad(steps, 2, mode="edge")
    most = np.maximum.reduce([beside[:-4], beside[1:-3], beside[3:-1], beside[4:]])
    jolts = steps >= JOLT * np.maximum(most, LEAST_JOLT_LEVELS)
    phases = ago_s[jolts & (ago_s <= lag_s + step_s)]
    again = np.abs(phases[:, None, None] + np.arange(1, rounds)[:, None] * lag_s - ago_s[jolts])
    return bool((again <= step_s).any(axis=2).all(axis=1).any())


def seamed(times: NDArray[np.float64], pictures: Pictures, *, lag_s: float, step_s: float) -> bool:
    """Whether the furthest step of the last round was as far in the rounds before, and stands out.

    By itself nothing jumps once a round, further than it ever goes in a step.
    """
    rounds = min(MOST_ROUNDS, int((times[-1] - times[0]) / lag_s))
    if rounds < 2:
        return False
    ago_s, steps = times[-1] - times[1:], apart(pictures[1:], pictures[:-1])
    near = ago_s <= rounds * lag_s + 3 * step_s
    ago_s, steps = ago_s[near], steps[near]
    at = int(np.argmax(np.where(ago_s <= lag_s + step_s, steps, 0)))
    again = min(
        float(steps[np.abs(ago_s - ago_s[at] - earlier * lag_s) <= 1.5 * step_s].max(initial=0.0))
        for earlier in range(1, rounds)
    )
    seams = steps >= SEAM_AGAIN * steps[at]
    if again < SEAM_AGAIN * steps[at] or (seams[1:] & seams[:-1]).any():
        return False
    few = np.count_nonzero(seams) * LEAST_BETWEEN_SEAMS_S <= rounds * lag_s
    return bool(few and float(steps[~seams].max()) <= SEAM_BESIDE * again)
