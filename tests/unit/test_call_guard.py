"""What the person who shares a call is told of the monitor."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from streammon.config import parse_config
from streammon.ingest.webrtc import tap
from streammon.ingest.webrtc.config import WebRtcConfig
from streammon.ingest.webrtc.entrance import Entrance
from streammon.pipelines import presets
from streammon.server.call_guard import CallGuard
from tests.scenes import RATE_HZ, Picture, chunks, frozen, head, judged, looped, most, watched

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


# --- what people do in calls ------------------------------------------------------------------


def freeze_of_calls() -> dict[str, Any]:
    """How the ready-made monitor has the detector look at calls."""
    settings = presets.load("call_guard", environment={}).detectors["freeze"]
    return settings.model_dump(exclude={"type"})


def camera_off(time_s: float) -> Picture:
    """Somebody talks; from 15 s on a sign stands there instead, on black."""
    if time_s < 15.0:
        return head(time_s)
    sign = np.zeros_like(head(0.0))
    sign[70:110, 140:180] = (90, 120, 200)
    return sign


def test_who_is_muted_or_switches_the_camera_off_raises_nothing() -> None:
    rng = np.random.default_rng(0)
    voice = 0.1 * rng.standard_normal(10 * RATE_HZ).astype(np.float32)
    muted = np.concatenate([voice, np.zeros(40 * RATE_HZ, np.float32)])
    settings = freeze_of_calls()
    assert most(judged(chunks(muted), **settings)) < 0.1
    assert most(watched(camera_off, 40.0, **settings)) < 0.5


def test_a_picture_that_stops_or_is_replayed_in_a_call_is_told() -> None:
    settings = freeze_of_calls()
    assert most(watched(frozen(head, from_s=15.0, to_s=99.0), 30.0, **settings)) > 0.9
    assert most(watched(looped(head, from_s=20.0, lag_s=6.0), 45.0, **settings)) > 0.8
