"""What batches cost on a device, and how much of what is asked for it can do. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

MEMORY_BATCHES = 32
"""About how many batches the cost model remembers."""
OUTLIER = 4.0
"""A batch that took this many times what was expected counts as this much: a hiccup of the
machine is not a new cost, and one that stays is learnt in a few batches all the same."""
FIXED_SHARE = 0.05
"""A batch whose fixed cost is a smaller share of it than this gains little by being larger."""
ENOUGH = 8
MOST_BUSY = 0.97
"""Share of a device's time that is planned for; the rest is for what a plan cannot know."""
LEAST_BUSY = 0.5
NEARLY = 0.95
"""Busy for this share of what may be planned for, a device is as busy as it can be."""
USED_GAIN = 0.3
USED_FADES = 0.1
"""How fast the belief follows what is seen, and how fast it fades; per plan."""
LEAST_SHARE = 0.05
"""However little a stream counts, one window in twenty is looked at."""
DEGRADED_BELOW = 0.97
"""A stream looked at less often than this share of what it is due is worth telling people."""
WORTH_IT = 1.02
"""A change for the better by less than this is noise of the measurements."""
MOST_LOADING = 0.2
"""Share of a device's time that is set aside for loading models at most: under pressure, they
change no more often than that."""
LOOSEN_AFTER = 3
"""Plans in a row that must allow more before more is admitted: load that comes and goes would
otherwise make the intervals swing."""


class CostModel:
    """Seconds that a batch of n windows takes: `fixed + n * per_window`.

    Least squares over what batches took, newer ones counting more. Both are never negative.
    """

    def __init__(self) -> None:
        self.fixed_s = 0.0
        self.per_window_s = 0.0
        self._batches = 0
        self._weight = self._n = self._t = self._nn = self._nt = 0.0

    def expected_s(self, windows: int) -> float:
        """0 before the first batch: what is not known is not planned against."""
        return self.fixed_s + windows * self.per_window_s if windows else 0.0

    def most_useful(self, most: int, *, within_s: float) -> int:
        """The largest batch worth making, up to `most`.

        As large as it takes to make the fixed cost small; larger ones gain nothing, keep others
        waiting and, on a CPU, fall out of its caches. Small batches are made up to `ENOUGH`
        windows anyway, if they take no longer than `within_s`: costs are learnt from that.
        """
        if self.per_window_s <= 0:
            return most
        efficient = math.ceil(self.fixed_s / self.per_window_s / FIXED_SHARE)
        in_time = int((within_s - self.fixed_s) / self.per_window_s)
        return max(1, min(most, max(efficient, min(ENOUGH, in_time))))

    def learn(self, windows: int, took_s: float) -> None:
        if self._batches >= MEMORY_BATCHES // 4:
            took_s = min(took_s, OUTLIER * max(self.expected_s(windows), 1e-6))
        self._batches += 1
        keep = 1.0 - 1.0 / MEMORY_BATCHES
        self._weight = keep * self._weight + 1.0
        self._n = keep * self._n + windows
        self._t = keep * self._t + took_s
        self._nn = keep * self._nn + windows * windows
        self._nt = keep * self._nt + windows * took_s
        self._fit()

    def _fit(self) -> None:
        mean_n, mean_t = self._n / self._weight, self._t / self._weight
        spread = self._nn / self._weight - mean_n**2
        slope = self.per_window_s
        if spread > (0.1 * mean_n) ** 2:
            slope = (self._nt / self._weight - mean_n * mean_t) / spread
        elif not slope:  # batches of one size do not tell the two apart: all of it per window
            slope = mean_t / mean_n
        self.per_window_s = min(max(slope, 0.0), mean_t / mean_n)
        self.fixed_s = max(0.0, mean_t - self.per_window_s * mean_n)


@dataclass(frozen=True, slots=True)
class Load:
    """What one (stream, participant, detector, modality) asks of a device."""

    key: Hashable
    detector: str
    rate_hz: float
    """Windows per second if every one of them is looked at."""
    priority: float
    """Weight of the stream, raised by its risk."""
    patience: float = 1.0
    """How many times less often it may be looked at without harm: calm streams wait first."""
    whole: bool = False
    """Every window of it is looked at, as of text: what is too much waits, and its source with
    it."""


@dataclass(frozen=True, slots=True)
class Plan:
    stretch: Mapping[Hashable, float] = field(default_factory=dict)
    """How many times longer than one hop each load waits between two looks; 1 and up."""
    asked: float = 0.0
    """Share of the device's time that looking at every window would take."""
    planned: float = 0.0
    """Share that the stretched intervals take."""
    longest_wait_s: float = 0.0
    """The longest a window can wait while every load has one: all are served once."""
    least_served: float = 1.0
    """Smallest share of its due looks that any load gets."""
    degraded: bool = False


def shares(loads: Sequence[Load], costs_s: Sequence[float], capacity: float) -> float:
    """The level such that shares `min(1, level * priority / patience)` use up `capacity`.

    `costs_s` is device time per window. Higher priority keeps its full share longest, nobody's
    share is ever zero, and equals are treated equally. Enough capacity for all: infinity. Loads
    that are looked at whole have no part in it: see `set_aside`.
    """
    ranked = sorted(
        (
            (load.priority / load.patience, load.rate_hz * cost_s)
            for load, cost_s in zip(loads, costs_s, strict=True)
            if not load.whole
        ),
        reverse=True,
    )
    full = 0.0
    rest = sum(claim * busy for claim, busy in ranked)
    for claim, busy in ranked:
        if full + rest / claim > capacity:  # from here on, not everyone can have a full share
            return max(capacity - full, 1e-9) / max(rest, 1e-12)
        full += busy
        rest -= claim * busy
    return math.inf


def set_aside(loads: Sequence[Load], takes: Sequence[float], capacity: float) -> float:
    """What of the capacity is kept for loads that are looked at whole, which ask for `takes`.

    All they ask, up to the part that their priorities are of all: beyond that they have only what
    the others leave over, so that a chat that never pauses crowds out no camera.
    """
    asked = sum(take for load, take in zip(loads, takes, strict=True) if load.whole)
    claim = sum(load.priority for load in loads if load.whole)
    return min(asked, capacity * claim / sum(load.priority for load in loads)) if asked else 0.0


class Planner:
    """Makes a new plan for one device whenever asked, without letting it swing.

    It tightens at once and loosens only when several plans in a row would allow it. Where the
    measured p95 wait misses the target all the same, it plans for less of the device's time.
    """

    def __init__(self, *, alert_within_s: float, batch_wait_s: float) -> None:
        self.plan = Plan()
        self.capacity = MOST_BUSY
        self._alert_within_s = alert_within_s
        self._batch_wait_s = batch_wait_s
        self._level = math.inf
        self._used = 1.0
        self._allowed_more = 0
        self._well = 0

    def update(
        self,
        loads: Sequence[Load],
        costs: Mapping[str, CostModel],
        most: Mapping[str, int],
        *,
        waited_p95_s: float | None,
        busy: float,
        loading: float = 0.0,
        reload_s: float = 0.0,
    ) -> Plan:
        """A plan for these loads.

        `most` is the largest batch per detector. What was measured since the last plan:
        `waited_p95_s` of the windows that were scored, `busy` as a share of the device's time,
        `loading` models as a part of that. `reload_s` is what it takes to load each in turn.
        """
        loading = min(loading, MOST_LOADING)
        self._steer(waited_p95_s)
        self._notice_slack(busy, loading)
        sizes = Counter(load.detector for load in loads)
        batch = {name: min(most[name], size) for name, size in sizes.items()}
        per_window = {
            name: costs[name].per_window_s + costs[name].fixed_s / batch[name] for name in sizes
        }
        costs_s = [per_window[load.detector] for load in loads]
        takes = [load.rate_hz * cost_s for load, cost_s in zip(loads, costs_s, strict=True)]
        capacity = (self.capacity - loading) / self._used
        level = self._settled(shares(loads, costs_s, capacity - set_aside(loads, takes, capacity)))
        given = [
            1.0 if load.whole else max(LEAST_SHARE, min(1.0, level * load.priority / load.patience))
            for load in loads
        ]
        due = [share * load.patience for share, load in zip(given, loads, strict=True)]
        sweep_s = sum(
            math.ceil(size / batch[name]) * costs[name].fixed_s + size * costs[name].per_window_s
            for name, size in sizes.items()
        )
        least = min(1.0, *due, 1.0)
        late = waited_p95_s is not None and waited_p95_s > self._alert_within_s
        self.plan = Plan(
            stretch={load.key: 1.0 / share for load, share in zip(loads, given, strict=True)},
            asked=sum(takes),
            planned=sum(one * share for one, share in zip(takes, given, strict=True)),
            longest_wait_s=sweep_s + reload_s + self._batch_wait_s,
            least_served=least,
            degraded=self._is_degraded(least < DEGRADED_BELOW or late),
        )
        return self.plan

    def _steer(self, waited_p95_s: float | None) -> None:
        if waited_p95_s is None:
            return
        if waited_p95_s > self._alert_within_s:
            self.capacity = max(LEAST_BUSY, 0.9 * self.capacity)
        elif waited_p95_s < self._alert_within_s / 2:
            self.capacity = min(MOST_BUSY, self.capacity + 0.02)

    def _notice_slack(self, busy: float, loading: float) -> None:
        """Learn which part of the planned time is really used, while not all is admitted.

        Costs that were taken for too high would otherwise leave the device idle and windows
        unseen. A device that is busy all the same tells nothing, and the belief fades.
        """
        if math.isinf(self._level) or not self.plan.planned:
            self._used = 1.0
        elif busy < NEARLY * self.capacity:
            used = min(1.0, max(0.0, busy - loading) / self.plan.planned)
            self._used = max(LEAST_BUSY, self._used + USED_GAIN * (used - self._used))
        else:
            self._used += USED_FADES * (1.0 - self._used)

    def _settled(self, wanted: float) -> float:
        self._allowed_more = self._allowed_more + 1 if wanted > WORTH_IT * self._level else 0
        if wanted < self._level or self._allowed_more >= LOOSEN_AFTER:
            self._allowed_more = 0
            self._level = wanted
        return self._level

    def _is_degraded(self, bad: bool) -> bool:
        """Bad at once; well again after `LOOSEN_AFTER` good plans."""
        self._well = 0 if bad else self._well + 1
        return bad or (self.plan.degraded and self._well < LOOSEN_AFTER)
