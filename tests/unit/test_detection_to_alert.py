"""What docs/detection-to-alert.md promises, held against the code."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import yaml

from streammon.alerts.sequential import CusumConfig
from streammon.config import AlertsConfig, parse_config
from streammon.core.types import DetectionResult
from tests.fakes import a_result

PAGE = (Path(__file__).parents[2] / "docs" / "detection-to-alert.md").read_text(encoding="utf-8")
RULE = CusumConfig().build("default")


def alarms_after(confidence: float, *, most: int = 1000) -> int | None:
    """Windows side by side until the alarm; `None` if there is none."""
    evidence = None
    for at in range(most):
        result: DetectionResult = a_result(start_s=at, end_s=at + 1, confidence=confidence)
        evidence = RULE.advance(evidence, result)
        if evidence.alarm:
            return at + 1
    return None


def test_the_example_is_a_valid_configuration() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    config = parse_config(yaml.safe_load(example))
    assert config.alerts.rules_by_kind == {"voice_spoof": "strict"}


@pytest.mark.parametrize("field", ["hold_s", "clear_s", "cool_down_s", "update_every_s"])
def test_the_defaults_are_those_of_the_code(field: str) -> None:
    assert f"| `{field}` | {getattr(AlertsConfig(), field):g} |" in PAGE


def test_the_promised_windows_raise_the_alarm() -> None:
    assert "two windows' worth of new media at 0.95 raise the alarm, three at 0.9" in PAGE
    assert (alarms_after(0.95), alarms_after(0.9)) == (2, 3)
    assert "at or below 0.59" in PAGE
    assert alarms_after(0.59) is None


def test_the_bounds_are_those_of_the_thresholds() -> None:
    assert CusumConfig().threshold == 5
    bounds = [f"{round(math.exp(threshold)):,}" for threshold in (5, 7, 9)]
    assert bounds == ["148", "1,097", "8,103"]
    assert "148 at the default of 5, 1,097 at 7, 8,103 at 9" in PAGE
