"""Detectors that hold detectors, or compare streams, keep the promises of every detector.

They need members or a second stream, so they cannot be built from their type alone as in
`test_detectors`; the promises are the same.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from streammon.config import parse_config
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Modality, StreamId, Window
from streammon.pipelines.building import build_detectors
from streammon.windows.sliding import make_windower
from tests.contract.test_detectors import (
    AWKWARD,
    ELSEWHERE,
    on_streams_of_their_own,
    recorded,
    said,
)

SOUND, PICTURE, CHAT = "studio_cloned_voice.mp4", "camera_frozen.mp4", "chat_flood.jsonl"

MADE: Mapping[str, Mapping[str, Any]] = {
    "ensemble": {
        "x": {"type": "ensemble", "members": ["voice_spoof", "freeze"], "modality": "audio",
              "kind": "bad_sound"},
        "voice_spoof": {}, "freeze": {},
    },
    "cascade": {
        "x": {"type": "cascade", "first": "freeze", "then": "voice_spoof", "modality": "audio",
              "kind": "bad_sound", "band": [0.0, 1.0]},
        "voice_spoof": {}, "freeze": {},
    },
    "multimodal": {
        "x": {"type": "multimodal", "members": ["freeze", "chat_flood"]},
        "freeze": {}, "chat_flood": {},
    },
    "av_sync": {"x": {"type": "av_sync"}},
    "lip_sync": {"x": {"type": "lip_sync"}},
    "transcript": {"x": {"type": "transcript", "transcripts": {"demo": "chat"}}},
    "image_text": {"x": {"type": "image_text", "texts": {"demo": "chat"}}},
}  # fmt: skip
RECORDING = {Modality.AUDIO: SOUND, Modality.VIDEO: PICTURE, Modality.TEXT: CHAT}
each_made = pytest.mark.parametrize("tag", MADE)


def loaded(tag: str) -> Detector:
    (detector,) = build_detectors(parse_config({"detectors": MADE[tag]})).values()
    detector.load("cpu")
    return detector


def eight(detector: Detector, modality: Modality) -> list[Window]:
    windower = make_windower(StreamId("demo"), modality, detector.inputs[modality])
    kind: Callable[[Any], bool] = {
        Modality.AUDIO: lambda item: hasattr(item, "pcm"),
        Modality.VIDEO: lambda item: hasattr(item, "image_rgb"),
        Modality.TEXT: lambda item: hasattr(item, "text"),
    }[modality]
    items = [item for item in recorded(RECORDING[modality]) if kind(item)]
    windows = [window for item in items for window in windower.push(item)] + windower.flush()
    return on_streams_of_their_own(windows[:8])


def close(ones: Sequence[DetectionResult], others: Sequence[DetectionResult]) -> bool:
    return all(
        said(one) == said(other)
        and (one.confidence is None) == (other.confidence is None)
        and abs((one.confidence or 0.0) - (other.confidence or 0.0)) <= 1e-3
        for one, other in zip(ones, others, strict=True)
    )


def test_no_detector_is_forgotten_between_here_and_there() -> None:
    assert set(MADE) | {"remote"} == ELSEWHERE, "remote: tests/loopback/test_remote_streammon.py"


@each_made
def test_one_result_per_window_in_order_however_they_are_stacked(tag: str) -> None:
    for modality in loaded(tag).inputs:
        detector, other = loaded(tag), loaded(tag)
        windows = eight(detector, modality)
        assert len(windows) > 1
        together = detector.score(windows)
        for window, result in zip(windows, together, strict=True):
            asked = (window.stream, window.modality, window.epoch, window.start_s, window.end_s)
            given = (result.stream, result.modality, result.epoch, result.start_s, result.end_s)
            assert given == asked
            assert (result.captured_ns, result.detector) == (window.captured_ns, "x")
            assert result.kind == detector.kind
            assert result.model_used
            assert json.loads(json.dumps(result.details, allow_nan=False)) == result.details
        assert close(together, [other.score([window])[0] for window in windows])
        assert close(together, loaded(tag).score(windows[::-1])[::-1])
        again = [replace(one, processing_time_s=0.0) for one in loaded(tag).score(windows)]
        assert again == [replace(one, processing_time_s=0.0) for one in together]


@pytest.mark.parametrize(
    ("tag", "modality", "name"),
    [(tag, modality, name) for tag in MADE for modality in Modality for name in AWKWARD[modality]],
)
def test_awkward_windows_are_judged_or_refused_in_words(
    tag: str, modality: Modality, name: str
) -> None:
    detector = loaded(tag)
    if modality not in detector.inputs:
        return
    window = AWKWARD[modality][name]
    for asked in (window, replace(window, stream=StreamId("demo"))):
        assert isinstance(detector.bucket(asked), str)
        (result,) = detector.score([asked])
        assert result.confidence is not None or result.abstained
        json.dumps(result.details, allow_nan=False)
