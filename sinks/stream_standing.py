"""How each stream stands now, gathered from alerts, results and health. Pure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from streammon.core.types import (
    AlertState,
    DetectionResult,
    Health,
    HealthState,
    Severity,
    StreamId,
)

CALM = "none"
MOST_OVER = 200
"""Streams that ended or failed and are remembered still."""
MOST_FORGOTTEN = 1_000
"""Streams that were forgotten last: windows and incidents of theirs may come for a while."""
_OVER = frozenset({HealthState.ENDED, HealthState.FAILED})
_RANK = {severity.value: rank for rank, severity in enumerate(Severity)}


@dataclass(slots=True)
class Standing:
    """One stream. Each of its methods says whether people would see a difference."""

    health: str = HealthState.STARTING.value
    incidents: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Open ones: kind and severity."""
    scores: dict[str, float | None] = field(default_factory=dict)
    """The newest confidence per kind, in hundredths; `None`: it abstained."""

    def hear_alert(self, said: Mapping[str, Any]) -> bool:
        """`said`: an alert as it is on the wire; the same one again changes nothing."""
        before = dict(self.incidents)
        if said["state"] == AlertState.CLOSED:
            self.incidents.pop(said["incident_id"], None)
        else:
            self.incidents[said["incident_id"]] = (said["kind"], said["severity"])
        return self.incidents != before

    def hear_result(self, result: DetectionResult) -> bool:
        if result.experimental:
            return False
        score = None if result.confidence is None else round(result.confidence, 2)
        changed = result.kind not in self.scores or self.scores[result.kind] != score
        self.scores[result.kind] = score
        return changed

    def hear_health(self, health: Health) -> bool:
        """A stream that starts, or has ended, has no open incident and no score."""
        changed = health.state.value != self.health
        self.health = health.state.value
        if health.state in {HealthState.STARTING, HealthState.ENDED, HealthState.FAILED}:
            changed = changed or bool(self.incidents or self.scores)
            self.incidents.clear()
            self.scores.clear()
        return changed

    def told(self) -> dict[str, Any]:
        """What is published of it."""
        scored = [score for score in self.scores.values() if score is not None]
        severities = [severity for _, severity in self.incidents.values()]
        return {
            "problem": "ON" if self.incidents else "OFF",
            "severity": max(severities, key=_RANK.__getitem__, default=CALM),
            "kinds": sorted({kind for kind, _ in self.incidents.values()}),
            "score": max(scored, default=None),
            "scores": dict(sorted(self.scores.items())),
            "health": self.health,
        }


class Standings:
    """How all streams stand. What still comes of one that was forgotten brings it not back."""

    def __init__(self) -> None:
        self._of: dict[StreamId, Standing] = {}
        self._over: dict[StreamId, None] = {}
        """Those that are not known to live, the longest so first."""
        self._forgotten: OrderedDict[StreamId, None] = OrderedDict()

    def __iter__(self) -> Iterator[StreamId]:
        return iter(self._of)

    def known(self, stream: StreamId) -> Standing | None:
        """`None` where nothing was heard of it, or it was forgotten."""
        return self._of.get(stream)

    def of(self, stream: StreamId) -> Standing | None:
        """Also of one that was never heard of; `None` where it was forgotten."""
        if stream in self._forgotten:
            return None
        if stream not in self._of:
            self._of[stream], self._over[stream] = Standing(), None
        return self._of[stream]

    def hear_health(self, stream: StreamId, health: Health) -> bool:
        """Whether people would see a difference. A stream that lives is forgotten no more."""
        if health.state is not HealthState.ENDED:
            self._forgotten.pop(stream, None)
        standing = self.of(stream)
        if standing is None:
            return False
        self._over.pop(stream, None)
        if health.state in _OVER:
            self._over[stream] = None
        return standing.hear_health(health)

    def surplus(self) -> StreamId | None:
        """Of more than `MOST_OVER` that are over the one that is so longest. One that has ended
        goes before one that failed: that is for somebody to mend.
        """
        if len(self._over) <= MOST_OVER:
            return None
        return min(self._over, key=lambda each: self._of[each].health == HealthState.FAILED)

    def forget(self, stream: StreamId) -> None:
        self._of.pop(stream, None)
        self._over.pop(stream, None)
        self._forgotten[stream] = None
        if len(self._forgotten) > MOST_FORGOTTEN:
            self._forgotten.popitem(last=False)
