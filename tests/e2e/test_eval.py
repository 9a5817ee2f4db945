"""`streammon eval` on real files: figures, tables and plots, whatever single files are like."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import soundfile
from sklearn.metrics import brier_score_loss, roc_auc_score

from streammon import cli
from streammon.evaluation.manifest import Manifest
from streammon.evaluation.scoring import Scoring
from streammon.pipelines.building import build_detectors
from streammon.pipelines.presets import load

DEMO = Path(str(files("streammon.demo")))


def evaluated(*arguments: object) -> int:
    return cli.main(["eval", *map(str, arguments)])


@pytest.fixture(scope="module")
def voices(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four stretches each of the demo's real and cloned voices; one file is damaged, one gone."""
    folder = tmp_path_factory.mktemp("voices")
    rows = ["file,label,system,speaker,source,split"]
    for label, name in (("real", "studio_clean.mp4"), ("fake", "studio_cloned_voice.mp4")):
        sound = decoded(DEMO / name)
        for part in range(4):
            path = folder / f"{label}{part}.flac"
            soundfile.write(path, sound[part * 112_000 : part * 112_000 + 96_000], 16_000)
            rows.append(f"{path.name},{label},{label},s{part},studio,test")
    (folder / "damaged.wav").write_bytes(b"RIFF" + bytes(200))
    rows += ["damaged.wav,fake,x,s9,studio,test", "gone.wav,real,real,s9,studio,test"]
    rows.append("never-read.wav,real,real,s9,studio,train")
    manifest = folder / "voices.csv"
    manifest.write_text("\n".join(rows) + "\n")
    return manifest


def decoded(path: Path) -> Any:
    resampler = av.AudioResampler("flt", "mono", 16_000)
    with av.open(str(path)) as media:
        frames = [one for frame in media.decode(audio=0) for one in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


@pytest.mark.timeout(180)
def test_figures_agree_with_scikit_learn_and_bad_files_are_named(
    voices: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, plots = tmp_path / "out.json", tmp_path / "plots"
    detector = ("--detector", "voice_spoof", "--split", "test")
    assert evaluated(voices, *detector, "--json", out, "--plots", plots) == 0
    said = capsys.readouterr().out
    read = json.loads(out.read_text())
    figures = read["figures"]
    assert figures["scored"] + figures["abstained"] == 8
    assert figures["scored"] >= 6
    assert read["failed"] == 2
    assert [failure["name"].rpartition("/")[2] for failure in read["failures"]] == [
        "damaged.wav", "gone.wav",
    ]  # fmt: skip
    assert "damaged.wav" in said
    assert "2 rows were skipped" in said
    assert "AUC" in said

    config = load("monitoring_wall", changes={"sources": None})
    detectors = {"voice_spoof": build_detectors(config)["voice_spoof"]}
    scoring = Scoring(detectors, device="cpu", pool="log_odds")
    for row in Manifest(voices, split="test").rows():
        scoring.take(row)
    (answers,) = scoring.answers
    label = [answer.row.fake for answer in answers.scored]
    score = [answer.confidence for answer in answers.scored]
    assert figures["auc"] == pytest.approx(roc_auc_score(label, score))
    assert figures["brier"] == pytest.approx(brier_score_loss(label, score))
    assert sorted(path.name for path in plots.iterdir()) == [
        "det.png", "reliability.png", "roc.png", "scores-voice_spoof.png",
    ]  # fmt: skip


@pytest.mark.timeout(180)
def test_a_baseline_stands_beside_a_detector_and_the_report_repeats(
    voices: Path, tmp_path: Path
) -> None:
    reports = []
    for name in ("one.json", "two.json"):
        arguments = ("--baseline", "audio_features", "--detector", "voice_spoof")
        assert evaluated(voices, *arguments, "--split", "test", "--json", tmp_path / name) == 0
        reports.append(json.loads((tmp_path / name).read_text()))
        assert reports[-1].pop("times")
    assert reports[0] == reports[1]
    assert list(reports[0]["detectors"]) == [
        "voice_spoof", "audio_features/logistic", "audio_features/boosting",
    ]  # fmt: skip
    assert reports[0]["detectors"]["audio_features/logistic"]["figures"]["scored"] == 8
    assert reports[0]["figures_of"] == "voice_spoof"


def test_texts_that_no_detector_can_judge_are_said_to_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "texts.jsonl"
    lines = [{"text": f"text number {n}", "label": n % 2, "generator": "g"} for n in range(6)]
    manifest.write_text("\n".join(map(json.dumps, lines)))
    assert evaluated(manifest, "--detector", "chat_flood", "--json", tmp_path / "out.json") == 1
    read = json.loads((tmp_path / "out.json").read_text())
    assert read["figures"]["abstained"] == 6
    assert read["figures"]["auc"] is None
    said = capsys.readouterr().out
    assert "nothing could be scored" in said
    assert "text number" not in said, "texts are people's own"


@pytest.mark.timeout(120)
def test_long_recordings_give_seconds_and_alerts_per_hour(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "long.csv"
    manifest.write_text(
        "path,label,system,from_s,to_s\n"
        f"{DEMO}/chat_clean.jsonl,real,,,\n"
        f"{DEMO}/chat_flood.jsonl,fake,bots,30,62\n"
        f"{DEMO}/camera_frozen.mp4,fake,still,8,22\n"
        "gone.mp4,fake,still,8,22\n"
    )
    out = tmp_path / "out.json"
    assert evaluated(manifest, "--streams", "--json", out) == 0
    read = json.loads(out.read_text())
    figures = read["figures"]
    assert (figures["recordings"], figures["fakes"], figures["detected"]) == (3, 2, 2)
    assert 0 < figures["first_alert_s_median"] < 15
    assert figures["false_alerts"] == 0
    assert figures["clean_hours"] == pytest.approx((90 + 30 + 18 + 8) / 3600, abs=0.02)
    assert figures["alerts_per_hour_high"] > 10  # so little proves little
    assert (read["kinds"]["freeze"]["right"], read["kinds"]["freeze"]["false"]) == (1, 0)
    assert read["systems"]["bots"]["detected"] == 1
    assert read["failed"] == 1
    said = capsys.readouterr().out
    assert "alerts per hour" in said
    assert "gone.mp4" in said


@pytest.mark.timeout(120)
def test_what_a_baseline_would_change_is_told_of_the_same_windows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = tmp_path / "long.csv"
    manifest.write_text(f"path,label,from_s,to_s\n{DEMO}/chat_flood.jsonl,fake,30,62\n")
    out = tmp_path / "out.json"
    found = evaluated(
        manifest, "--streams", "--detector", "chat_flood", "--clean-start", "20", "--json", out
    )
    assert found == 0
    read = json.loads(out.read_text())
    assert read["settings"]["clean_start"] == 20.0
    assert read["with_baseline"]["figures"]["clean_hours"] == read["figures"]["clean_hours"]
    assert read["with_baseline"]["figures"]["detected"] == 1
    assert "with a clean start of 20 s" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "cause"),
    [
        (["--detector", "crystal_ball"], "'crystal_ball' is not a type of detector; allowed: "),
        (["--detector", "ear", "--pipeline", "monitoring_wall"], "it has: freeze, voice_spoof"),
        (["--streams", "--plots", "plots"], "--plots is for clips"),
        (["--streams", "--baseline", "audio_features"], "--baseline is for clips"),
        (["--clean-start", "45"], "--clean-start is for --streams"),
        (["--streams", "--clean-start", "1"], "baseline.learn_s"),
        (["--json", "no/such/folder/out.json"], "no/such/folder is not a folder"),
        (["--split", "dev"], "holds no rows whose split is 'dev'"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_scored(
    arguments: list[str], cause: str, voices: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evaluated(voices, *arguments) == 2
    assert cause in capsys.readouterr().err


def test_the_command_runs_without_a_terminal(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text("path,label\ngone.wav,what\n")
    done = subprocess.run(
        [sys.executable, "-m", "streammon", "eval", str(manifest)],
        capture_output=True, text=True, timeout=50, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(f"streammon: {manifest}:2: label: 'what' is none of")


INTERRUPTIBLE = """
import signal, sys
from streammon.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""
"""`streammon`, even where whoever started the tests in the background had it ignore Ctrl-C."""


@pytest.mark.timeout(120)
def test_what_is_said_of_each_row_is_written_as_it_is_said_and_survives_an_interruption(
    tmp_path: Path,
) -> None:
    texts = tmp_path / "texts.jsonl"
    line = json.dumps({"text": "the same words once more", "label": "human", "source": "here"})
    texts.write_text((line + "\n") * 40_000)
    scores = tmp_path / "scores.jsonl"
    arguments = ["eval", str(texts), "--detector", "chat_flood", "--scores", str(scores)]
    program = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until_s = time.monotonic() + 60
    while not (scores.exists() and scores.stat().st_size) and time.monotonic() < until_s:
        time.sleep(0.02)
    program.send_signal(signal.SIGINT)
    out, errors = program.communicate(timeout=50)
    assert "stopped: the figures are of the rows until here" in errors
    said = [json.loads(row) for row in scores.read_text().splitlines()]
    assert 0 < len(said) < 40_000
    assert [row["line"] for row in said] == list(range(1, len(said) + 1))
    assert said[0]["confidence"] is None
    assert "messages" in said[0]["abstained"]
    assert "the same words" not in scores.read_text() + out
