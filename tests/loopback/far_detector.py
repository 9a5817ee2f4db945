"""What tests of a remote detector have: a server that answers as told, and a detector before it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from streammon.core.types import DetectionResult, StreamId, Window
from streammon.detectors import remote_line
from streammon.detectors.remote import RemoteConfig
from streammon.detectors.remote_detector import RemoteDetector
from streammon.flow.supervise import Backoff
from tests.answering import Answer, Answering, Asked, answering, as_json
from tests.fakes import a_chunk, a_window

ABOUT = {"v": 1, "detectors": [{"detector": "voice", "kind": "x", "modalities": ["audio"]}]}
SYNTHETIC = {
    "v": 1,
    "type": "detection",
    "modality": "audio",
    "confidence": 0.75,
    "is_ai_generated": True,
    "abstained": None,
    "detectors": [
        {"detector": "voice", "confidence": 0.75, "abstained": None, "model_used": "v@1"}
    ],
    "processing_time_s": 0.1,
    "model_used": "v@1",
}
Says = Callable[[Asked], Answer]


def well(answer: Answer) -> Says:
    """Says what detectors there are, and answers every window so."""
    return lambda asked: as_json(ABOUT) if asked.method == "GET" else answer


def heard(number: int = 0, stream: str = "cam") -> Window:
    return a_window(
        a_chunk(number, duration_s=1.0, stream=StreamId(stream)), end_s=float(number + 1)
    )


def several(count: int) -> list[Window]:
    return [heard(stream=f"s{number}") for number in range(count)]


@contextmanager
def remote(url: str, **settings: Any) -> Iterator[RemoteDetector]:
    """A loaded detector that is as patient as a busy machine needs, and tries again at once."""
    given = {"timeout_s": 15.0, "longest_wait_s": 30.0, "retries": 0, **settings}
    config = RemoteConfig.model_validate({"url": url, "modality": "audio", **given})
    detector = config.build("far")
    assert isinstance(detector, RemoteDetector)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote_line, "PAUSE", Backoff(first_s=0.01, most_s=0.02))
        try:
            detector.load("cpu")
            yield detector
        finally:
            detector.close()


@contextmanager
def before(answer: Says, **settings: Any) -> Iterator[tuple[RemoteDetector, Answering]]:
    with answering(answer) as server, remote(server.url, **settings) as detector:
        server.asked.clear()
        yield detector, server


def one(detector: RemoteDetector, window: Window | None = None) -> DetectionResult:
    (result,) = detector.score([window or heard()])
    return result


def in_turn(*answers: Answer) -> Says:
    """These answers first, then a good one for ever."""
    left = list(answers)
    return lambda asked: (
        as_json(ABOUT) if asked.method == "GET" else left.pop(0) if left else as_json(SYNTHETIC)
    )
