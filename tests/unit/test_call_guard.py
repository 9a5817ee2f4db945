"""What the person who shares a call is told of the monitor."""

from __future__ import annotations

import pytest

from streammon.config import parse_config
from streammon.ingest.webrtc import tap
from streammon.ingest.webrtc.config import WebRtcConfig
from streammon.ingest.webrtc.entrance import Entrance
from streammon.pipelines import presets
from streammon.server.call_guard import CallGuard

STORING = {
    "detectors": {
        "voice_spoof": {},
        "other": {"type": "remote", "url": "http://127.0.0.1:9/x", "modality": "video"},
    },
    "rules": {"default": {"type": "cusum"}},
    "sinks": {"out": {"type": "jsonl", "path": "-"}, "console": {}},
}


def test_the_ready_made_monitor_takes_calls_and_keeps_nothing() -> None:
    config = presets.load("call_guard", environment={})
    settings = config.sources["guard"]
    assert isinstance(settings, WebRtcConfig)
    entrance = settings.build("guard")  # type: ignore[arg-type]
    assert isinstance(entrance, Entrance)
    told = CallGuard(config, [entrance]).told()
    assert told.closed_because == ""
    assert not told.alerts_kept
    assert told.told_to == told.judged_elsewhere == []


def test_it_says_who_else_gets_what() -> None:
    told = CallGuard(parse_config(STORING), []).told()
    assert told.alerts_kept
    assert told.told_to == ["out"]
    assert told.judged_elsewhere == ["other"]
    assert "without --source" in told.closed_because


def test_a_missing_package_is_named_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tap, "WANTED", "0.0")
    told = CallGuard(parse_config(STORING), []).told()
    assert "pip install 'aiortc==" in told.closed_because
