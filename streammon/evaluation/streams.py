"""Long recordings: how soon a fake raises an alert, and how often a clean hour raises one.

A recording labelled fake is fake from `from_s` to `to_s` and clean before and after. An alert
belongs to the fake if its incident opens within it, or up to `LATE_S` after it: windows and rules
look back. Every other alert is a false one, and so is each on a recording labelled real.

The same results can be judged by a second set of rules beside the monitor's own: what those would
have made of them is then known of the very same windows.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from streammon.alerts.incidents import IncidentBook
from streammon.core.types import Alert, AlertState, DetectionResult, Health, Json
from streammon.evaluation.answers import Failure
from streammon.evaluation.bootstrap import rate_interval, share_interval
from streammon.evaluation.manifest import Row
from streammon.evaluation.scoring import ROW_FAILURES, source_of
from streammon.pipelines.replay import Replay

LATE_S = 10.0
HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Opened:
    """An incident that opened."""

    media_s: float
    kind: str


@dataclass(frozen=True, slots=True)
class Watched:
    """One recording from its beginning to its end."""

    row: Row
    media_s: float
    """How long it is."""
    windows: int
    """How many of them were scored."""
    opened: tuple[Opened, ...]
    kinds: frozenset[str] = frozenset()
    """What was looked for in it, abstentions included."""

    @property
    def fake_from_s(self) -> float:
        return (self.row.from_s or 0.0) if self.row.fake else self.media_s

    @property
    def fake_until_s(self) -> float:
        """When its alerts no longer belong to the fake."""
        if not self.row.fake:
            return self.media_s
        end_s = self.media_s if self.row.to_s is None else self.row.to_s + LATE_S
        return min(end_s, self.media_s)

    @property
    def clean_s(self) -> float:
        """How much of it must raise no alert."""
        return self.media_s - max(self.fake_until_s - self.fake_from_s, 0.0)

    @property
    def right(self) -> tuple[Opened, ...]:
        """The alerts that belong to its fake, in order."""
        return tuple(one for one in self.opened if self._is_right(one))

    @property
    def false(self) -> tuple[Opened, ...]:
        return tuple(one for one in self.opened if not self._is_right(one))

    @property
    def first_alert_s(self) -> float | None:
        """Seconds from where the fake begins to the first alert that belongs to it."""
        return self.right[0].media_s - self.fake_from_s if self.right else None

    def _is_right(self, one: Opened) -> bool:
        late = self.row.to_s is not None and one.media_s > self.row.to_s + LATE_S
        return self.row.fake and one.media_s >= self.fake_from_s and not late


class Watching:
    """A monitor that judges one recording after another, and what it made of them."""

    def __init__(self, replay: Replay, *, beside: Callable[[], IncidentBook] | None = None) -> None:
        """`beside` makes an empty book of the second set of rules, for each recording."""
        self._replay = replay
        self._beside = beside
        self.watched: list[Watched] = []
        self.watched_beside: list[Watched] = []
        """The same recordings, as the second set of rules judges them."""
        self.failures: list[Failure] = []

    @property
    def given_up(self) -> Mapping[str, str]:
        """Detectors that hang, and what is known of it."""
        return self._replay.given_up

    def take(self, row: Row) -> None:
        """Judge its recording; what goes wrong with it is kept in `failures`."""
        try:
            self._watch(row)
        except ROW_FAILURES as error:
            self.failures.append(Failure.of(row, error))

    def _watch(self, row: Row) -> None:
        own, others = list[Opened](), list[Opened]()
        windows, media_s, kinds = 0, 0.0, set[str]()
        book = None if self._beside is None else self._beside()
        for line in self._replay.judge(source_of(row)):
            if isinstance(line, Alert):
                own += _opened([line])
            elif isinstance(line, DetectionResult):
                windows += line.confidence is not None
                media_s = max(media_s, line.end_s)
                kinds.add(line.kind)
                others += [] if book is None else _opened(book.judge(line))
            elif isinstance(line, Health):
                media_s = max(media_s, line.since_ns / 1e9)
        self.watched.append(Watched(row, media_s, windows, tuple(own), frozenset(kinds)))
        if book is not None:
            beside = Watched(row, media_s, windows, tuple(others), frozenset(kinds))
            self.watched_beside.append(beside)


def _opened(alerts: Iterable[Alert]) -> list[Opened]:
    return [
        Opened(alert.media_s, alert.kind) for alert in alerts if alert.state is AlertState.OPENED
    ]


def figures(watched: Iterable[Watched]) -> dict[str, Json]:
    """The flat figures of all recordings; `None` for what nothing was there to measure.

    A fake counts as found once, however often it is told; every false alert counts.
    """
    found = list(watched)
    fakes = [one for one in found if one.row.fake]
    delays = [one.first_alert_s for one in fakes if one.first_alert_s is not None]
    clean_h = sum(one.clean_s for one in found) / HOUR_S
    false = sum(len(one.false) for one in found)
    median, late = np.percentile(delays, [50, 95]) if delays else (None, None)
    return {
        "recordings": len(found),
        "fakes": len(fakes),
        "detected": len(delays),
        **_share("recall", len(delays), len(fakes)),
        **_share("precision", len(delays), len(delays) + false),
        "f1": 2 * len(delays) / (len(fakes) + len(delays) + false) if fakes else None,
        "first_alert_s_median": None if median is None else float(median),
        "first_alert_s_p95": None if late is None else float(late),
        "clean_hours": clean_h,
        "false_alerts": false,
        **_rate(false, clean_h),
    }


def _share(name: str, count: int, of: int) -> dict[str, Json]:
    """A share and the ends of its 95 % interval."""
    ends = share_interval(count, of) if of else None
    return {
        name: count / of if of else None,
        f"{name}_low": None if ends is None else ends.low,
        f"{name}_high": None if ends is None else ends.high,
    }


def _rate(false: int, clean_h: float) -> dict[str, Json]:
    """False alerts per clean hour and the ends of its 95 % interval."""
    ends = rate_interval(false, clean_h) if clean_h > 0 else None
    return {
        "alerts_per_hour": None if ends is None else false / clean_h,
        "alerts_per_hour_low": None if ends is None else ends.low,
        "alerts_per_hour_high": None if ends is None else ends.high,
    }


def by_kind(watched: Iterable[Watched]) -> dict[str, dict[str, Json]]:
    """How many alerts of each kind belong to fakes, how many are false, and those per hour.

    The hours of a kind are of the recordings in which it was looked for.
    """
    right: Counter[str] = Counter()
    false: Counter[str] = Counter()
    clean_s: defaultdict[str, float] = defaultdict(float)
    for one in watched:
        right.update(alert.kind for alert in one.right)
        false.update(alert.kind for alert in one.false)
        for kind in {*one.kinds, *(alert.kind for alert in one.opened)}:
            clean_s[kind] += one.clean_s
    return {
        kind: {
            "right": right[kind],
            "false": false[kind],
            "clean_hours": clean_s[kind] / HOUR_S,
            **_rate(false[kind], clean_s[kind] / HOUR_S),
        }
        for kind in sorted(clean_s)
    }


def by_system(watched: Iterable[Watched]) -> Mapping[str, list[Watched]]:
    """The recordings with fakes of each system."""
    found: dict[str, list[Watched]] = {}
    for one in watched:
        if one.row.fake:
            found.setdefault(one.row.system or "(not named)", []).append(one)
    return dict(sorted(found.items()))


def by_source(watched: Iterable[Watched]) -> Mapping[str, list[Watched]]:
    """The recordings of each source, fakes and clean ones; empty where none is named."""
    found: dict[str, list[Watched]] = {}
    for one in watched:
        if one.row.source:
            found.setdefault(one.row.source, []).append(one)
    return dict(sorted(found.items()))
