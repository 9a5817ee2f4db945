"""What is asked of a caller."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.detectors.challenge.sequence import (
    COLOURS,
    GESTURES,
    STEP_S,
    STEPS,
    WORDS,
    css,
    draw,
    order,
    words_said,
)


@given(st.integers(), st.integers(1, 40))
def test_no_colour_follows_itself(seed: int, steps: int) -> None:
    drawn = order(Random(seed), steps)
    assert len(drawn) == steps
    assert all(before != after for before, after in pairwise(drawn))
    assert set(drawn) <= set(range(len(COLOURS)))


def test_a_challenge_is_drawn_whole() -> None:
    asked = draw(Random(1))
    assert len(asked.colours) == STEPS
    assert asked.gesture in GESTURES
    assert set(asked.phrase.split()) <= set(WORDS)
    assert len({draw(Random(seed)).colours for seed in range(200)}) == 200


def test_the_screen_changes_too_slowly_to_flicker() -> None:
    """Two changes make a flash; WCAG 2.3 sets three flashes a second."""
    assert 1 / (2 * STEP_S) < 3
    assert css(0) == "#ff0000"
    assert css(3) == "#00ffff"


@pytest.mark.parametrize(
    ("heard", "share"),
    [
        (["amber river candle"], 1.0),
        (["Well, Amber.", "the river; CANDLE?"], 1.0),
        (["amber candle"], 2 / 3),
        (["candle river amber"], 1 / 3),
        (["amber amber amber"], 1 / 3),
        (["something else"], 0.0),
        ([], 0.0),
    ],
)
def test_a_phrase_is_heard_in_its_order(heard: list[str], share: float) -> None:
    assert words_said("amber river candle", heard) == pytest.approx(share)
