"""The sentences that say why."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.alerts.reasons import (
    CAUSES,
    MOST_CAUSE,
    cleared_because,
    ended_because,
    raised_because,
)
from streammon.core.types import DetectionResult, Json
from streammon.detectors.freeze import CAUSES as CAUSES_OF_FREEZE
from tests.fakes import a_result


def results(kind: str, scores: list[float], **more: Json) -> list[DetectionResult]:
    return [
        a_result(kind=kind, start_s=1.5 * at, end_s=1.5 * at + 2, confidence=score, details=more)
        for at, score in enumerate(scores)
    ]


def raised(found: list[DetectionResult]) -> str:
    return raised_because(found, level=1.2, clear_s=4.0)


def test_a_voice_is_told_by_count_length_and_strength() -> None:
    found = results("voice_spoof", [0.2, 0.9, 0.95, 0.95])
    assert raised(found) == (
        "Speech carries vocoder artefacts: 3 of 4 windows over 6 s, mean probability 0.75; "
        "evidence at 1.2 of the alarm level; clears after 4 s of clean windows."
    )


def test_evidence_below_the_alarm_level_is_called_fading() -> None:
    found = results("voice_spoof", [0.9, 0.2])
    assert "evidence fading, at 0.4 of" in raised_because(found, level=0.4, clear_s=4.0)


def test_evidence_from_before_a_reconnect_is_told_apart() -> None:
    why = raised_because(
        results("freeze", [0.9], cause="looped"), level=1.5, clear_s=4.0, carried=True
    )
    assert why == (
        "The picture repeats itself: 1 of 1 window over 2 s since the stream began anew, mean "
        "probability 0.90; evidence, part of it from before, at 1.5 of the alarm level; "
        "clears after 4 s of clean windows."
    )
    faded = raised_because(results("freeze", [0.9]), level=0.4, clear_s=4.0, carried=True)
    assert "; evidence fading, part of it from before, at 0.4 of" in faded


def test_a_freeze_is_told_by_its_cause() -> None:
    found = results("freeze", [0.97, 0.98], cause="frozen", for_s=9.2)
    assert raised(found).startswith("The picture is frozen for 9 s: 2 of 2 windows")
    assert raised(results("freeze", [0.9], cause="stuck")).startswith("The sound is stuck: ")
    assert raised(results("freeze", [0.9], cause=None)).startswith("Picture or sound is not live: ")
    assert raised(results("freeze", [0.9], cause="new words")).startswith("New words: ")


def test_every_cause_that_the_freeze_detector_finds_has_words() -> None:
    assert set(CAUSES_OF_FREEZE) == set(CAUSES)


def group(**more: Json) -> Json:
    return {"accounts": 14, "size": 20, "first_s": 3.0, "last_s": 11.2, "disguised": 9, **more}


def test_a_flood_is_told_by_the_numbers_of_its_strongest_group() -> None:
    found = results("chat_flood", [0.97], groups=[group(), group(accounts=2)])
    assert raised(found).startswith(
        "14 accounts posted 20 near-identical messages within 8 s (9 disguised): 1 of 1 window"
    )
    found = results("chat_flood", [0.97], groups=[group(accounts=1, disguised=0, last_s=3.0)])
    assert raised(found).startswith(
        "1 account posted 20 near-identical messages within 1 s: 1 of 1 window"
    )


def test_a_kind_of_its_own_is_told_by_its_name() -> None:
    assert raised(results("lip_sync", [0.9])).startswith("Lip sync: ")
    assert raised(results("", [0.9])).startswith("Synthetic media: ")


def test_the_strongest_window_gives_the_words() -> None:
    weak, strong = results("freeze", [0.6, 0.9])
    weak = a_result(kind="freeze", confidence=0.6, details={"cause": "weak"})
    strong = a_result(kind="freeze", confidence=0.9, details={"cause": "strong"})
    assert raised([strong, weak]).startswith("Strong: ")


@pytest.mark.parametrize("odd", [True, "14", None, -3, math.nan, math.inf, [14], 0])
def test_a_number_that_is_none_is_left_out(odd: Json) -> None:
    plain = "Accounts post near-identical messages: "
    assert raised(results("chat_flood", [0.9], groups=[group(accounts=odd)])).startswith(plain)


@pytest.mark.parametrize("odd", [None, [], {}, 3, [3], "groups", [{}], [None]])
def test_groups_that_are_none_are_left_out(odd: Json) -> None:
    plain = "Accounts post near-identical messages: "
    assert raised(results("chat_flood", [0.9], groups=odd)).startswith(plain)


@given(st.text(max_size=400))
def test_a_cause_is_one_short_line(cause: str) -> None:
    sentence = raised(results("freeze", [0.9], cause=cause))
    assert sentence.isprintable()
    assert len(sentence) < MOST_CAUSE + 200


def test_a_chat_detector_cannot_bring_text_into_the_sentence() -> None:
    found = results("chat_flood", [0.9], cause="buy now", groups=[group(text="buy now")])
    assert "buy" not in raised(found)


def test_the_end_says_what_was_seen_and_how_long_it_lasted() -> None:
    clean = results("voice_spoof", [0.1, 0.05, 0.06])
    assert cleared_because(clean, lasted_s=23.4) == (
        "Clear again: 0 of 3 windows over 5 s, mean probability 0.07. It lasted 23 s."
    )
    assert cleared_because([], lasted_s=3.0) == "Clear again: nothing more was seen. It lasted 3 s."
    assert ended_because("the stream\nended", lasted_s=3.0) == (
        "Closed, not cleared: the stream ended. It lasted 3 s."
    )
    assert "the stream ended" in ended_because("", lasted_s=3.0)
