"""A transcript that cannot be of this sound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.detectors.finding import Finding
from streammon.detectors.spoken_words import Heard, Said, compare, words_in

SLACK_S = 4.0


def sound(*speech_s: float | None) -> list[Heard]:
    """Windows of 2 s from 0 on."""
    return [Heard(2.0 * at, 2.0 * at + 2.0, each) for at, each in enumerate(speech_s)]


def judged(heard: list[Heard], said: list[Said]) -> Finding | str:
    return compare(heard, said, start_s=6.0, end_s=16.0, slack_s=SLACK_S)


@pytest.mark.parametrize(
    ("text", "words"),
    [("hello, world!", 2), ("don't", 1), ("", 0), ("?!...", 0), ("今日は良い", 2.5), ("a 1", 2)],
)
def test_words_are_counted_about(text: str, words: float) -> None:
    assert words_in(text) == words


@pytest.mark.parametrize(
    ("speech_s", "said", "cause"),
    [
        (1.5, [Said(8.0, 12), Said(12.0, 10)], None),
        (0.0, [Said(8.0, 12)], "words_without_speech"),
        (1.5, [], "speech_without_words"),
        (0.2, [Said(8.0, 60)], "impossible_rate"),
        (0.0, [Said(8.0, 3)], None),
        (1.5, [Said(17.0, 5)], None),
    ],
)
def test_what_cannot_be_is_named(speech_s: float, said: list[Said], cause: str | None) -> None:
    found = judged(sound(*[speech_s] * 11), said)
    assert isinstance(found, Finding)
    assert found.cause == cause
    assert (found.confidence >= 0.6) == (cause is not None)


def test_words_are_forgiven_if_someone_speaks_near_them() -> None:
    heard = sound(0, 1.9, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert judged(heard, [Said(8.0, 12)]) == Finding(None, 0.02, {"words": 12, "speech_s": 0.0})


def test_it_abstains_rather_than_guess() -> None:
    assert judged([], [Said(8.0, 9)]) == "no sound was heard at that time"
    assert judged(sound(*[0.0] * 11), []) == "neither speech nor words"
    unclear = judged(sound(*[1.0] * 5, None, *[1.0] * 5), [Said(8.0, 9)])
    assert isinstance(unclear, str)
    assert "cannot be told" in unclear


@given(
    st.lists(st.floats(0, 2), min_size=11, max_size=11),
    st.lists(st.tuples(st.floats(0, 20), st.integers(1, 400)), max_size=8),
)
def test_the_confidence_is_one_and_a_cause_is_surer_than_none(
    speech_s: list[float], lines: list[tuple[float, int]]
) -> None:
    found = judged(sound(*speech_s), [Said(at_s, words) for at_s, words in lines])
    if isinstance(found, Finding):
        assert 0.0 < found.confidence < 1.0
        assert (found.confidence >= 0.6) == (found.cause is not None)
