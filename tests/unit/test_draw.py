"""The drawn picture: what is in it, where, and that it can be read."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streammon.core.types import Alert, AlertState, Region, Severity, StreamId, VideoFrame
from streammon.overlay.draw import clock_text, colour_of, draw, title_of
from tests.contrast import contrast, luminance
from tests.fakes import CAM, a_frame, a_result

SCORES = [0.1, None, 0.4, 0.9]


def picture(level: int = 128, *, size: tuple[int, int] = (720, 1280), **more: Any) -> VideoFrame:
    image_rgb = np.full((*size, 3), level, np.uint8)
    image_rgb.flags.writeable = False
    return a_frame(media_s=75.3, image_rgb=image_rgb, **more)


def busy(size: tuple[int, int] = (360, 640)) -> VideoFrame:
    image_rgb = np.random.default_rng(1).integers(0, 256, (*size, 3), np.uint8)
    image_rgb.flags.writeable = False
    return a_frame(media_s=75.3, image_rgb=image_rgb)


def alert(severity: Severity = Severity.CRITICAL, **more: Any) -> Alert:
    return Alert(
        **{
            "alert_id": "a",
            "incident_id": "i",
            "stream": CAM,
            "kind": "voice_spoof",
            "state": AlertState.OPENED,
            "severity": severity,
            "evidence_level": 1.4,
            "opened_s": 70.0,
            "media_s": 75.0,
            "epoch": 0,
            "captured_ns": 1,
            "why": "Speech carries vocoder artefacts: 6 of 7 windows over 10 s.",
            **more,
        }
    )


def drawn(frame: VideoFrame, **more: Any) -> NDArray[np.uint8]:
    given_ = {"results": [], "history": SCORES, "incidents": [], "width": 640, **more}
    return draw(frame, **given_)


@pytest.mark.parametrize("width", [64, 160, 640, 1920])
def test_the_picture_has_the_width_that_was_asked_for_and_its_own_shape(width: int) -> None:
    image_rgb = drawn(picture(), results=[a_result()], incidents=[alert()], width=width)
    assert image_rgb.shape == (round(width * 720 / 1280), width, 3)
    assert image_rgb.dtype == np.uint8


@pytest.mark.parametrize("size", [(1, 1), (2000, 3), (3, 2000), (54, 96)])
def test_pictures_of_odd_shapes_are_drawn_within_bounds(size: tuple[int, int]) -> None:
    image_rgb = drawn(picture(size=size), results=[a_result()], incidents=[alert()], width=320)
    height_px, width_px = image_rgb.shape[:2]
    assert 1 <= width_px <= 320
    assert 1 <= height_px <= 640


@pytest.mark.parametrize("width", [640, 320])
def test_the_frame_itself_is_left_as_it_was(width: int) -> None:
    frame = picture(size=(360, 640))
    before = frame.image_rgb.copy()
    image_rgb = drawn(frame, results=[a_result()], incidents=[alert()], width=width)
    assert np.array_equal(frame.image_rgb, before)
    assert not np.shares_memory(image_rgb, frame.image_rgb)


def test_the_same_input_gives_the_same_picture() -> None:
    results = [a_result(regions=(Region(0.2, 0.2, 0.6, 0.9, "face", 0.9),))]
    first = drawn(busy(), results=results, incidents=[alert()])
    assert np.array_equal(first, drawn(busy(), results=results, incidents=[alert()]))


@pytest.mark.parametrize("severity", list(Severity))
@pytest.mark.parametrize("width", [160, 640])
def test_an_open_incident_is_a_banner_of_its_severity_that_can_be_read(
    severity: Severity, width: int
) -> None:
    with_it = drawn(busy(), incidents=[alert(severity)], width=width)
    banner = with_it[: width // 20]
    colours, counts = np.unique(banner.reshape(-1, 3), axis=0, return_counts=True)
    ground = colours[counts.argmax()]
    assert counts.max() > banner.shape[0] * banner.shape[1] / 2, "one plain ground"
    inks = [contrast(luminance(colour), luminance(ground)) for colour in colours]
    assert max(inks) > 5.0


def test_severities_differ_in_more_than_words() -> None:
    grounds = [drawn(picture(), incidents=[alert(severity)])[2, 2] for severity in Severity]
    assert len({tuple(ground) for ground in grounds}) == len(Severity)


def test_no_banner_for_what_is_closed_or_of_another_stream() -> None:
    plain = drawn(busy())
    for other in (alert(state=AlertState.CLOSED), alert(stream=StreamId("else"))):
        assert np.array_equal(drawn(busy(), incidents=[other]), plain)


def test_the_most_severe_incident_is_the_one_that_is_shown() -> None:
    both = [alert(Severity.INFO, kind="freeze"), alert(Severity.CRITICAL)]
    ground = drawn(picture(), incidents=both)[2, 2]
    assert np.array_equal(ground, drawn(picture(), incidents=[alert()])[2, 2])


def test_results_of_another_stream_are_not_drawn() -> None:
    other = a_result(stream=StreamId("else"), regions=(Region(0.1, 0.1, 0.9, 0.9),))
    assert np.array_equal(drawn(busy(), results=[other]), drawn(busy()))


@pytest.mark.parametrize("level", [0, 255])
def test_scores_stand_on_a_dark_plate_whatever_is_behind(level: int) -> None:
    image_rgb = drawn(picture(level), results=[a_result(confidence=0.95)])
    row = image_rgb[-12, :330].astype(float)
    plate = min(luminance(pixel) for pixel in row)
    bar = luminance(colour_of(0.95))
    assert plate < 0.05
    assert contrast(plate, bar) > 4.5
    assert (image_rgb[-30:, :400] == colour_of(0.95)).all(axis=2).sum() > 50, "the bar"


def test_a_higher_score_has_a_longer_bar() -> None:
    def filled(score: float) -> int:
        image_rgb = drawn(picture(0), results=[a_result(confidence=score)], history=[])
        return int((image_rgb == colour_of(score)).all(axis=2).sum())

    assert filled(0.85) < filled(0.92) < filled(0.99)


def test_an_abstention_has_no_bar_but_its_reason() -> None:
    silent = a_result(confidence=None, abstained="no speech")
    image_rgb = drawn(picture(0), results=[silent], history=[])
    other = a_result(confidence=None, abstained="music")
    for score in (0.1, 0.6, 0.9):
        assert not (image_rgb == colour_of(score)).all(axis=2).any()
    assert not np.array_equal(image_rgb, drawn(picture(0), results=[other], history=[]))


def test_a_region_is_outlined_where_it_is() -> None:
    region = Region(0.25, 0.25, 0.75, 0.75, "face", 0.9)
    image_rgb = drawn(picture(), results=[a_result(regions=(region,))])
    colour = colour_of(0.9)
    assert tuple(image_rgb[180, 160]) == colour
    assert tuple(image_rgb[180, 479]) == colour
    assert tuple(image_rgb[180, 320]) == (128, 128, 128), "only outlined"
    upright = np.array_equal(
        image_rgb,
        drawn(
            picture(), results=[a_result(regions=(Region(0.75, 0.75, 0.25, 0.25, "face", 0.9),))]
        ),
    )
    assert upright, "corners in the other order are the same box"


numbers = st.floats(allow_nan=True, allow_infinity=True)


@settings(max_examples=40)
@given(numbers, numbers, numbers, numbers, st.text(max_size=99), st.integers(64, 500))
def test_no_region_and_no_text_can_break_the_picture(
    x1: float, y1: float, x2: float, y2: float, text: str, width: int
) -> None:
    frame = picture(stream=StreamId(text))
    results = [
        a_result(
            stream=frame.stream,
            kind=text,
            participant=text,
            regions=(Region(x1, y1, x2, y2, text, 0.5),),
        ),
        a_result(stream=frame.stream, confidence=None, abstained=text),
    ]
    bad = alert(stream=frame.stream, kind=text, why=text, opened_s=x1, media_s=y1)
    image_rgb = drawn(frame, results=results, incidents=[bad] * 3, width=width)
    assert image_rgb.shape[1] == width


def test_more_rows_than_fit_are_counted_instead_of_covering_the_picture() -> None:
    results = [a_result(kind=f"kind_{at}", confidence=at / 30) for at in range(30)]
    image_rgb = drawn(picture(200), results=results)
    assert (image_rgb[60:150] == 200).all(), "the upper half stays free"


def test_the_recent_past_is_a_line_that_breaks_where_nothing_was_scored() -> None:
    flat = drawn(picture(0), results=[a_result()], history=[0.5, 0.5, 0.5, 0.5])
    broken = drawn(picture(0), results=[a_result()], history=[0.5, None, None, 0.5])
    assert not np.array_equal(flat, broken)
    right = slice(420, 630)
    assert flat[-40:, right].sum() > broken[-40:, right].sum()


def test_a_damaged_frame_says_so() -> None:
    assert not np.array_equal(drawn(picture(damaged=True)), drawn(picture()))


@pytest.mark.parametrize(
    ("media_s", "text"),
    [
        (0.0, "0:00.0"),
        (59.96, "1:00.0"),
        (75.34, "1:15.3"),
        (3723.4, "1:02:03.4"),
        (-2.5, "-0:02.5"),
        (math.nan, "-:--"),
        (math.inf, "-:--"),
    ],
)
def test_media_time_reads_as_a_clock(media_s: float, text: str) -> None:
    assert clock_text(media_s) == text


def test_a_kind_is_written_as_people_write_it() -> None:
    assert title_of("voice_spoof") == "Voice spoof"
    assert title_of("") == ""
