"""`streammon detect`: verdicts for people and for programs, and exit codes."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx
import pytest

from streammon import cli
from tests.e2e.program import streammon
from tests.unit.test_image_head import an_image

DEMO = Path(str(files("streammon.demo")))


def detected(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    assert cli.main(["detect", *arguments, "--json", "--device", "cpu"]) == 0
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_cloned_voice_is_told_from_the_real_one(capsys: pytest.CaptureFixture[str]) -> None:
    names = [str(DEMO / "studio_cloned_voice.mp4"), str(DEMO / "studio_clean.mp4")]
    cloned, clean = detected(capsys, *names, "--detector", "voice_spoof")
    assert [cloned["content"], clean["content"]] == names
    assert (cloned["is_ai_generated"], clean["is_ai_generated"]) == (True, False)
    assert cloned["confidence"] > 0.5 > clean["confidence"]
    assert (cloned["type"], cloned["modality"]) == ("detection", "video")
    (verdict,) = cloned["detectors"]
    assert verdict["windows"] >= verdict["scored"] > 0


def test_people_are_told_who_said_what_and_who_abstained(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    photo = tmp_path / "photo.png"
    photo.write_bytes(an_image("png"))
    chat = DEMO / "chat_flood.jsonl"
    assert cli.main(["detect", str(photo), str(chat)]) == 0
    said = capsys.readouterr().out
    assert f"{photo}: image, not judged: freeze: fewer than 3 frames" in said
    assert "chat_flood  text" in said
    assert "strongest at" in said


def test_a_clip_shorter_than_a_window_is_looked_at(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    short = tmp_path / "short.jsonl"
    short.write_text("".join((DEMO / "chat_flood.jsonl").read_text().splitlines(True)[:6]))
    (found,) = detected(capsys, str(short), "--detector", "chat_flood")
    assert found["detectors"][0]["windows"] == 1


def test_one_that_cannot_be_read_is_named_and_the_others_are_judged(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(b"\x00\x01\x02" * 1000)
    code = cli.main(["detect", str(broken), str(DEMO / "chat_clean.jsonl"), "--json"])
    told = capsys.readouterr()
    assert code == cli.EXIT_ERROR
    assert f"{broken}: not a media file" in told.err
    assert len(told.out.splitlines()) == 1


@pytest.mark.parametrize("more", [["--json"], []])
def test_no_name_of_a_file_ends_it_or_commands_the_terminal(
    more: list[str], tmp_path: Path
) -> None:
    chat = (DEMO / "chat_clean.jsonl").read_bytes()
    names = [b"caf\xe9.jsonl", b"\x1b]0;title\x07.jsonl", b"empty\xff"]
    for name in names:
        Path(tmp_path / os.fsdecode(name)).write_bytes(b"" if b"empty" in name else chat)
    done = subprocess.run(
        [sys.executable, "-m", "streammon", "detect", "--detector", "chat_flood", *more, *names],
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "utf-8:strict"},
        check=False,
    )
    lines = (done.stdout + done.stderr).decode().splitlines()
    assert done.returncode == cli.EXIT_ERROR
    assert all(line.isprintable() for line in lines)
    assert sum("jsonl" in line for line in lines) == 2
    assert "empty" in lines[-1]


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-file.mp4"],
        ["-", "-"],
        ["x", "--modality", "smell"],
        ["{here}", "--detector", "no_such_type"],
        ["{here}", "--pipeline", "no-such-monitor"],
        ["{here}", "--pipeline", "demo", "--detector", "freeze"],
    ],
)
def test_bad_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    filled = [argument.format(here=__file__) for argument in arguments]
    try:
        code = cli.main(["detect", *filled])
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == cli.EXIT_USAGE
    assert capsys.readouterr().err


@pytest.mark.parametrize("kind", ["text", "image"])
def test_standard_input_is_worked_out(kind: str) -> None:
    sent = an_image("png") if kind == "image" else b"A few plain words."
    command = [sys.executable, "-m", "streammon", "detect", "-", "--json"]
    done = subprocess.run(
        [*command, "--pipeline", "monitoring_wall"], input=sent, capture_output=True, check=True
    )
    found = json.load(io.BytesIO(done.stdout))
    assert (found["content"], found["modality"]) == ("stdin", kind)
    assert found["abstained"]


def test_a_running_monitor_judges_what_it_is_sent_with_its_own_detectors(tmp_path: Path) -> None:
    config = tmp_path / "night.yaml"
    config.write_text(
        "name: night\n"
        "sources: {cam: {type: av_url, url: 'lavfi:testsrc2=size=64x48:rate=5', audio: false}}\n"
        "detectors: {floods: {type: chat_flood}}\n"
        "outbox: {path: ':memory:'}\n"
        "server: {port: 0}\n"
    )
    chat = (DEMO / "chat_flood.jsonl").read_bytes()
    with streammon(tmp_path, "run", str(config), "--quiet") as program:
        url = program.url()
        with httpx.Client(base_url=url, timeout=40.0) as web:  # to judge takes what it takes
            answer = web.post("/detect", content=chat, headers={"Content-Type": "text/plain"})
            page = web.get("/metrics").text
        assert program.stop() == 0
    assert answer.status_code == 200
    (verdict,) = answer.json()["detectors"]
    assert (verdict["detector"], verdict["kind"]) == ("floods", "chat_flood")
    assert verdict["details"]["peak"]["confidence"] > 0.9
    assert 'streammon_detect_requests_total{outcome="judged"} 1.0' in page
