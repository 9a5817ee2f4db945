"""`streammon run` with a detector, from somebody else's package, that does not come back."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from importlib.resources import files
from pathlib import Path

import pytest

from tests.e2e.program import streammon
from tests.packages import installed

DEMO = Path(str(files("streammon.demo")))
PACKAGE = """
    import sys
    import threading
    from typing import Literal

    from streammon.core.types import Modality, WindowSpec, WindowUnit
    from streammon.registry import AdapterConfig


    class StuckConfig(AdapterConfig):
        '''Never comes back.'''

        type: Literal["stuck"] = "stuck"
        spin: bool = False

        def build(self, name):
            return Stuck(name, self.spin)


    class Stuck:
        kind = "stuck"
        inputs = {Modality.VIDEO: WindowSpec(2, 0, WindowUnit.FRAMES, frame_interval_s=0.2)}
        on_device = False
        max_batch = 8

        def __init__(self, name, spin):
            self.name, self.spin = name, spin

        def load(self, device):
            return

        def bucket(self, window):
            return ""

        def score(self, batch):
            print("stuck has a window", file=sys.stderr, flush=True)
            while self.spin:
                pass
            threading.Event().wait()
"""
CONFIG = """
    sources:
      tv: {{type: av_url, url: "lavfi:testsrc2=size=160x90:rate=10"}}
    detectors:
      stuck: {{type: stuck, spin: {spin}}}
      freeze: {{type: freeze}}
    scheduler: {{device: cpu, hang_s: {hang_s}}}
    drain_s: 4
"""


def config_in(folder: Path, *, spin: bool, hang_s: float) -> Path:
    path = folder / "monitor.yaml"
    path.write_text(CONFIG.format(spin=str(spin).lower(), hang_s=hang_s))
    return path


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on `PYTHONPATH` in which the detector is installed."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


STUCK = {"streammon.detectors": {"stuck": "stuck_detector:StuckConfig"}}


@pytest.mark.timeout(120)
@pytest.mark.parametrize("spin", [False, True])
def test_it_is_named_the_others_go_on_and_the_end_is_clean(
    spin: bool, package: Path, tmp_path: Path
) -> None:
    config = config_in(tmp_path, spin=spin, hang_s=1.0)
    with (
        installed(package, "stuck_detector", source=PACKAGE, entry_points=STUCK),
        streammon(tmp_path, "run", str(config), "--no-server", "--quiet") as program,
    ):
        told = program.wait_for_line(type="health", component="detector:stuck", state="failed")
        seen = len([line for line in program.lines() if line["type"] == "result"])

        def more() -> bool:
            results = [line for line in program.lines() if line["type"] == "result"]
            return len(results) > seen and results[-1]["detector"] == "freeze"

        program.wait_for(more)
        assert program.stop() == 0
    assert "score did not come back for 1 s" in told["cause"]


OFFLINE = """
    sources: {}
    detectors:
      stuck: {type: stuck}
      freeze: {type: freeze}
    scheduler: {device: cpu, hang_s: 0.5}
"""


@pytest.mark.timeout(120)
@pytest.mark.parametrize("command", ["detect", "replay", "eval", "eval --streams"])
def test_a_command_ends_with_its_name_and_1_and_what_the_others_say(
    command: str, package: Path, tmp_path: Path
) -> None:
    config, out = tmp_path / "monitor.yaml", tmp_path / "out.json"
    config.write_text(textwrap.dedent(OFFLINE))
    film, manifest = DEMO / "camera_frozen.mp4", tmp_path / "manifest.csv"
    manifest.write_text(f"path,label\n{film},1\n")
    name, *options = command.split()
    given = [str(manifest if name == "eval" else film), "--pipeline", str(config), *options]
    given += ["--json"] if name == "detect" else ["--json", str(out)]
    began_s = time.monotonic()
    with installed(package, "stuck_detector", source=PACKAGE, entry_points=STUCK):
        ended = subprocess.run(
            [sys.executable, "-m", "streammon", name, *given],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert "streammon: stuck: score did not come back for 0.5 s" in ended.stderr
    assert time.monotonic() - began_s < 40.0
    said = out.read_text() if out.exists() else ended.stdout
    assert "freeze" in said


@pytest.mark.timeout(120)
def test_asked_to_end_before_it_is_known_to_hang_the_end_is_bounded_and_clean(
    package: Path, tmp_path: Path
) -> None:
    known_after_s = 60.0
    config = config_in(tmp_path, spin=False, hang_s=known_after_s)
    with (
        installed(package, "stuck_detector", source=PACKAGE, entry_points=STUCK),
        streammon(tmp_path, "run", str(config), "--no-server", "--quiet") as program,
    ):
        program.wait_for_line(type="health", component="detector:stuck", state="up")
        program.wait_for(lambda: "stuck has a window" in program.tail())
        began_s = time.monotonic()
        assert program.stop() == 0
        took_s = time.monotonic() - began_s
        told = [line for line in program.lines() if line.get("component") == "detector:stuck"][-1]
    assert took_s < known_after_s / 2
    assert "still busy when the monitor had to end" in told["cause"]
