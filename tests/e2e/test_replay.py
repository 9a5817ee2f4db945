"""`streammon replay` on the bundled recordings: what is forged is found, nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from streammon import cli

DEMO = Path(str(files("streammon.demo")))
TRUTH: dict[str, dict[str, Any]] = json.loads((DEMO / "truth.json").read_text())
OPENS_WITHIN_S = 15.0
"""How long after a forgery begins its incident may open: a loop has to come round first."""
LATE_S = 6.0
"""How long after a forgery ends its windows may still open one."""


def replay(out: Path, *names: Path) -> list[dict[str, Any]]:
    assert cli.main(["replay", *map(str, names), "--json", str(out)]) == 0
    return [json.loads(line) for line in out.read_text().splitlines()]


def opened(lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if line["type"] == "alert" and line["state"] == "opened"]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", sorted(TRUTH))
def test_every_recording_gets_the_incidents_it_deserves_and_no_other(
    name: str, tmp_path: Path
) -> None:
    lines = replay(tmp_path / "out.jsonl", DEMO / name)
    alerts = opened(lines)
    expected = TRUTH[name]["expected"]
    assert {alert["kind"] for alert in alerts} == {event["kind"] for event in expected}
    for event in expected:
        first = next(alert for alert in alerts if alert["kind"] == event["kind"])
        assert event["from_s"] <= first["media_s"] <= event["from_s"] + OPENS_WITHIN_S
    for alert in alerts:
        assert any(
            event["kind"] == alert["kind"]
            and event["from_s"] <= alert["media_s"] <= event["to_s"] + LATE_S
            for event in expected
        ), alert["why"]


def test_the_same_input_gives_byte_equal_lines(tmp_path: Path) -> None:
    both = [DEMO / "camera_frozen.mp4", DEMO / "chat_flood.jsonl"]
    replay(tmp_path / "one.jsonl", *both)
    replay(tmp_path / "two.jsonl", *both)
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()


def test_lines_hold_the_contract_for_scripts(tmp_path: Path) -> None:
    lines = replay(tmp_path / "out.jsonl", DEMO / "camera_frozen.mp4")
    assert {line["type"] for line in lines} == {"result", "alert", "health"}
    assert all({"type", "stream", "media_s"} <= line.keys() for line in lines)
    alerts = [line for line in lines if line["type"] == "alert"]
    for alert in alerts:
        assert {"kind", "state", "incident_id", "alert_id", "severity", "why"} <= alert.keys()
    assert [alerts[0]["state"], alerts[-1]["state"]] == ["opened", "closed"]
    assert len({alert["alert_id"] for alert in alerts}) == len(alerts)
    assert {line["stream"] for line in lines} == {"camera_frozen"}


def test_a_bad_file_is_named_and_the_others_are_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"this is not a recording" * 100)
    out = tmp_path / "out.jsonl"
    code = cli.main(["replay", str(broken), str(DEMO / "chat_flood.jsonl"), "--json", str(out)])
    assert code == cli.EXIT_ERROR
    assert "broken" in capsys.readouterr().err
    assert opened(json.loads(line) for line in out.read_text().splitlines())


def test_a_missing_file_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", "no-such-file.mp4"]) == cli.EXIT_USAGE
    assert "no-such-file.mp4" in capsys.readouterr().err


def test_without_json_a_summary_says_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["replay", str(DEMO / "chat_flood.jsonl")]) == 0
    said = capsys.readouterr().out
    assert "chat_flood" in said
    assert "accounts" in said


def test_lines_on_stdout_are_nothing_but_lines(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert cli.main(["replay", str(DEMO / "chat_clean.jsonl"), "--json", "-"]) == 0
    for line in capfdbinary.readouterr().out.splitlines():
        json.loads(line)
