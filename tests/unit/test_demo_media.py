"""The bundled media are what `truth.json` says of them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

import streammon.demo
from tests.scenes import decoded

DEMO = Path(streammon.demo.__file__).parent
TRUTH: dict[str, dict[str, Any]] = json.loads((DEMO / "truth.json").read_text("utf-8"))
VIDEOS = sorted(name for name in TRUTH if name.endswith(".mp4"))
CHATS = sorted(name for name in TRUTH if name.endswith(".jsonl"))
KINDS = {"freeze", "voice_spoof", "chat_flood"}
MOST_BYTES = 6_000_000


def test_all_media_are_described_and_small() -> None:
    media = {path.name for path in DEMO.iterdir() if path.suffix in {".mp4", ".jsonl"}}
    assert media == set(TRUTH)
    assert sum(path.stat().st_size for path in DEMO.iterdir() if path.is_file()) < MOST_BYTES
    readme = (DEMO / "README.md").read_text("utf-8")
    assert [name for name in TRUTH if f"`{name}`" not in readme] == []


def test_each_kind_of_alert_is_deserved_somewhere_and_some_media_are_clean() -> None:
    expected = [wanted for truth in TRUTH.values() for wanted in truth["expected"]]
    assert {wanted["kind"] for wanted in expected} == KINDS
    assert sum(not truth["expected"] for truth in TRUTH.values()) >= 3
    for truth in TRUTH.values():
        for wanted in truth["expected"]:
            assert 0.0 <= wanted["from_s"] < wanted["to_s"] <= truth["duration_s"]
            assert wanted["to_s"] - wanted["from_s"] >= 10.0, "long enough to be sure"


@pytest.mark.parametrize("name", VIDEOS)
def test_a_video_plays_as_long_as_it_says_with_sound_and_regular_keyframes(name: str) -> None:
    with av.open(str(DEMO / name), "r") as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, audio.codec_context.name) == ("h264", "aac")
        assert (video.width, video.height) == (640, 360)
        keyframes, ends_s = [], {"video": 0.0, "audio": 0.0}
        for packet in container.demux(video, audio):
            if packet.pts is None or packet.duration is None or packet.time_base is None:
                continue
            end_s = float((packet.pts + packet.duration) * packet.time_base)
            kind = packet.stream.type
            ends_s[kind] = max(ends_s[kind], end_s)
            if kind == "video" and packet.is_keyframe:
                keyframes.append(float(packet.pts * packet.time_base))
    assert ends_s["video"] == pytest.approx(TRUTH[name]["duration_s"], abs=0.1)
    assert ends_s["audio"] == pytest.approx(ends_s["video"], abs=0.25)
    assert all(after - before == pytest.approx(2.0) for before, after in pairwise(keyframes))


def test_the_frozen_camera_stands_still_exactly_when_it_says() -> None:
    wanted = TRUTH["camera_frozen.mp4"]["expected"][0]
    seen = decoded(DEMO / "camera_frozen.mp4")
    for (before_s, before), (after_s, after) in pairwise(seen):
        change = float(np.abs(before.astype(np.int16) - after.astype(np.int16)).mean())
        if wanted["from_s"] <= before_s and after_s < wanted["to_s"]:
            assert change < 2.0, f"something moves at {after_s} s"
        elif after_s <= wanted["from_s"] or before_s >= wanted["to_s"]:
            assert change > 2.0, f"nothing moves at {after_s} s"


@pytest.mark.parametrize("name", CHATS)
def test_a_chat_is_in_order_and_as_long_as_it_says(name: str) -> None:
    rows = [json.loads(line) for line in (DEMO / name).read_text("utf-8").splitlines()]
    times = [row["captured_s"] for row in rows]
    assert times == sorted(times)
    assert 0.0 <= times[0] < 2.0
    assert TRUTH[name]["duration_s"] - 2.0 < times[-1] <= TRUTH[name]["duration_s"]
    assert len(rows) / TRUTH[name]["duration_s"] > 2.5
    assert all(set(row) == {"author_id", "captured_s", "text"} for row in rows)
    assert len({row["author_id"] for row in rows}) >= 60


def test_the_flood_comes_from_at_least_twelve_accounts_that_say_nothing_else() -> None:
    wanted = TRUTH["chat_flood.jsonl"]["expected"][0]
    rows = map(json.loads, (DEMO / "chat_flood.jsonl").read_text("utf-8").splitlines())
    said: dict[str, list[float]] = {}
    for row in rows:
        said.setdefault(row["author_id"], []).append(row["captured_s"])
    bots = [
        times
        for times in said.values()
        if times[0] >= wanted["from_s"] and times[-1] <= wanted["to_s"] and len(times) >= 3
    ]
    assert len(bots) >= 12
