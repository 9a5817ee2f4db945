"""A book of incidents with the usual rule, and what it is told."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from streammon.alerts.incidents import IncidentBook
from streammon.alerts.sequential import CusumConfig
from streammon.config import AlertsConfig
from streammon.core.types import Alert, DetectionResult, StreamId
from tests.fakes import a_result

RULES = {"default": CusumConfig().build("default")}
ALERTS = AlertsConfig()
QUICK = AlertsConfig(clear_s=1.0, cool_down_s=0.0)
OTHER = StreamId("other")


def book(
    alerts: AlertsConfig = ALERTS, *, origin: str = "test", most_cases: int = 99
) -> IncidentBook:
    return IncidentBook(alerts, RULES, origin=origin, most_cases=most_cases)


def seen(
    at_s: float, score: float | None, *, length_s: float = 1.0, **more: Any
) -> DetectionResult:
    end_s = at_s + length_s
    return a_result(
        start_s=at_s,
        end_s=end_s,
        captured_ns=round(end_s * 1e9) if math.isfinite(end_s) else 0,
        confidence=score,
        abstained="nothing to judge" if score is None else None,
        **more,
    )


def told(judge: IncidentBook, results: Sequence[DetectionResult]) -> list[Alert]:
    return [alert for result in results for alert in judge.judge(result)]


def states(alerts: Sequence[Alert]) -> list[str]:
    return [alert.state.value for alert in alerts]


def stretch(
    start_s: float, until_s: float, score: float | None, **more: Any
) -> list[DetectionResult]:
    """Windows of a second side by side."""
    return [seen(float(at), score, **more) for at in range(int(start_s), int(until_s))]
