"""Every detector keeps the promises of `ports.Detector`, over every entry point."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import streammon.demo
from streammon.core.ports import Detector
from streammon.core.types import (
    AudioChunk,
    ChatMessage,
    DetectionResult,
    Item,
    Modality,
    StreamId,
    VideoFrame,
    Window,
    WindowSpec,
)
from streammon.registry import DETECTORS, SOURCES, adapter_class, known
from streammon.windows.sliding import make_windower
from tests.detector_settings import settings_of
from tests.drawn_face import wandering
from tests.fakes import RATE_HZ, WantAll, a_chunk, a_frame, a_message, a_window

pytestmark = pytest.mark.usefixtures("one_thread")

DEMO = Path(streammon.demo.__file__).parent
MOST_DIFFERENCE = 1e-3
"""How far confidences may lie apart when the same windows are stacked differently."""

# Media on which the detector has something to say, by modality.
MEDIA: Mapping[str, Mapping[Modality, str]] = {
    "freeze": {Modality.VIDEO: "camera_frozen.mp4", Modality.AUDIO: "studio_clean.mp4"},
    "voice_spoof": {Modality.AUDIO: "studio_cloned_voice.mp4"},
    "chat_flood": {Modality.TEXT: "chat_flood.jsonl"},
    "ai_text": {Modality.TEXT: "chat_clean.jsonl"},
    "huggingface": {Modality.AUDIO: "studio_clean.mp4"},
    "onnx": {Modality.VIDEO: "camera_frozen.mp4"},
    "torchscript": {Modality.VIDEO: "camera_frozen.mp4"},
    "torch_export": {Modality.AUDIO: "studio_clean.mp4"},
    "aasist": {Modality.AUDIO: "studio_cloned_voice.mp4"},
    "mesonet": {Modality.VIDEO: "camera_frozen.mp4"},
    "face_forgery": {Modality.VIDEO: "drawn face"},
    "binoculars": {Modality.TEXT: "chat_flood.jsonl"},
    "fast_detect_gpt": {Modality.TEXT: "chat_flood.jsonl"},
}
MOST_WINDOWS = {"aasist": 3, "face_forgery": 2}
"""Of what takes long to judge."""
LOOKS = [(tag, modality) for tag, media in MEDIA.items() for modality in media]
each_look = pytest.mark.parametrize(("tag", "modality"), LOOKS)
each_detector = pytest.mark.parametrize("tag", MEDIA)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where models lie that a detector cannot be built without."""
    return tmp_path_factory.mktemp("models")


def loaded(tag: str, models: Path) -> Detector:
    detector = fresh(tag, models)
    detector.load("cpu")
    return detector


def fresh(tag: str, models: Path) -> Detector:
    settings = {"type": tag, **settings_of(tag, models)}
    config: Any = adapter_class(DETECTORS, tag).model_validate(settings)
    detector: Detector = config.build(f"my_{tag}")
    return detector


@cache
def recorded(name: str) -> tuple[Item, ...]:
    """The first half minute of a bundled recording; of chat, the first minute.

    There is no face in any of them: the drawn one walks for 18 s.
    """
    if name == "drawn face":
        walk = enumerate(wandering(90, step_px=1))
        return tuple(a_frame(at, media_s=at / 5, image_rgb=image) for at, image in walk)
    settings = {"path": str(DEMO / name)} if name.endswith(".jsonl") else {"url": str(DEMO / name)}
    tag = "chat_jsonl" if name.endswith(".jsonl") else "av_url"
    config: Any = adapter_class(SOURCES, tag).model_validate({"type": tag, **settings})
    source = config.build(StreamId("demo"))
    items: list[Item] = []
    for item in source.items(WantAll(frame_interval_s=0.2)):
        if item.media_s > (60.0 if isinstance(item, ChatMessage) else 30.0):
            break
        items.append(item)
    return tuple(items)


def windows_of(tag: str, modality: Modality, spec: WindowSpec) -> list[Window]:
    """What the detector would be given of its recording, in order."""
    kind = {Modality.VIDEO: VideoFrame, Modality.AUDIO: AudioChunk}.get(modality)
    windower = make_windower(StreamId("demo"), modality, spec)
    found: list[Window] = []
    for item in recorded(MEDIA[tag][modality]):
        if kind is None or isinstance(item, kind):
            found += windower.push(item)
    return (found + windower.flush())[: MOST_WINDOWS.get(tag)]


def on_streams_of_their_own(windows: Iterable[Window]) -> list[Window]:
    """The same windows, as if each came from another stream: so they may be in one batch."""
    return [
        replace(
            window,
            stream=StreamId(f"s{number}"),
            items=tuple(replace(item, stream=StreamId(f"s{number}")) for item in window.items),
        )
        for number, window in enumerate(windows)
    ]


def eight(tag: str, modality: Modality, detector: Detector) -> list[Window]:
    spec = detector.inputs[modality]
    return on_streams_of_their_own(windows_of(tag, modality, spec)[:8])


def said(result: DetectionResult) -> DetectionResult:
    """All of a result but the time it took and numbers that stacking may change a little."""
    return replace(result, processing_time_s=0.0, confidence=None, abstained="", details={})


def same(ones: Sequence[DetectionResult], others: Sequence[DetectionResult]) -> bool:
    def close(one: DetectionResult, other: DetectionResult) -> bool:
        if one.confidence is None or other.confidence is None:
            return one.confidence == other.confidence and one.abstained == other.abstained
        return abs(one.confidence - other.confidence) <= MOST_DIFFERENCE

    pairs = list(zip(ones, others, strict=True))
    return all(said(one) == said(other) and close(one, other) for one, other in pairs)


ELSEWHERE = {
    "ensemble",
    "cascade",
    "multimodal",
    "av_sync",
    "lip_sync",
    "transcript",
    "image_text",
    "remote",
}
"""They need members or a second stream: `test_combinators` holds them to the same. Or they need
another machine: `test_remote_streammon`."""


def test_every_detector_has_media() -> None:
    assert set(known(DETECTORS)) <= set(MEDIA) | ELSEWHERE


@each_detector
def test_a_detector_says_what_it_wants(tag: str, models: Path) -> None:
    detector = fresh(tag, models)
    assert detector.name == f"my_{tag}"
    assert detector.kind
    assert detector.max_batch >= 1
    assert isinstance(detector.on_device, bool)
    assert set(detector.inputs) == set(MEDIA[tag])
    for modality, spec in detector.inputs.items():
        make_windower(StreamId("s"), modality, spec)  # refuses what cannot be cut


@each_look
def test_one_result_per_window_in_the_same_order(
    tag: str, modality: Modality, models: Path
) -> None:
    detector = loaded(tag, models)
    windows = eight(tag, modality, detector)
    assert len(windows) > 1
    results = detector.score(windows)
    assert len(results) == len(windows)
    for window, result in zip(windows, results, strict=True):
        assert (result.stream, result.modality) == (window.stream, modality)
        assert (result.epoch, result.start_s, result.end_s) == (
            window.epoch,
            window.start_s,
            window.end_s,
        )
        assert (result.captured_ns, result.participant) == (window.captured_ns, window.participant)
        assert (result.detector, result.kind) == (detector.name, detector.kind)
        assert result.model_used
        assert result.processing_time_s >= 0.0
        assert json.loads(json.dumps(result.details, allow_nan=False)) == result.details
        if result.confidence is None:
            assert result.abstained
            assert result.is_ai_generated is None


@each_look
def test_it_has_something_to_say_of_media_that_it_is_for(
    tag: str, modality: Modality, models: Path
) -> None:
    detector = loaded(tag, models)
    windows = windows_of(tag, modality, detector.inputs[modality])
    results = [result for window in windows for result in detector.score([window])]
    assert any(result.confidence is not None for result in results)


@each_look
def test_how_windows_are_stacked_makes_no_difference(
    tag: str, modality: Modality, models: Path
) -> None:
    detector, other = loaded(tag, models), loaded(tag, models)
    windows = eight(tag, modality, detector)
    together = detector.score(windows)
    one_by_one = [result for window in windows for result in other.score([window])]
    assert same(together, one_by_one)
    backwards = loaded(tag, models).score(windows[::-1])
    assert same(together, backwards[::-1])


@each_look
def test_the_same_history_gives_the_same_results(
    tag: str, modality: Modality, models: Path
) -> None:
    def history() -> list[DetectionResult]:
        detector = loaded(tag, models)
        windows = windows_of(tag, modality, detector.inputs[modality])[:12]
        return [result for window in windows for result in detector.score([window])]

    once, again = history(), history()
    assert [replace(result, processing_time_s=0.0) for result in once] == [
        replace(result, processing_time_s=0.0) for result in again
    ]


@each_look
def test_windows_of_one_cut_share_a_bucket(tag: str, modality: Modality, models: Path) -> None:
    detector = loaded(tag, models)
    windows = windows_of(tag, modality, detector.inputs[modality])
    whole = [window for window in windows if len(window.items) == len(windows[0].items)]
    if modality is not Modality.TEXT:
        assert len({detector.bucket(window) for window in whole}) == 1
    assert all(isinstance(detector.bucket(window), str) for window in windows)


# --- what no camera should give, but some do -------------------------------------------------

NOISE = np.random.default_rng(5)


def sound(pcm: Any) -> Window:
    samples = np.asarray(pcm, np.float32)
    return a_window(a_chunk(pcm=samples), end_s=max(len(samples), 1) / RATE_HZ)


def pictures(*shapes: tuple[int, int]) -> Window:
    frames = [
        a_frame(n, media_s=n / 2, image_rgb=np.zeros((*shape, 3), np.uint8))
        for n, shape in enumerate(shapes)
    ]
    return a_window(*frames)


AWKWARD: Mapping[Modality, Mapping[str, Window]] = {
    Modality.AUDIO: {
        "silence": sound(np.zeros(32_000)),
        "full scale": sound(np.ones(32_000)),
        "noise": sound(NOISE.uniform(-1, 1, 32_000)),
        "one sample": sound([0.5]),
        "no sample": sound([]),
        "not a number": sound(np.full(32_000, np.nan)),
        "too long": sound(np.zeros(320_000)),
        "telephone": a_window(a_chunk(duration_s=2.0, source_rate_hz=8000), end_s=2.0),
    },
    Modality.VIDEO: {
        "one picture": pictures((48, 64)),
        "one pixel": pictures((1, 1), (1, 1), (1, 1)),
        "a line": pictures((1, 640), (1, 640), (1, 640)),
        "sizes that change": pictures((48, 64), (96, 128), (48, 64)),
        "the same time twice": a_window(a_frame(0, media_s=1.0), a_frame(1, media_s=1.0)),
    },
    Modality.TEXT: {
        "nothing": a_window(a_message(text="")),
        "blank": a_window(a_message(text=" \t\n​‍")),
        "very long": a_window(a_message(text="spam " * 20_000)),
        "marks without letters": a_window(a_message(text="̵" * 500)),
        "right to left, emoji, unpaired": a_window(a_message(text="‮abc 👩‍👩‍👧 \ud800")),
        "the same id twice": a_window(a_message(0), a_message(0)),
    },
}
ODDITIES = [(*look, name) for look in LOOKS for name in AWKWARD[look[1]]]


@pytest.mark.parametrize(("tag", "modality", "name"), ODDITIES)
def test_awkward_windows_are_judged_or_refused_in_words(
    tag: str, modality: Modality, name: str, models: Path
) -> None:
    detector = loaded(tag, models)
    window = AWKWARD[modality][name]
    bucket = detector.bucket(window)
    (result,) = detector.score([window])
    assert isinstance(bucket, str)
    assert result.confidence is not None or result.abstained
    json.dumps(result.details, allow_nan=False)
