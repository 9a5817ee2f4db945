"""Whether a face's colour follows a sequence of screen colours, at the right delay. Pure.

What is compared is colour without brightness: the logarithm of the linear light of each channel,
less the mean of the three. Exposure control, shadows and movement change all channels alike, and
drop out; light of a colour does not. The correlation over all channels is taken at every delay,
and its maximum is held against that of other sequences drawn in the same way, so that the delay
that fits best by chance fits them as well: a permutation test whose p-value is exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from random import Random

import numpy as np
from numpy.typing import NDArray

from streammon.detectors.challenge.sequence import COLOURS, order

Floats = NDArray[np.float64]

OTHERS = 1_999
"""Other sequences that the shown one is held against."""
EARLIEST_S, LATEST_S = -0.6, 4.0
"""Delays that are looked at."""
DELAY_STEP_S = 0.04
LEAST_RATE_HZ = 4.0
LEAST_SEEN = 0.7
"""Of the pictures, in how many the face has to be."""
DRIFT_DEGREE = 3
"""White balance wanders over seconds: a polynomial of this degree is taken out."""
TOO_LITTLE = "too little of the screen's light reaches the face: darken the room, come closer"
DARK, BRIGHT = 4.0, 250.0
"""Of a channel, 0..255: beyond these a camera says no more of colour."""


class Answer(StrEnum):
    FOLLOWS = "follows"
    """The face is lit by this screen, now."""
    DOES_NOT = "does_not"
    """Its colour changes, but not as this screen's light would change it, or too late."""
    ABSTAINS = "abstains"
    """Cannot be told: no face, too bright a room, too little change. Not a word for genuine."""


@dataclass(frozen=True, slots=True)
class Shown:
    """When the screen changed to a colour, on the clock of the pictures."""

    at_s: float
    colour: int


@dataclass(frozen=True, slots=True, eq=False)
class Skin:
    """Mean colour of a face's skin in one picture, 0..255, or that no face is there."""

    at_s: float
    rgb: tuple[float, float, float] | None


@dataclass(frozen=True, slots=True)
class Limits:
    """From when on an answer is given. The figures are `benchmarks/challenge.py`'s."""

    most_delay_s: float = 2.0
    """A call's own delay. Light that comes later was made, not seen."""
    most_chance: float = 0.002
    """p-value up to which the face follows."""
    least_correlation: float = 0.35
    least_change: float = 0.006
    """Root mean square of the colour's change, in nats: below, there is nothing to compare."""
    telling_change: float = 0.03
    """From so much on, a change that does not follow is another light than the screen's; below,
    it may be movement before a face that the screen does not reach."""
    most_brightness: float = 235.0
    """Median of the brightest channel: beyond, the camera is near its end."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """The answer with what it rests on."""

    answer: Answer
    why: str
    """A sentence for people: what was seen, or what would help."""
    confidence: float | None = None
    """That the face follows: the share of other sequences that fit worse, 0..1, and 0 where it
    follows too late. `None` when it abstains for want of something to compare."""
    delay_s: float | None = None
    correlation: float | None = None
    change: float | None = None


def judge(
    shown: Sequence[Shown],
    ended_s: float,
    skins: Sequence[Skin],
    *,
    random: Random,
    limits: Limits = Limits(),
) -> Judgement:
    """Hold what was seen against what was shown until `ended_s`. `random` draws the others."""
    seen = [skin for skin in skins if skin.rgb is not None]
    if len(seen) < LEAST_SEEN * max(len(skins), 1) or len(seen) < 2:
        return Judgement(Answer.ABSTAINS, "no face was there to be looked at for most of the time")
    times = np.array([skin.at_s for skin in seen])
    rate_hz = (len(seen) - 1) / max(times[-1] - times[0], 1e-9)
    if rate_hz < LEAST_RATE_HZ or times[0] > shown[0].at_s or times[-1] < ended_s:
        return Judgement(Answer.ABSTAINS, "too few pictures came while the colours were shown")
    rgb = np.array([skin.rgb for skin in seen])
    if float(np.median(rgb.max(axis=1))) > limits.most_brightness:
        return Judgement(Answer.ABSTAINS, "the face is too bright: darken the room")
    colour = without_drift(chroma(rgb), times)
    change = float(np.sqrt(np.mean(np.square(colour).sum(axis=1))))
    if change < limits.least_change:
        return Judgement(Answer.ABSTAINS, TOO_LITTLE, change=round(change, 5))
    return _compare(shown, ended_s, colour, times, random=random, limits=limits, change=change)


def _compare(
    shown: Sequence[Shown], ended_s: float, colour: Floats, times: Floats, *,
    random: Random, limits: Limits, change: float,
) -> Judgement:  # fmt: skip
    delays = np.arange(EARLIEST_S, LATEST_S + DELAY_STEP_S / 2, DELAY_STEP_S)
    lit = steps_at(shown, ended_s, times, delays)
    own = correlations(lit, colour, np.array([[step.colour for step in shown]]))[0]
    best = int(np.argmax(own))
    others = np.array([order(random, len(shown)) for _ in range(OTHERS)])
    chance_best = correlations(lit, colour, others).max(axis=1)
    p = (1 + int((chance_best >= own[best]).sum())) / (OTHERS + 1)
    delay_s, correlation = float(delays[best]), float(own[best])
    figures = {
        "delay_s": round(delay_s, 2),
        "correlation": round(correlation, 3),
        "change": round(change, 5),
    }
    if p > limits.most_chance or correlation < limits.least_correlation:
        if change < limits.telling_change:
            return Judgement(Answer.ABSTAINS, TOO_LITTLE, **figures)
        why = "the face changes its colour, but not as the screen does"
        return Judgement(Answer.DOES_NOT, why, round(1.0 - p, 4), **figures)
    if not -DELAY_STEP_S <= delay_s <= limits.most_delay_s:
        side = f"{delay_s:.1f} s after" if delay_s > 0 else f"{-delay_s:.1f} s before"
        why = f"the face follows the screen {side} it: no call does that"
        return Judgement(Answer.DOES_NOT, why, 0.0, **figures)
    why = f"the face follows the light of the screen, {max(delay_s, 0.0):.1f} s behind it"
    return Judgement(Answer.FOLLOWS, why, round(1.0 - p, 4), **figures)


def chroma(rgb: Floats) -> Floats:
    """Colour without brightness, (n, 3), in nats, of encoded colours (n, 3), 0..255."""
    encoded = np.clip(rgb, DARK, BRIGHT) / 255.0
    light = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    logs = np.log(light)
    return np.asarray(logs - logs.mean(axis=1, keepdims=True))


def without_drift(colour: Floats, times: Floats) -> Floats:
    """The same less its slow wandering, (n, 3)."""
    span = (times - times.mean()) / max(np.ptp(times), 1e-9)
    powers = np.vander(span, DRIFT_DEGREE + 1)
    fitted, *_ = np.linalg.lstsq(powers, colour, rcond=None)
    return np.asarray(colour - powers @ fitted)


def steps_at(
    shown: Sequence[Shown], ended_s: float, times: Floats, delays: Floats
) -> NDArray[np.bool_]:
    """Which step lights which picture, if it came `delays` later: (delays, steps, pictures)."""
    begins = np.array([step.at_s for step in shown])
    ends = np.append(begins[1:], ended_s)
    when = times[None, :] - delays[:, None]
    return np.asarray(
        (when[:, None, :] >= begins[None, :, None]) & (when[:, None, :] < ends[None, :, None])
    )


def correlations(lit: NDArray[np.bool_], colour: Floats, sequences: NDArray[np.integer]) -> Floats:
    """Correlation of the seen colour with each sequence at each delay: (sequences, delays).

    `sequences`: (m, steps) of indices into `COLOURS`; before and after them the screen is grey.
    """
    palette = np.array(COLOURS, float)
    palette -= palette.mean(axis=1, keepdims=True)
    stimuli = palette[sequences]  # (m, steps, 3)
    counts = lit.sum(axis=2).astype(float)  # (delays, steps)
    centred = colour - colour.mean(axis=0)
    sums = lit.astype(float) @ centred  # (delays, steps, 3)
    crossed = stimuli.reshape(len(stimuli), -1) @ sums.reshape(len(sums), -1).T
    power = np.square(stimuli).sum(axis=2) @ counts.T
    for channel in range(3):
        power -= np.square(stimuli[:, :, channel] @ counts.T) / len(colour)
    spread = np.square(centred).sum()
    return np.asarray(crossed / np.sqrt(np.maximum(power * spread, 1e-12)))
