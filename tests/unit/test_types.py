"""The values that flow: what they refuse, and what they work out of themselves."""

from __future__ import annotations

import dataclasses
import inspect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core import types
from streammon.core.types import WindowSpec, WindowUnit
from tests.fakes import RATE_HZ, a_chunk, a_frame, a_result, a_window

VALUES = [kind for _, kind in inspect.getmembers(types, dataclasses.is_dataclass)]


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_every_value_is_frozen_and_slotted(kind: type) -> None:
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]
    assert "__slots__" in vars(kind)


def test_a_frame_cannot_be_drawn_on() -> None:
    with pytest.raises(ValueError, match="read-only"):
        a_frame().image_rgb[0, 0] = 255


def test_a_chunk_lasts_as_long_as_its_samples() -> None:
    assert a_chunk(duration_s=0.25).duration_s == pytest.approx(0.25)
    assert len(a_chunk(duration_s=0.25).pcm) == RATE_HZ // 4


def test_a_window_is_as_old_as_its_newest_item() -> None:
    old, new = a_frame(0, captured_ns=5), a_frame(1, captured_ns=7)
    assert a_window(old, new).captured_ns == 7


@given(length=st.floats(0.001, 1e6), share=st.floats(0.0, 1.0, exclude_max=True))
def test_a_hop_and_its_overlap_make_the_length(length: float, share: float) -> None:
    overlap = math.nextafter(length * share, 0.0) if share else 0.0
    spec = WindowSpec(length, overlap)
    assert 0 < spec.hop <= length
    assert spec.hop + spec.overlap == pytest.approx(length)


@pytest.mark.parametrize(
    ("length", "overlap"), [(1.0, 1.0), (1.0, 2.0), (1.0, -0.1), (0.0, 0.0), (math.nan, 0.0)]
)
def test_a_window_that_would_not_move_on_is_refused(length: float, overlap: float) -> None:
    with pytest.raises(ValueError, match=r"overlap must be in \[0, length\)"):
        WindowSpec(length, overlap)


def test_frames_cannot_be_wanted_backwards() -> None:
    with pytest.raises(ValueError, match="frame_interval_s must be positive"):
        WindowSpec(8, 4, WindowUnit.FRAMES, frame_interval_s=0.0)


@pytest.mark.parametrize("confidence", [-0.01, 1.01, math.nan, math.inf])
def test_a_confidence_is_a_probability(confidence: float) -> None:
    with pytest.raises(ValueError, match=r"not in 0\.\.1"):
        a_result(confidence=confidence)


def test_a_detector_either_judges_or_says_why_not() -> None:
    with pytest.raises(ValueError, match="either a confidence or a reason"):
        a_result(confidence=None)
    with pytest.raises(ValueError, match="either a confidence or a reason"):
        a_result(confidence=0.5, abstained="too dark")
    assert a_result(confidence=None, abstained="too dark").abstained == "too dark"
