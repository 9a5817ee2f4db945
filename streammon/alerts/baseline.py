"""How far off a detector is on one source while that is clean, and what follows. Pure.

A detector that was calibrated on many sources may be a nat off on one of them: a microphone, a
codec, a room unlike its data. On genuine windows a calibrated one has E[exp(z)] = 1, where z is a
window's weight of evidence in nats; that is also what the rule's bound on false alarms rests on.
For z with a normal law it ties the level to the spread, level = -spread**2 / 2 (van Leeuwen and
Brummer, "The distribution of calibrated likelihood-ratios in speaker recognition", Interspeech
2013), so that what a source's level lies above it is how far the detector is off there. Level and
spread are learnt robustly: the median, and 1.4826 times the median absolute deviation (Hampel,
"The influence curve and its role in robust estimation", JASA 1974). What is asked of each later
window moves by so much, within bounds that are stated:

* up by at most `most_raise` nats: a lasting forgery whose windows are worth more than the rule's
  drift and that on average is found whatever was learnt, only later;
* down by at most `most_lower` nats: a window that counted against never counts for, and one that
  counted for counts at most twice.

Nothing is changed while it is learnt, and no stretch is learnt from in which the alarm was raised
or of which half of the windows point to a forgery. So a stream that is synthetic from its first
second, and is said to be so, is judged exactly as without a baseline. A stretch that the operator
names is believed, and can hide what the first bound lets it hide.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pydantic import Field, model_validator

from streammon.sections import Name, Section

CONSISTENT = 1.4826
"""Makes the median absolute deviation estimate the standard deviation of a normal law."""
MOST_HEARD = 1_000
"""Windows of one stretch that are kept, however short they are."""


class Stretch(Section):
    """A part of a stream that its operator knows to be clean, in media time of its first epoch."""

    from_s: float = Field(0.0, ge=0.0)
    to_s: float = Field(gt=0.0)

    @model_validator(mode="after")
    def has_length(self) -> Stretch:
        if self.to_s <= self.from_s:
            raise ValueError(f"to_s must be after from_s ({self.from_s:g})")
        return self


class BaselineConfig(Section):
    """Learn each source's own clean level, per detector, and judge what comes later against it."""

    learn_s: float = Field(45.0, ge=5.0, le=3600.0)
    """Seconds that have to be scored for it; abstentions and gaps do not count."""
    least_windows: int = Field(8, ge=3, le=MOST_HEARD)
    """Windows that it takes at the least, however long they are."""
    most_raise: float = Field(1.0, ge=0.0, le=3.0)
    """Nats by which more may be asked of each window."""
    most_lower: float = Field(0.0, ge=0.0, le=3.0)
    """Nats by which less may be asked."""
    clean: Mapping[Name, Stretch] = {}
    """By stream: the stretch to learn from, believed to be clean; any other stream learns from
    the first stretch that looks clean."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What has been learnt of one source so far."""

    heard: tuple[float, ...] = ()
    """Nats of the windows of the stretch, in order; empty once it is learnt."""
    heard_s: float = 0.0
    level: float | None = None
    """The median of the clean windows; `None` while they are not known."""
    spread: float = 0.0
    shift: float = 0.0
    """Nats by which more (if negative, less) is asked of each window."""
    passed: bool = False
    """The stretch that the operator named went by with too few windows: it is learnt from any."""

    def step(self, step: float) -> float:
        """What a window that is worth `step` nats, drift taken off, is worth on this source."""
        if self.shift >= 0.0:
            return step - self.shift
        return min(step - self.shift, 2.0 * max(step, 0.0))

    def note(self, settings: BaselineConfig) -> str:
        """What people are told of it, in a few words."""
        if self.level is None:
            return f"learning: {self.heard_s:.0f} of {settings.learn_s:g} s"
        said = f"clean level {self.level:+.1f}, spread {self.spread:.1f} nats"
        if self.shift == 0.0:
            return f"{said}: as for any source"
        more = "more" if self.shift > 0.0 else "less"
        return f"{said}: {abs(self.shift):.1f} {more} asked of each window"


@dataclass(frozen=True, slots=True)
class Heard:
    """One scored window, as a rule weighs it."""

    stream: str
    epoch: int
    start_s: float
    end_s: float
    new_s: float
    """Of its length, what no earlier window held."""
    nats: float
    alarm: bool
    """Whether the alarm is raised, this window included."""


class Learning:
    """Turns the windows of one source into its baseline. Pure: all it knows is in `Baseline`."""

    def __init__(self, settings: BaselineConfig) -> None:
        self._settings = settings

    def advance(self, known: Baseline, heard: Heard) -> Baseline:
        """What is known after one more window; once learnt, nothing changes any more."""
        if known.level is not None:
            return known
        named = self._settings.clean.get(heard.stream)
        if named is None or known.passed:
            return self._automatic(known, heard)
        return self._as_named(known, heard, named)

    def note(self, known: Baseline) -> str:
        return known.note(self._settings)

    def _automatic(self, known: Baseline, heard: Heard) -> Baseline:
        again = Baseline(passed=known.passed)
        if heard.alarm:
            return again
        known = _with(known, heard)
        if not self._is_full(known):
            return known
        return self._learnt(known) if statistics.median(known.heard) <= 0.0 else again

    def _as_named(self, known: Baseline, heard: Heard, named: Stretch) -> Baseline:
        if heard.epoch == 0 and heard.end_s <= named.to_s:
            return _with(known, heard) if heard.start_s >= named.from_s else known
        if len(known.heard) >= self._settings.least_windows:
            return self._learnt(known)
        return self._automatic(Baseline(passed=True), heard)

    def _is_full(self, known: Baseline) -> bool:
        windows, settings = len(known.heard), self._settings
        enough = known.heard_s >= settings.learn_s and windows >= settings.least_windows
        return enough or windows >= MOST_HEARD

    def _learnt(self, known: Baseline) -> Baseline:
        level = statistics.median(known.heard)
        apart = statistics.median(abs(nats - level) for nats in known.heard)
        spread = CONSISTENT * apart
        off = level + spread**2 / 2
        shift = min(max(off, -self._settings.most_lower), self._settings.most_raise)
        return Baseline(heard_s=known.heard_s, level=level, spread=spread, shift=shift)


def _with(known: Baseline, heard: Heard) -> Baseline:
    if len(known.heard) >= MOST_HEARD:
        return known
    return replace(
        known, heard=(*known.heard, heard.nats), heard_s=known.heard_s + max(heard.new_s, 0.0)
    )
