"""The command line itself: help, usage errors, exit codes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import metadata
from pathlib import Path

import pytest

from streammon import __version__, cli
from streammon.commands import doctor
from streammon.pipelines import presets


def streammon(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "streammon", *arguments],
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )


def test_help_names_every_command_and_where_to_start() -> None:
    done = streammon("--help")
    assert done.returncode == 0
    for command in ("run", "demo", "check", "schema", "replay", "eval", "outbox", "doctor"):
        assert command in done.stdout
    assert "streammon demo" in done.stdout


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\n"
        "from streammon.cli import build_parser\n"
        "build_parser().format_help()\n"
        "print(sorted({'torch', 'numpy', 'av', 'cv2', 'pydantic', 'fastapi'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "command", ["run", "demo", "check", "schema", "replay", "eval", "outbox", "doctor"]
)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.main([command, "--help"])
    assert leaving.value.code == 0
    assert len(capsys.readouterr().out.splitlines()) > 5


def test_help_of_run_names_every_ready_made_monitor(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["run", "--help"])
    told = re.search(r"ready-made monitors: (.+)", capsys.readouterr().out)
    assert told is not None
    assert sorted(told.group(1).split(", ")) == presets.names()


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.main(["--version"])
    assert leaving.value.code == 0
    assert __version__ in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [[], ["dance"], ["run"], ["run", "demo", "--duration", "soon"], ["replay"], ["run", "x", "-z"]],
)
def test_bad_usage_exits_2_and_says_where_to_read(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as leaving:
        cli.main(arguments)
    assert leaving.value.code == cli.EXIT_USAGE
    assert "--help" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30.0), ("5m", 300.0), ("1h", 3600.0), ("250ms", 0.25), ("7", 7.0)]
)
def test_durations_have_units(text: str, seconds: float) -> None:
    arguments = cli.build_parser().parse_args(["run", "demo", "--duration", text])
    assert arguments.duration == pytest.approx(seconds)


def test_check_accepts_the_ready_made_monitors(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["check", "monitoring_wall", "demo"]) == 0
    assert "demo: fine" in capsys.readouterr().out


def test_check_names_field_value_and_what_is_allowed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(
        "sources: {door: {type: av_url, url: 'lavfi:testsrc2', transport: carrier-pigeon}}\n"
        "overlay: {fps: 400}\n"
        "serverr: {port: 1}\n"
    )
    assert cli.main(["check", str(path)]) == 2
    said = capsys.readouterr().err
    assert "transport" in said
    assert "carrier-pigeon" in said
    assert "'tcp'" in said
    assert "overlay.fps" in said
    assert "400" in said
    assert "serverr" in said


def test_check_says_which_adapters_exist(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("sources: {door: {type: rstp, url: x}}\n")
    assert cli.main(["check", str(path)]) == 2
    said = capsys.readouterr().err
    assert "sources.door.type" in said
    assert "av_url" in said


def test_run_with_nothing_to_watch_says_what_to_add(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["run", "monitoring_wall", "--quiet", "--no-server"]) == 2
    assert "--source" in capsys.readouterr().err


def test_schema_describes_every_adapter(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    assert cli.main(["schema", "--out", str(path)]) == 0
    text = path.read_text()
    assert json.loads(text)["type"] == "object"
    for adapter in ("av_url", "webcam", "chat_jsonl", "voice_spoof", "kafka", "cusum"):
        assert f'"{adapter}"' in text


def test_doctor_says_what_is_there_for_machines_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor", "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert {"python", "device", "ffmpeg", "port", "sources"} <= {f["topic"] for f in findings}
    assert all(f["fine"] for f in findings if f["required"])


def test_doctor_knows_every_extra_that_is_for_those_who_run_it() -> None:
    extras = metadata("streammon").get_all("Provides-Extra") or []
    assert set(doctor.EXTRAS) == set(extras) - {"dev", "training"}


@pytest.mark.parametrize(
    ("out", "why"), [(".", "is a folder"), ("none/x.jsonl", "there is no folder none")]
)
def test_a_file_of_results_that_cannot_be_had_is_refused_before_anything_runs(
    out: str,
    why: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    command = ["run", "monitoring_wall", "--source", "lavfi:testsrc2", "--no-server", "--out", out]
    assert cli.main(command) == 2
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("command", ["check", "replay", "detect"])
@pytest.mark.parametrize("name", ["a" * 300, "folder/" * 3 + "file/below.mp4"])
def test_a_name_that_no_file_can_have_is_refused_in_words(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, command: str, name: str
) -> None:
    assert cli.main([command, str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert re.search(r"too long|no such file|neither a file nor", said)


def test_an_outbox_is_not_made_of_a_file_of_another_kind(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    photo = tmp_path / "photo.jpg"
    photo.write_bytes(b"\xff\xd8\xff\xe0 a picture of the sea")
    command = ["run", "monitoring_wall", "--source", "lavfi:testsrc2", "--no-server", "--outbox"]
    assert cli.main([*command, str(photo)]) == 2
    assert f"--outbox: {photo} is no outbox" in capsys.readouterr().err
    assert cli.main([*command, str(tmp_path)]) == 2
    assert f"--outbox: {tmp_path} is a folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["photo.jpg"]


def test_an_output_that_cannot_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    said = streammon("schema", "--out", str(tmp_path / "none" / "x.json"))
    assert said.returncode == 1
    assert said.stderr == f"streammon: {tmp_path}/none/x.json: No such file or directory\n"
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-m", "streammon", "schema"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=50, check=False,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "streammon: No space left on device\n")


def test_stopped_while_it_loads_it_ends_without_a_traceback() -> None:
    program = (
        "import sys\n"
        "from streammon import cli\n"
        "class Stopped:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'streammon.commands.replay':\n"
        "            raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stopped())\n"
        "sys.exit(cli.main(['replay', 'x.mp4']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=50, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
