"""One kind of forgery in one stream: its evidence and its times, during incidents and between.

Pure bookkeeping in media seconds. `incidents.IncidentBook` decides what to tell and when.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from streammon.core.ports import Rule
from streammon.core.types import Alert, DetectionResult, Evidence, Modality, Severity

MOST_SCORED = 20
"""Newest results that are kept to say why."""
FORGOTTEN_AFTER_S = 120.0
"""A detector that says nothing for so long, while others of its kind go on, counts no more."""
WARNING_LEVEL, WARNING_AFTER_S = 2.0, 5.0
"""A warning from this level on, or when the alarm level is still reached after so long."""
CRITICAL_LEVEL, CRITICAL_AFTER_S = 2.5, 10.0
"""Critical from this level on, when the incident has also been open for so long."""

Voice: TypeAlias = tuple[str, Modality]
"""Detector and modality: those whose results make up one line of evidence."""


def severity_of(level: float, *, open_s: float) -> Severity:
    """The rung that evidence of this level reaches once the incident is `open_s` old."""
    if level >= CRITICAL_LEVEL and open_s >= CRITICAL_AFTER_S:
        return Severity.CRITICAL
    if level >= WARNING_LEVEL or (level >= 1.0 and open_s >= WARNING_AFTER_S):
        return Severity.WARNING
    return Severity.INFO


@dataclass(slots=True)
class Case:
    """What is known at `now_s`, on the clock of `epoch`. Take results in through `hear`."""

    epoch: int
    now_s: float
    evidence: dict[Voice, Evidence] = field(default_factory=dict)
    heard_s: dict[Voice, float] = field(default_factory=dict)
    experimental: set[Voice] = field(default_factory=set)
    """Those whose newest result is marked so: they neither open an incident nor keep one open."""
    scored: deque[DetectionResult] = field(default_factory=lambda: deque(maxlen=MOST_SCORED))
    alarm_since_s: float | None = None
    """When any voice began to raise the alarm; `None` while none does."""
    clear_since_s: float | None = None
    """When the last of all voices became clear; `None` while one is not."""
    opened_s: float = 0.0
    closed_s: float | None = None
    """When the last incident closed; `None` before there was one."""
    updated_s: float = 0.0
    incidents: int = 0
    told: int = 0
    """Alerts of the incident so far."""
    alert: Alert | None = None
    """The newest alert of the incident that is open; `None` when none is."""

    def hear(self, result: DetectionResult, rule: Rule) -> None:
        """Take in one result of the present epoch or of a later one."""
        if result.epoch > self.epoch:
            self._move_to(result)
        voice = (result.detector, result.modality)
        self.evidence[voice] = rule.advance(self.evidence.get(voice), result)
        (self.experimental.add if result.experimental else self.experimental.discard)(voice)
        self.now_s = max(self.now_s, result.end_s)
        self.heard_s[voice] = self.now_s
        if result.confidence is not None:
            self.scored.append(self.noted(result))
        for silent in [v for v, at in self.heard_s.items() if self.now_s - at > FORGOTTEN_AFTER_S]:
            del self.evidence[silent], self.heard_s[silent]
            self.experimental.discard(silent)
        proven = [one for voice, one in self.evidence.items() if voice not in self.experimental]
        alarm = any(evidence.alarm for evidence in proven)
        clear = all(evidence.clear for evidence in proven)
        self.alarm_since_s = _since(self.alarm_since_s, self.now_s) if alarm else None
        self.clear_since_s = _since(self.clear_since_s, self.now_s) if clear else None

    def noted(self, result: DetectionResult) -> DetectionResult:
        """The result, and among its details what was learnt of the source, if anything was."""
        evidence = self.evidence.get((result.detector, result.modality))
        if evidence is None or not evidence.learnt:
            return result
        return replace(result, details={**result.details, "baseline": evidence.learnt})

    def strongest(self) -> Evidence:
        """Of those that are not experimental, as long as there are any."""
        return self.evidence[self._loudest()]

    def suspicions(self) -> tuple[DetectionResult, ...]:
        """The newest kept result of each experimental voice that would raise the alarm."""
        loud = [voice for voice in self.experimental if self.evidence[voice].alarm]
        newest = {(one.detector, one.modality): one for one in self.scored}
        return tuple(newest[voice] for voice in sorted(loud) if voice in newest)

    def backing(self) -> tuple[DetectionResult, ...]:
        """The kept results that the strongest evidence rests on, oldest first.

        Where it rests on an epoch that is over, what was heard since; empty if that is nothing.
        """
        return self._own() or tuple(self.scored)

    def carried(self) -> bool:
        """Whether the strongest evidence also rests on windows of an epoch that is over.

        Not said any more once there are so many of this one that not all of them are kept.
        """
        all_kept = len(self.scored) < MOST_SCORED
        return all_kept and self.strongest().windows > len(self._own())

    def _own(self) -> tuple[DetectionResult, ...]:
        """Those kept results of the loudest voice from which its evidence grew."""
        voice = self._loudest()
        since_s = self.evidence[voice].since_s
        return tuple(
            result
            for result in self.scored
            if (result.detector, result.modality) == voice and result.start_s >= since_s
        )

    def clean(self) -> tuple[DetectionResult, ...]:
        """The kept results since everything has been clear."""
        since_s = self.now_s if self.clear_since_s is None else self.clear_since_s
        return tuple(result for result in self.scored if result.end_s >= since_s)

    def _loudest(self) -> Voice:
        def rank(voice: Voice) -> tuple[bool, float]:
            return voice not in self.experimental, self.evidence[voice].level

        return max(self.evidence, key=rank)

    def _move_to(self, result: DetectionResult) -> None:
        """Put every time on the clock of a new epoch; the break between counts as no time."""
        shift_s = result.start_s - self.now_s
        self.epoch, self.now_s = result.epoch, result.start_s
        self.opened_s += shift_s
        self.updated_s += shift_s
        self.alarm_since_s = _moved(self.alarm_since_s, shift_s)
        self.clear_since_s = _moved(self.clear_since_s, shift_s)
        self.closed_s = _moved(self.closed_s, shift_s)
        self.heard_s = {voice: at_s + shift_s for voice, at_s in self.heard_s.items()}
        self.scored.clear()


def _since(since_s: float | None, now_s: float) -> float:
    return now_s if since_s is None else since_s


def _moved(at_s: float | None, shift_s: float) -> float | None:
    return None if at_s is None else at_s + shift_s
