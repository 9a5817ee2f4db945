"""The life of incidents: opened, updated, closed. Pure: no clock but the media time of results.

Evidence is kept per detector and modality and the strongest decides, so that clean sound does
not clear a frozen picture. An incident closes when *all* of its evidence is clear.

Experimental evidence (`DetectionResult.experimental`) opens no incident, makes none more severe and
keeps none open, whatever its rule says: it is told with those that other evidence opened, of its
own kind or another, against the same participant.

Media time starts again with each epoch. An incident outlives a reconnect, for otherwise whoever
forges a stream could close incidents by reconnecting: its times are moved onto the clock of the
new epoch, where the break itself counts as no time. So `media_s - opened_s` is always how long
it has been open, and `opened_s` is negative if it opened before the present epoch began.
"""

from __future__ import annotations

import json
import math
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TypeAlias

from streammon.alerts.case import Case, severity_of
from streammon.alerts.reasons import (
    also_suspected,
    cleared_because,
    ended_because,
    raised_because,
)
from streammon.config import AlertsConfig
from streammon.core.errors import ConfigError
from streammon.core.ports import Rule
from streammon.core.types import (
    Alert,
    AlertState,
    DetectionResult,
    Evidence,
    Severity,
    StreamId,
)

RESULTS_IN_ALERT = 5
MOST_ADDED = 3
"""Results of experimental detectors that an alert carries beside those it rests on."""

_LADDER = tuple(Severity)
_IDS = uuid.uuid5(uuid.NAMESPACE_URL, "urn:streammon:alerts")

_Key: TypeAlias = tuple[StreamId, str, str]
"""Stream, participant, kind."""


class IncidentBook:
    """Every incident of every stream, and the evidence from which they come.

    Deterministic: the same results in the same order give the same alerts with the same ids.
    Not thread-safe. Holds at most `most_cases` of (stream, participant, kind): beyond that the
    longest untouched is forgotten, and closed first, saying so, in case it is open.
    """

    def __init__(
        self,
        settings: AlertsConfig,
        rules: Mapping[str, Rule],
        *,
        origin: str,
        evidence_ref: Callable[[str], str | None] | None = None,
        most_cases: int = 10_000,
    ) -> None:
        """`origin` makes ids unique across runs; `evidence_ref` names what is kept of an incident.

        Raises `ConfigError` when the settings name a rule that is not among `rules`.
        """
        for name in (settings.rule, *settings.rules_by_kind.values()):
            if name not in rules:
                raise ConfigError(f"alerts names the rule {name!r}; defined: {sorted(rules)}")
        self._settings = settings
        self._rules = rules
        self._origin = origin
        self._evidence_ref = evidence_ref
        self._most_cases = most_cases
        self._cases: OrderedDict[_Key, Case] = OrderedDict()

    def judge(self, result: DetectionResult) -> list[Alert]:
        """What one more result brings about: mostly nothing.

        Results of an epoch that is over, or without a finite media time, are ignored.
        """
        if not math.isfinite(result.end_s - result.start_s):
            return []
        key = (result.stream, result.participant, result.kind)
        case = self._cases.get(key)
        if case is not None and result.epoch < case.epoch:
            return []
        if case is None:
            case = self._cases[key] = Case(result.epoch, result.start_s)
        self._cases.move_to_end(key)
        alerts = self._make_room(captured_ns=result.captured_ns)
        case.hear(result, self._rule(result.kind))
        if (alert := self._next(case, key, result)) is not None:
            alerts.append(alert)
        return alerts

    def noted(self, result: DetectionResult) -> DetectionResult:
        """A result that was judged, as people are told of it: with what its rule has learnt of
        the source among its details (`baseline`), if it learns anything.
        """
        case = self._cases.get((result.stream, result.participant, result.kind))
        return result if case is None else case.noted(result)

    def end_stream(self, stream: StreamId, *, captured_ns: int, why: str) -> list[Alert]:
        """Close what is open there, saying why, and forget the stream."""
        keys = [key for key in self._cases if key[0] == stream]
        ended = [self._drop(key, captured_ns=captured_ns, why=why) for key in keys]
        return [alert for alert in ended if alert is not None]

    def evidence(self, stream: StreamId, kind: str, participant: str = "") -> Evidence | None:
        """The strongest evidence at present; `None` before the first result."""
        case = self._cases.get((stream, participant, kind))
        return None if case is None else case.strongest()

    def open_incidents(self) -> tuple[Alert, ...]:
        """The newest alert of each incident that is open, in the order they were last judged."""
        return tuple(case.alert for case in self._cases.values() if case.alert is not None)

    def _rule(self, kind: str) -> Rule:
        return self._rules[self._settings.rules_by_kind.get(kind, self._settings.rule)]

    def _next(self, case: Case, key: _Key, result: DetectionResult) -> Alert | None:
        """The step that is due in the incident's life, if any."""
        scored, ns = result.confidence is not None, result.captured_ns
        if case.alert is None:
            due = scored and self._may_open(case)
            return self._open(case, key, captured_ns=ns) if due else None
        if case.clear_since_s is None:
            return self._update(case, key, captured_ns=ns) if scored else None
        if case.now_s - case.clear_since_s < self._settings.clear_s:
            return None
        why = cleared_because(case.clean(), lasted_s=case.now_s - case.opened_s)
        return self._close(case, key, captured_ns=ns, why=why)

    def _may_open(self, case: Case) -> bool:
        """The alarm has lasted for the hold, and the last incident is long enough ago."""
        if case.alarm_since_s is None or case.now_s - case.alarm_since_s < self._settings.hold_s:
            return False
        return case.closed_s is None or case.now_s - case.closed_s >= self._settings.cool_down_s

    def _open(self, case: Case, key: _Key, *, captured_ns: int) -> Alert:
        stream, participant, kind = key
        case.incidents += 1
        case.told = 0
        case.opened_s = case.now_s
        incident_id = _id(
            self._origin, stream, participant, kind,
            case.incidents, case.epoch, case.opened_s, captured_ns,
        )  # fmt: skip
        severity = severity_of(case.strongest().level, open_s=0.0)
        return self._tell(
            case, key, AlertState.OPENED,
            incident_id=incident_id, severity=severity, captured_ns=captured_ns, why=None,
        )  # fmt: skip

    def _update(self, case: Case, key: _Key, *, captured_ns: int) -> Alert | None:
        """An update when the severity rises, or when the last one is long enough ago."""
        assert case.alert is not None
        reached = severity_of(case.strongest().level, open_s=case.now_s - case.opened_s)
        severity = max(case.alert.severity, reached, key=_LADDER.index)
        rises = severity is not case.alert.severity
        if not rises and case.now_s - case.updated_s < self._settings.update_every_s:
            return None
        return self._tell(
            case, key, AlertState.UPDATED,
            incident_id=case.alert.incident_id, severity=severity, captured_ns=captured_ns,
            why=None,
        )  # fmt: skip

    def _close(self, case: Case, key: _Key, *, captured_ns: int, why: str) -> Alert:
        assert case.alert is not None
        alert = self._tell(
            case, key, AlertState.CLOSED,
            incident_id=case.alert.incident_id, severity=case.alert.severity,
            captured_ns=captured_ns, why=why,
        )  # fmt: skip
        case.alert, case.closed_s = None, case.now_s
        return alert

    def _tell(
        self,
        case: Case,
        key: _Key,
        state: AlertState,
        *,
        incident_id: str,
        severity: Severity,
        captured_ns: int,
        why: str | None,
    ) -> Alert:
        stream, participant, kind = key
        level, backing = case.strongest().level, case.backing()
        added = self._suspicions(stream, participant)
        if why is None:
            why = raised_because(
                backing, level=level, clear_s=self._settings.clear_s, carried=case.carried()
            )
            why += also_suspected(added)
        case.told += 1
        case.updated_s = case.now_s
        case.alert = Alert(
            alert_id=_id(incident_id, state, case.told),
            incident_id=incident_id,
            stream=stream,
            kind=kind,
            state=state,
            severity=severity,
            evidence_level=level,
            opened_s=case.opened_s,
            media_s=case.now_s,
            epoch=case.epoch,
            captured_ns=captured_ns,
            why=why,
            results=(*backing[-RESULTS_IN_ALERT:], *added),
            evidence_ref=None if self._evidence_ref is None else self._evidence_ref(incident_id),
            participant=participant,
        )
        return case.alert

    def _suspicions(self, stream: StreamId, participant: str) -> tuple[DetectionResult, ...]:
        """What experimental detectors of any kind hold against the same participant now."""
        cases = [case for key, case in self._cases.items() if key[:2] == (stream, participant)]
        return tuple(one for case in cases for one in case.suspicions())[:MOST_ADDED]

    def _drop(self, key: _Key, *, captured_ns: int, why: str) -> Alert | None:
        """Forget a case; the alert that closes its incident, if one was open."""
        case = self._cases.pop(key)
        if case.alert is None:
            return None
        why = ended_because(why, lasted_s=case.now_s - case.opened_s)
        return self._close(case, key, captured_ns=captured_ns, why=why)

    def _make_room(self, *, captured_ns: int) -> list[Alert]:
        """Forget a case when there are too many: the longest untouched one that is not open."""
        if len(self._cases) <= self._most_cases:
            return []
        idle = (key for key, case in self._cases.items() if case.alert is None)
        newest = next(reversed(self._cases))
        oldest = next((key for key in idle if key != newest), next(iter(self._cases)))
        alert = self._drop(oldest, captured_ns=captured_ns, why="too many incidents are open")
        return [] if alert is None else [alert]


def _id(*parts: str | int | float) -> str:
    """The same id for the same parts; no two different lists of parts are written alike."""
    return str(uuid.uuid5(_IDS, json.dumps(parts)))
