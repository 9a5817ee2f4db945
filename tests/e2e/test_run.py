"""`streammon run` and `streammon demo` as a person would use them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest

from streammon.sinks.outbox_store import OutboxStore
from tests.e2e.program import streammon
from tests.outgoing import a_row

DEMO = Path(str(files("streammon.demo")))
TRUTH: dict[str, dict[str, Any]] = json.loads((DEMO / "truth.json").read_text())
STREAM_OF = {
    "studio-clean": "studio_clean.mp4",
    "studio-cloned-voice": "studio_cloned_voice.mp4",
    "camera-clean": "camera_clean.mp4",
    "camera-frozen": "camera_frozen.mp4",
    "chat-clean": "chat_clean.jsonl",
    "chat-flood": "chat_flood.jsonl",
}


@pytest.mark.timeout(150)
def test_the_demo_finds_each_kind_where_it_is_deserved_and_nothing_on_clean_streams(
    tmp_path: Path,
) -> None:
    with streammon(tmp_path, "demo", "--headless", "--port", "0", "--quiet") as program:
        page = urllib.request.urlopen(program.url() + "/", timeout=10).read().decode()
        assert "<title>" in page
        for kind in ("voice_spoof", "freeze", "chat_flood"):
            program.wait_for_line(within_s=60, type="alert", state="opened", kind=kind)
        assert program.stop() == 0
        lines = program.lines()
    for alert in (line for line in lines if line["type"] == "alert"):
        expected = {event["kind"] for event in TRUTH[STREAM_OF[alert["stream"]]]["expected"]}
        assert alert["kind"] in expected, f"{alert['stream']}: {alert['why']}"
    states: dict[str, list[str]] = {}
    for alert in (line for line in lines if line["type"] == "alert"):
        states.setdefault(alert["incident_id"], []).append(alert["state"])
    for seen in states.values():
        assert seen[0] == "opened"
        assert seen[-1] == "closed", "the drain closes what is open"


def test_a_second_run_of_one_monitor_is_told_who_has_its_alerts_and_what_to_do(
    tmp_path: Path,
) -> None:
    (tmp_path / "said.jsonl").write_text("")
    config = tmp_path / "wall.yaml"
    config.write_text(
        "sources: {chat: {type: chat_jsonl, path: said.jsonl}}\ndetectors: {chat_flood: {}}\n"
    )
    mine = tmp_path / "state" / "streammon" / "wall.outbox.db"
    first = OutboxStore(mine, power_safe=False)
    with first.transaction():
        first.insert(a_row(0))
    run = [sys.executable, "-m", "streammon", "run", str(config), "--quiet", "--no-server"]

    def ended(*more: str) -> tuple[int, str]:
        state = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}
        done = subprocess.run(
            [*run, *more], env=state, cwd=tmp_path, capture_output=True, text=True, timeout=40
        )
        return done.returncode, done.stderr

    code, said = ended()
    assert code == 1
    who = f"the outbox {mine} is in use by process {os.getpid()} on "
    assert said.startswith(f"streammon: {who}"), said
    assert "(`--outbox FILE`, or `outbox.path`)" in said
    assert len(said.splitlines()) == 1
    assert ended("--outbox", str(tmp_path / "other.db")) == (0, "")
    assert [alert.alert_id for alert in first.after(0, 10)] == [a_row(0).alert_id]
    first.close()


def test_a_duration_ends_the_run_with_0(tmp_path: Path) -> None:
    source = "lavfi:testsrc2=size=320x180:rate=25"
    with streammon(
        tmp_path,
        "run",
        "monitoring_wall",
        "--source",
        f"tv={source}",
        "--port",
        "0",
        "--duration",
        "8s",
        "--quiet",
    ) as program:
        assert program.process.wait(40) == 0
        kinds = {line["type"] for line in program.lines() if line["stream"] == "tv"}
    assert {"result", "health"} <= kinds


def test_a_run_ends_by_itself_when_every_recording_is_read(tmp_path: Path) -> None:
    with streammon(
        tmp_path,
        "run",
        "chat_moderation",
        "--source",
        "-",
        "--no-server",
        "--quiet",
        stdin=subprocess.PIPE,
    ) as program:
        assert program.process.stdin is not None
        for number in range(5):
            message = {"captured_s": number / 10, "author_id": f"u{number}", "text": "good morning"}
            program.process.stdin.write(json.dumps(message) + "\n")
        program.process.stdin.close()
        assert program.process.wait(30) == 0
        program.process.stdin = None


def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    broken = "s=rtsp://127.0.0.1:1/nothing"
    with streammon(
        tmp_path, "run", "monitoring_wall", "--source", broken, "--no-server", "--quiet"
    ) as program:
        program.wait_for_line(type="health", state="retrying")
        program.process.send_signal(signal.SIGTERM)
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(10) in {0, 1}


def test_a_source_that_cannot_be_reached_says_why_and_is_tried_again(tmp_path: Path) -> None:
    with streammon(
        tmp_path,
        "run",
        "monitoring_wall",
        "--source",
        "door=rtsp://user:hunter2@127.0.0.1:1/door",
        "--port",
        "0",
        "--quiet",
    ) as program:
        line = program.wait_for_line(type="health", stream="door", state="retrying")
        health = json.load(urllib.request.urlopen(program.url() + "/api/streams", timeout=10))
        assert program.stop() == 0
        everything = program.out.read_text() + program.tail() + json.dumps(health)
    assert "refused" in line["cause"]
    assert "hunter2" not in everything


def test_a_port_in_use_is_a_clear_error(tmp_path: Path) -> None:
    source = "tv=lavfi:testsrc2"
    with streammon(
        tmp_path, "run", "monitoring_wall", "--source", source, "--port", "0", "--quiet"
    ) as program:
        port = program.url().rsplit(":", 1)[1]
        (tmp_path / "second").mkdir()
        with streammon(
            tmp_path / "second",
            "run",
            "monitoring_wall",
            "--source",
            source,
            "--port",
            port,
            "--quiet",
        ) as second:
            assert second.process.wait(30) == 1
        assert port in second.tail()
        assert program.stop() == 0


def test_judging_what_is_sent_can_be_left_out(tmp_path: Path) -> None:
    config = tmp_path / "monitor.yaml"
    config.write_text(
        'sources: {tv: {type: av_url, url: "lavfi:testsrc2=size=160x90:rate=5"}}\n'
        "detectors: {freeze: {}}\n"
        "server: {detect: false}\n"
    )
    with streammon(tmp_path, "run", str(config), "--port", "0", "--quiet") as program:
        with httpx.Client(base_url=program.url(), timeout=20.0) as web:
            asked = web.get("/detect")
            sent = web.post("/detect", content=b"LOUD", headers={"Content-Type": "text/plain"})
            offered = web.get("/openapi.json").json()["paths"]
            wall = web.get("/")
        assert program.stop() == 0
    assert (asked.status_code, sent.status_code, wall.status_code) == (404, 404, 200)
    assert "/detect" not in offered


def test_a_run_of_which_every_source_fails_for_good_ends_with_1_and_the_cause(
    tmp_path: Path,
) -> None:
    missing = str(tmp_path / "missing.mp4")
    with streammon(
        tmp_path, "run", "monitoring_wall", "--source", missing, "--no-server", "--quiet"
    ) as program:
        assert program.process.wait(30) == 1
    assert "missing" in program.tail()
    assert "no such file" in program.tail()
