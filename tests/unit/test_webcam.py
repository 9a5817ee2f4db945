"""The settings of a camera, and a pattern read in its place."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import Source, SourceContext
from streammon.core.types import AudioChunk, Item, Modality, StreamId, VideoFrame
from streammon.ingest.causes import Place
from streammon.ingest.webcam import WebcamConfig
from tests.fakes import WantAll

CAM = StreamId("cam")
PATTERN = "lavfi:testsrc2=size=160x120:rate=25:duration=1"


def context() -> SourceContext:
    return SourceContext(WantAll(0.2), MonotonicClock(), lambda state, cause: None)


async def read(source: Source, got: list[Item]) -> None:
    async with source.open(context()) as items:
        async for item in items:
            got.append(item)  # noqa: PERF401 - what came before the failure counts


@pytest.mark.parametrize(
    ("device", "path"), [(0, "/dev/video0"), ("2", "/dev/video2"), ("/dev/cam", "/dev/cam")]
)
def test_a_device_is_a_number_or_a_path(device: str | int, path: str) -> None:
    source = WebcamConfig(device=device, size="1280x720", fps=30, input_format="mjpeg")._input()
    assert (source.url, source.format, source.place) == (path, "v4l2", Place.DEVICE)
    assert source.options == {
        "video_size": "1280x720",
        "framerate": "30.0",
        "input_format": "mjpeg",
    }


@pytest.mark.parametrize("size", ["big", "1280", "1280x", "1280x720;x"])
def test_a_size_is_two_numbers(size: str) -> None:
    with pytest.raises(ValidationError):
        WebcamConfig(size=size)


def test_sound_is_only_for_patterns() -> None:
    with pytest.raises(ValidationError, match="audio needs `lavfi:` patterns"):
        WebcamConfig(device=0, audio="lavfi:sine")
    with pytest.raises(ValidationError, match="audio needs `lavfi:` patterns"):
        WebcamConfig(device=PATTERN, audio="hw:0")


async def test_a_missing_camera_is_tried_again_with_a_cause() -> None:
    source = WebcamConfig(device="/dev/video-that-is-not-there").build(CAM)
    with pytest.raises(Retryable, match="device not found: is it connected"):
        await read(source, [])


async def test_a_pattern_gives_pictures_and_sound_and_its_end_is_a_disconnect() -> None:
    config = WebcamConfig(device=PATTERN, audio="lavfi:sine=frequency=440:duration=1")
    source = config.build(CAM)
    assert source.modalities == {Modality.VIDEO, Modality.AUDIO}
    got: list[Item] = []
    with pytest.raises(Retryable, match="the device stopped"):
        await read(source, got)
    frames = [item for item in got if isinstance(item, VideoFrame)]
    assert [round(frame.media_s, 2) for frame in frames] == [0.0, 0.2, 0.4, 0.6, 0.8]
    assert all(frame.image_rgb.shape == (120, 160, 3) for frame in frames)
    sound_s = sum(item.duration_s for item in got if isinstance(item, AudioChunk))
    assert sound_s == pytest.approx(1.0, abs=0.05)


def test_a_camera_cannot_be_replayed() -> None:
    with pytest.raises(Permanent, match="cannot be replayed"):
        next(iter(WebcamConfig(device=PATTERN).build(CAM).items(WantAll())))
