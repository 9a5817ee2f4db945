"""A remote detector before the real server of another streammon, whose detectors are real."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

import streammon.demo
from streammon.config import ServerConfig
from streammon.core.errors import Permanent
from streammon.core.ports import Detector
from streammon.core.types import (
    AudioChunk,
    DetectionResult,
    Modality,
    StreamId,
    VideoFrame,
    Window,
    WindowSpec,
)
from streammon.detectors.chat_flood import ChatFloodConfig
from streammon.detectors.remote import RemoteConfig
from streammon.detectors.remote_detector import RemoteDetector
from streammon.detectors.voice_spoof import VoiceSpoofConfig
from streammon.ingest.av_url import AvUrlConfig
from streammon.pipelines.content import Limits
from streammon.pipelines.detect import Panel
from streammon.server.app import build_app
from streammon.server.detecting import LIMITS, Detecting
from streammon.server.serve import serving
from streammon.telemetry.metrics import Metrics
from streammon.windows.sliding import make_windower
from tests.browser.scripted_monitor import ScriptedMonitor
from tests.contract.test_detectors import AWKWARD
from tests.fakes import Brightness, WantAll, a_frame, a_window

TOKEN = "a-long-secret"
DEMO = Path(streammon.demo.__file__).parent


@asynccontextmanager
async def another(*detectors: Detector, limits: Limits = LIMITS) -> AsyncGenerator[str]:
    """The URL of a second streammon with these detectors and a token."""
    metrics, settings = Metrics(), ServerConfig(port=0, token=SecretStr(TOKEN))
    panel = Panel({one.name: one for one in detectors}, device="cpu", limits=limits)
    async with ScriptedMonitor([]) as monitor, Detecting(panel, metrics) as detecting:
        app = build_app(monitor, monitor.hub, metrics, settings, detecting=detecting)
        async with serving(app, settings) as url:
            yield url


@contextmanager
def remote(url: str, modality: str, **settings: Any) -> Iterator[RemoteDetector]:
    given = {"url": url, "modality": modality, "token": TOKEN, "timeout_s": 30.0, **settings}
    detector = RemoteDetector("far", RemoteConfig.model_validate(given))
    try:
        yield detector
    finally:
        detector.close()


async def score(detector: RemoteDetector, windows: Sequence[Window]) -> list[DetectionResult]:
    """On a thread, as the scheduler does: the server lives on this one's loop."""

    def load_and_score() -> list[DetectionResult]:
        detector.load("cpu")
        return list(detector.score(windows))

    return await asyncio.to_thread(load_and_score)


def spoken(name: str, spec: Any) -> list[Window]:
    """The windows of a bundled recording's sound, each as if of a stream of its own."""
    config = AvUrlConfig.model_validate({"url": str(DEMO / name)})
    source: Any = config.build(StreamId("demo"))
    windower = make_windower(StreamId("demo"), Modality.AUDIO, spec)
    windows: list[Window] = []
    for item in source.items(WantAll()):
        if isinstance(item, AudioChunk):
            windows += windower.push(item)
        if len(windows) == 4:
            break
    return [replace(window, stream=StreamId(f"s{at}")) for at, window in enumerate(windows)]


async def test_a_voice_is_judged_over_there_as_it_is_here() -> None:
    near = VoiceSpoofConfig().build("voice")
    near.load("cpu")
    (spec,) = near.inputs.values()
    windows = spoken("studio_cloned_voice.mp4", spec)
    here = [result for window in windows for result in near.score([window])]
    async with another(VoiceSpoofConfig().build("voice")) as url:
        with remote(url, "audio", detector="voice") as far:
            there = await score(far, windows)
    assert any(result.confidence is not None for result in here)
    for mine, theirs in zip(here, there, strict=True):
        assert (mine.confidence is None) == (theirs.confidence is None), theirs.abstained
        if mine.confidence is not None:
            assert theirs.confidence == pytest.approx(mine.confidence, abs=0.02)
            assert theirs.is_ai_generated == mine.is_ai_generated
            assert theirs.model_used == mine.model_used


class Fading:
    """A real, small detector of time: by how much of full white pictures get lighter in 10 s."""

    name = kind = "fading"
    inputs: Mapping[Modality, WindowSpec] = {Modality.VIDEO: WindowSpec(4, 0, frame_interval_s=0.5)}
    on_device = False
    max_batch = 1

    def load(self, device: str) -> None:
        """There is nothing to load."""

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        return [self._judge(window) for window in batch]

    def _judge(self, window: Window) -> DetectionResult:
        frames = [item for item in window.items if isinstance(item, VideoFrame)]
        first, last = frames[0], frames[-1]
        lighter = (float(last.image_rgb.mean()) - float(first.image_rgb.mean())) / 255
        speed = 10.0 * lighter / (last.media_s - first.media_s)
        return DetectionResult.of(
            window, detector=self.name, kind=self.kind, model_used="f", confidence=speed
        )


async def test_a_clip_keeps_its_pictures_and_their_times() -> None:
    def fading(stream: str, per_second: int) -> Window:
        frames = [
            a_frame(at, media_s=100.0 + at / 2, level=at * per_second // 2, stream=StreamId(stream))
            for at in range(8)
        ]
        return a_window(*frames, end_s=104.0)

    async with another(Fading()) as url:
        with remote(url, "video") as far:
            still, slow, fast = await score(far, [fading("a", 0), fading("b", 4), fading("c", 20)])
    assert still.confidence == 0.0
    assert slow.confidence == pytest.approx(40 / 255, abs=0.01)
    assert fast.confidence == pytest.approx(200 / 255, abs=0.01)


async def test_one_picture_and_its_level() -> None:
    async with another(Brightness()) as url:
        with remote(url, "image") as far:
            (result,) = await score(far, [a_window(a_frame(level=128))])
    assert result.confidence == pytest.approx(128 / 255, abs=0.01)
    assert result.is_ai_generated is None


async def test_more_than_it_takes_at_a_time_waits_and_is_judged() -> None:
    windows = [a_window(a_frame(level=8 * at, stream=StreamId(f"s{at}"))) for at in range(16)]
    async with another(Brightness()) as url:
        with remote(url, "image", concurrency=4, max_batch=16) as far:
            results = await score(far, windows)
    assert [result.confidence for result in results] == [
        pytest.approx(8 * at / 255, abs=0.01) for at in range(16)
    ]


async def test_a_wrong_token_and_an_unknown_detector_are_named_before_anything_is_sent() -> None:
    async with another(Brightness()) as url:
        with (
            remote(url, "image", token="wrong") as far,
            pytest.raises(Permanent, match=r"refuses the credentials \(401\): check `token`"),
        ):
            await score(far, [])
        with (
            remote(url, "image", detector=["face", "eyes"]) as far,
            pytest.raises(Permanent, match="no detector face, eyes; it has: brightness"),
        ):
            await score(far, [])
        with (
            remote(url, "text") as far,
            pytest.raises(Permanent, match="none of its detectors looks at text"),
        ):
            await score(far, [])


async def test_what_it_says_of_content_it_does_not_take_is_the_reason() -> None:
    few = replace(LIMITS, pixels=100)
    large = a_frame(image_rgb=np.zeros((20, 20, 3), np.uint8))
    async with another(Brightness(), limits=few) as url:
        with remote(url, "image", failures=1) as far:
            refused, judged = await score(far, [a_window(large), a_window(a_frame(level=255))])
    assert refused.abstained == (
        "the remote detector: refused as too large (413): "
        "the image is 20x20: larger than 100 pixels"
    )
    assert judged.confidence == 1.0


LOOKS = {
    "image": Modality.VIDEO,
    "video": Modality.VIDEO,
    "audio": Modality.AUDIO,
    "text": Modality.TEXT,
}


@pytest.mark.parametrize("modality", LOOKS)
async def test_awkward_windows_are_judged_or_refused_in_words_and_the_machine_is_well(
    modality: str,
) -> None:
    windows = list(AWKWARD[LOOKS[modality]].values())
    flood = ChatFloodConfig.model_validate({}).build("flood")
    async with another(Brightness(), VoiceSpoofConfig().build("voice"), flood) as url:
        with remote(url, modality, failures=1, max_batch=16) as far:
            results = await score(far, windows)
            assert far.trouble == ""
    assert len(results) == len(windows)
    for window, result in zip(windows, results, strict=True):
        assert (result.stream, result.start_s) == (window.stream, window.start_s)
        assert result.confidence is not None or result.abstained
        assert "away" not in (result.abstained or "")
        json.dumps(result.details, allow_nan=False)
