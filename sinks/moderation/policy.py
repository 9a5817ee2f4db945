"""From an alert to what should be done, and from that to whether it may be done now. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from streammon.core.moderation import ModerationAction
from streammon.core.types import AlertState, Severity
from streammon.sinks.moderation.evidence import Suspect, suspects
from streammon.sinks.moderation.settings import ModerationConfig, Rung

MOST_WHY = 400

_HEIGHT = {severity.value: height for height, severity in enumerate(Severity)}
_BY_SHARE = frozenset({ModerationAction.TIMEOUT, ModerationAction.BAN})
"""Actions that are also limited to a share of the accounts that write."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One action against one author, not yet looked at by anybody."""

    action: ModerationAction
    suspect: Suspect
    duration_s: float | None
    hold: bool
    severity: Severity
    why: str


def rung_for(rungs: Sequence[Rung], severity: str) -> Rung | None:
    """The highest rung that this severity reaches."""
    reached = [rung for rung in rungs if _HEIGHT[rung.at] <= _HEIGHT.get(severity, -1)]
    return reached[-1] if reached else None


def proposals(alert: Mapping[str, Any], settings: ModerationConfig) -> Iterator[Proposal]:
    """What the ladder says to an alert as the wire has it: nothing once an incident is closed."""
    severity = str(alert.get("severity"))
    rung = rung_for(settings.policy.get(str(alert.get("kind")), ()), severity)
    if rung is None or alert.get("state") not in {AlertState.OPENED, AlertState.UPDATED}:
        return
    why = str(alert.get("why", ""))[:MOST_WHY]
    for suspect in suspects(alert, least_confidence=settings.least_confidence):
        for action in map(ModerationAction, dict.fromkeys(rung.do)):
            if action is ModerationAction.DELETE and not suspect.message_ids:
                continue
            yield Proposal(
                action,
                suspect,
                duration_s=_duration_s(action, rung),
                hold=rung.holds(action),
                severity=Severity(severity),
                why=why,
            )


def _duration_s(action: ModerationAction, rung: Rung) -> float | None:
    if action is ModerationAction.TIMEOUT:
        return rung.timeout_s
    return rung.ban_s if action is ModerationAction.BAN else None


def most_now(action: ModerationAction, settings: ModerationConfig, *, accounts: int) -> int:
    """How many of these may be done on a stream within the limit's time.

    `accounts` wrote there lately; 0 where that is not known, and then few enough for any chat.
    """
    most = settings.limits[action].most
    if action not in _BY_SHARE:
        return most
    return min(most, max(settings.least_allowed, int(settings.most_share * accounts)))
