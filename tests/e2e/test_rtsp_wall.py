"""The monitoring wall on a real RTSP server that is killed and started again."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest

from tests.e2e.program import streammon
from tests.loopback.rtsp_server import RtspServer, why_missing

DEMO = Path(str(files("streammon.demo")))

pytestmark = [
    pytest.mark.rtsp,
    pytest.mark.skipif(bool(why := why_missing()), reason=why or "is there"),
    pytest.mark.timeout(150),
]


def test_a_wall_survives_its_server_and_goes_on_in_a_new_epoch(tmp_path: Path) -> None:
    with (
        RtspServer(DEMO / "camera_clean.mp4") as server,
        streammon(
            tmp_path,
            "run",
            "monitoring_wall",
            "--source",
            f"gate={server.url('live')}",
            "--port",
            "0",
            "--quiet",
        ) as program,
    ):
        program.wait_for_line(type="result", stream="gate", epoch=0)
        server.kill()
        lost = program.wait_for_line(type="health", stream="gate", state="retrying")
        assert lost["cause"]
        server.start()
        again = program.wait_for_line(type="result", stream="gate", epoch=1, within_s=60)
        assert again["media_s"] < 30, "media time begins again with the epoch"
        assert program.stop() == 0
        states = [
            line["state"]
            for line in program.lines()
            if line["type"] == "health" and line["stream"] == "gate"
        ]
    assert states[:2] == ["starting", "up"]
    assert "retrying" in states
    assert states[-1] == "up"
