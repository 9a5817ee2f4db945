"""The painter and what it remembers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from streammon.config import OverlayConfig
from streammon.core.types import StreamId
from streammon.overlay import painter
from streammon.overlay.draw import draw
from streammon.overlay.encode import encode_jpeg
from streammon.overlay.painter import Painter
from tests.fakes import CAM, a_frame, a_result

SETTINGS = OverlayConfig(width=320, jpeg_quality=70)


def test_an_overlay_is_a_jpeg_of_the_frame_that_was_scored() -> None:
    frame = a_frame(7, epoch=2, image_rgb=np.full((90, 160, 3), 60, np.uint8))
    result = a_result(epoch=2)
    overlay = Painter(SETTINGS).paint(frame, results=[result], incidents=[])
    assert (overlay.stream, overlay.seq, overlay.epoch) == (CAM, 7, 2)
    assert (overlay.media_s, overlay.captured_ns) == (frame.media_s, frame.captured_ns)
    assert overlay.results == (result,)
    decoded = cv2.imdecode(np.frombuffer(overlay.jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert decoded is not None
    assert decoded.shape == (overlay.height, overlay.width, 3) == (180, 320, 3)


def test_the_past_of_each_stream_is_drawn_and_bounded() -> None:
    paint = Painter(SETTINGS)
    frame = a_frame(image_rgb=np.zeros((90, 160, 3), np.uint8))
    for at in range(painter.MOST_SCORES + 20):
        score = at / 100
        paint.paint(frame, results=[a_result(confidence=score)], incidents=[])
        paint.paint(a_frame(stream=StreamId("else")), results=[], incidents=[])
    last = paint.paint(frame, results=[a_result(confidence=0.9)], incidents=[])
    past = [at / 100 for at in range(21, painter.MOST_SCORES + 20)] + [0.9]
    expected = draw(frame, results=last.results, history=past, incidents=[], width=320)
    assert last.jpeg == encode_jpeg(expected, quality=70)


def test_a_stream_that_ended_is_forgotten() -> None:
    frame, result = a_frame(image_rgb=np.zeros((90, 160, 3), np.uint8)), a_result()
    paint = Painter(SETTINGS)
    first = paint.paint(frame, results=[result], incidents=[])
    assert paint.paint(frame, results=[result], incidents=[]).jpeg != first.jpeg
    paint.forget(CAM)
    assert paint.paint(frame, results=[result], incidents=[]).jpeg == first.jpeg


def test_the_past_of_many_streams_does_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(painter, "MOST_STREAMS", 3)
    paint = Painter(OverlayConfig(width=320))
    black = np.zeros((90, 160, 3), np.uint8)

    def jpeg(name: str) -> bytes:
        frame = a_frame(stream=StreamId(name), image_rgb=black)
        result = a_result(stream=StreamId(name))
        return paint.paint(frame, results=[result], incidents=[]).jpeg

    first = jpeg("s0")
    assert jpeg("s0") != first, "it has a past"
    for name in ("s1", "s2", "s3"):
        jpeg(name)
    assert jpeg("s0") == first, "its past was given up"


def test_results_of_other_streams_are_left_out() -> None:
    frame = a_frame(image_rgb=np.zeros((90, 160, 3), np.uint8))
    overlay = Painter(SETTINGS).paint(
        frame, results=[a_result(stream=StreamId("else"))], incidents=[]
    )
    assert overlay.results == ()
