"""Drawing that can be read on any background."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streammon.overlay.draw import colour_of
from streammon.overlay.pen import GREY, TRACK, WHITE, Pen, printable
from tests.contrast import contrast, luminance


def blank(level: int = 0, *, width: int = 200, height: int = 100) -> NDArray[np.uint8]:
    return np.full((height, width, 3), level, np.uint8)


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (255, 255, 0), (128, 128, 128)])
def test_text_on_a_plate_has_the_contrast_that_is_promised(
    background: tuple[int, int, int],
) -> None:
    image_rgb = blank()
    image_rgb[:] = background
    Pen(image_rgb, text_px=14).plate(20, 20, 80, 60)
    plate = luminance(image_rgb[40, 40])
    assert contrast(luminance(WHITE), plate) > 7.0
    for colour in (GREY, colour_of(0.1), colour_of(0.6), colour_of(0.99)):
        assert contrast(luminance(colour), plate) > 4.5
    assert tuple(image_rgb[10, 10]) == background, "nothing beside the plate changes"


@given(st.text(max_size=300), st.integers(0, 300))
def test_fitted_text_is_never_wider_than_asked(text: str, most_px: int) -> None:
    pen = Pen(blank(), text_px=14)
    fitted = pen.fitted(text, most_px)
    assert fitted == "" or pen.width_of(fitted) <= most_px
    assert fitted.isprintable()


def test_text_that_fits_is_left_alone_and_what_does_not_says_so() -> None:
    pen = Pen(blank(), text_px=14)
    assert pen.fitted("Voice spoof", 200) == "Voice spoof"
    cut = pen.fitted("a name that is far too long for this", 90)
    assert cut.endswith("…")
    assert pen.fitted("anything", 2) == ""


@given(st.text(max_size=300))
def test_printable_text_is_one_bounded_line(text: str) -> None:
    shown = printable(text)
    assert len(shown) <= 200
    assert shown.isprintable()


@given(*[st.integers(-300, 500)] * 4)
def test_whatever_lies_outside_is_clipped(x1: int, y1: int, x2: int, y2: int) -> None:
    pen = Pen(blank(), text_px=14)
    pen.plate(x1, y1, x2, y2)
    pen.fill(x1, y1, x2, y2, WHITE)
    pen.frame(x1, y1, x2, y2, WHITE)
    pen.text("text", (x1, y1), WHITE)
    pen.curve([(x1, y1), (x2, y2)], WHITE)
    pen.dot((x1, y1), WHITE)
    assert pen.image_rgb.shape == (100, 200, 3)


def test_a_bar_is_filled_to_its_share() -> None:
    pen = Pen(blank(), text_px=14)
    pen.bar(0, 10, 100, 14, share=0.25, colour=WHITE)
    line = pen.image_rgb[12, :100]
    assert np.count_nonzero((line == WHITE).all(axis=1)) == 25
    assert np.count_nonzero((line == TRACK).all(axis=1)) == 75


def test_text_is_written_with_letters_of_any_script() -> None:
    inks = []
    for text in ("voice", "голос", "声音"):
        image_rgb = blank()
        Pen(image_rgb, text_px=20).text(text, (10, 10), WHITE)
        inks.append(int(image_rgb.sum()))
        assert image_rgb[:, 10:].any()
    assert len(set(inks)) == 3
