"""What each stream is asked for, and which of its windows are looked at. Pure.

The policy: while there is capacity, every window is looked at. When the plan of the device needs
some back, streams that have been calm for long are looked at less often first, down to one
look per `idle_interval_s`; then all are stretched, by weight and risk. Whatever rises above calm
is back among the others at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from streammon.core.types import DetectionResult, Window, WindowSpec, WindowUnit

CALM_BELOW = 0.3
"""Well below alarm: under the band, 0.3 to 0.7, in which a score says little either way."""
CALM_AFTER_S = 30.0
RISK_GAIN = 3.0
MOST_RISK = 4.0
"""At risk 1, where the alarm is raised, a stream counts four times."""
RATE_OVER_S = 10.0
"""How far back windows count for the rate at which they come."""
RATE_BELIEVED_S = 2.0
"""The rate of real time counts like so many seconds of watching."""
FRAME_MARGIN = 1.5
"""Frames asked for at an interval may come that much further apart and still make a window."""


def urgency(risk: float) -> float:
    """How many times more a stream counts at this level of evidence; 1 without any."""
    return 1.0 + RISK_GAIN * min(max(risk, 0.0), MOST_RISK)


def frame_interval_s(spec: WindowSpec, stretch: float) -> float:
    """How far apart frames are wanted for windows of `spec` that are looked at less often.

    Never so far that the windower would take the distance for a gap.
    """
    most_s = spec.gap_limit_s / FRAME_MARGIN
    if spec.unit is WindowUnit.SECONDS:
        most_s = max(spec.frame_interval_s or 0.0, min(most_s, spec.length / 2))
    return min(most_s, (spec.frame_interval_s or most_s) * max(1.0, stretch))


class StreamDemand:
    """What the scheduler wants from one source; satisfies `ports.Demand`.

    Read from any thread, written on the event loop: both values change as one.
    """

    def __init__(self) -> None:
        self._wanted: tuple[float | None, bool] = (None, False)

    @property
    def frame_interval_s(self) -> float | None:
        return self._wanted[0]

    @property
    def audio(self) -> bool:
        return self._wanted[1]

    def want(self, frame_interval_s: float | None, *, audio: bool) -> None:
        self._wanted = (frame_interval_s, audio)


@dataclass(slots=True)
class Track:
    """The windows of one slot as they come: how often, how calm, and which are let in."""

    spec: WindowSpec
    stretch: float = 1.0
    """Hops between two windows that are let in; 1 lets in every one."""
    _credit: float = 0.0
    _epoch: int = -1
    _start_s: float = 0.0
    _began_ns: int | None = None
    _last_ns: int | None = None
    _came: float = 0.0
    _calm_from: tuple[int, float] | None = None
    _calm_to_s: float = 0.0

    def lets_in(self, window: Window, now_ns: int, *, waiting: bool) -> bool:
        """Whether this window is due for a look; to be asked once per window, in order.

        Each hop of media time earns one credit and a look costs `stretch` of them, so that on
        average exactly every `stretch`th window is looked at, also for broken numbers. The
        first window of an epoch, and the first after time stepped back, always is. While the
        window before is still `waiting`, a newer one takes its place at no further cost.
        """
        self.came(now_ns)
        hops = self._hops(window)
        self._epoch, self._start_s = window.epoch, window.start_s
        earned = self.stretch if hops is None else self._credit + hops
        self._credit = min(earned, self.stretch + 1.0)
        if waiting:
            return True
        if self._credit < self.stretch - 0.01:
            return False
        self._credit = max(0.0, self._credit - self.stretch)
        return True

    def rate_hz(self, now_ns: int) -> float:
        """Windows per second that came lately; falls when they stop coming.

        At first the stream is taken to run in real time; what is seen counts more and more.
        """
        if self._began_ns is None:
            return 0.0
        since_began_s = (now_ns - self._began_ns) / 1e9
        fading = math.exp(-since_began_s / RATE_OVER_S)
        believed_s = RATE_BELIEVED_S * fading if self._real_time_hz else 0.0
        watched_s = RATE_OVER_S * (1.0 - fading)
        came = self._came * math.exp(-self.silent_s(now_ns) / RATE_OVER_S)
        return (self._real_time_hz * believed_s + came) / max(believed_s + watched_s, 1e-3)

    def silent_s(self, now_ns: int) -> float:
        """Seconds since the last window came."""
        return 0.0 if self._last_ns is None else (now_ns - self._last_ns) / 1e9

    def judged(self, result: DetectionResult) -> None:
        """Remember how long it has been calm. Abstentions say nothing either way."""
        if result.confidence is None:
            return
        if result.confidence >= CALM_BELOW:
            self._calm_from = None
            return
        start = (result.epoch, result.start_s)
        if self._calm_from is None or self._calm_from[0] != result.epoch or start < self._calm_from:
            self._calm_from = start
        self._calm_to_s = result.end_s

    @property
    def calm(self) -> bool:
        if self._calm_from is None:
            return False
        return self._calm_to_s - self._calm_from[1] >= CALM_AFTER_S

    def came(self, now_ns: int) -> None:
        """Count the windows that come, older ones less and less; the first begins the count."""
        if self._began_ns is None:
            self._began_ns = now_ns
        else:
            self._came = 1.0 + self._came * math.exp(-self.silent_s(now_ns) / RATE_OVER_S)
        self._last_ns = now_ns

    @property
    def _real_time_hz(self) -> float:
        """Windows per second of a stream in real time; 0 where the spec does not tell."""
        return 1.0 / self.spec.hop if self.spec.unit is WindowUnit.SECONDS else 0.0

    def _hops(self, window: Window) -> float | None:
        """Hops since the window before; `None` where there is no such window."""
        step_s = window.start_s - self._start_s
        if window.epoch != self._epoch or step_s < 0:
            return None
        return step_s / self.spec.hop if self.spec.unit is WindowUnit.SECONDS else 1.0
