"""Which alerts a way out takes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from streammon.sinks.alert_choice import AlertChoice

ALERT: dict[str, Any] = {
    "kind": "voice_spoof", "stream": "phone.CA1.inbound", "severity": "warning", "state": "opened",
}  # fmt: skip


@pytest.mark.parametrize(
    ("choice", "taken"),
    [
        ({}, True),
        ({"kinds": ["voice_spoof"]}, True), ({"kinds": ["freeze"]}, False), ({"kinds": []}, False),
        ({"streams": ["phone.*"]}, True), ({"streams": ["phone"]}, False),
        ({"streams": ["lobby", "phone.CA1.inbound"]}, True), ({"streams": ["PHONE.*"]}, False),
        ({"least_severity": "info"}, True), ({"least_severity": "warning"}, True),
        ({"least_severity": "critical"}, False),
        ({"states": ["opened", "closed"]}, True), ({"states": ["closed"]}, False),
        ({"kinds": ["voice_spoof"], "least_severity": "critical"}, False),
    ],
)  # fmt: skip
def test_all_that_is_said_must_hold(choice: dict[str, Any], taken: bool) -> None:
    assert AlertChoice.model_validate(choice).takes(ALERT) is taken


@pytest.mark.parametrize("choice", [{"least_severity": "loud"}, {"states": ["gone"]}, {"kind": 1}])
def test_what_makes_no_sense_is_refused(choice: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        AlertChoice.model_validate(choice)
