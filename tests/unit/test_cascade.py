"""A cheap detector first, a deep one for what it cannot tell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streammon.core.errors import Permanent
from streammon.core.types import DetectionResult, Window
from streammon.detectors.cascade import Cascade, CascadeConfig, CascadeStats
from tests.panelists import Distant, Panelist, shot


def cascade(first: Panelist, then: Panelist, **settings: Any) -> Cascade:
    config = CascadeConfig(first=first.name, then=then.name, **settings)
    detector = config.build("guard", {first.name: first, then.name: then})
    detector.load("cpu")
    return detector


def boom(batch: Sequence[Window]) -> Sequence[DetectionResult]:
    raise RuntimeError("boom")


def history(detector: Cascade, *levels: float) -> list[DetectionResult]:
    """One stream, window after window."""
    return [
        result
        for at, level in enumerate(levels)
        for result in detector.score([shot(level, start_s=2.0 * at)])
    ]


@pytest.mark.parametrize(
    ("level", "stage", "confidence"),
    [(0.1, "first", 0.1), (0.5, "then", 0.77), (0.9, "first", 0.9), (0.6, "then", 0.77)],
)
def test_only_the_uncertain_go_deeper(level: float, stage: str, confidence: float) -> None:
    quick, deep = Panelist("quick"), Panelist("deep", says=0.77)
    (result,) = history(cascade(quick, deep), level)
    assert result.confidence == pytest.approx(confidence, abs=0.01)
    assert result.details["stage"] == stage
    assert result.details["decided_by"] == ("deep" if stage == "then" else "quick")
    assert len(deep.seen) == (stage == "then")


def test_the_uncertain_of_a_batch_go_on_in_one_batch() -> None:
    quick, deep = Panelist("quick"), Panelist("deep", says=0.9)
    detector = cascade(quick, deep)
    windows = [
        shot(level, stream=f"s{at}") for at, level in enumerate((0.1, 0.4, 0.9, 0.6, 0.05, 0.5))
    ]
    results = detector.score(windows)
    assert [[window.stream for window in batch] for batch in deep.seen] == [["s1", "s3", "s5"]]
    assert [result.stream for result in results] == [window.stream for window in windows]
    assert [result.details["stage"] for result in results] == [
        "first", "then", "first", "then", "first", "then",
    ]  # fmt: skip
    assert detector.stats() == CascadeStats(windows=6, uncertain=3, decided_deep=3)
    assert detector.stats().escalated_share == 0.5
    assert {result.details["escalated_share"] for result in results} == {0.5}


def test_the_deep_batch_is_bounded_by_its_own_limit() -> None:
    deep = Panelist("deep", says=0.9, max_batch=2)
    cascade(Panelist("quick"), deep).score([shot(0.5, stream=f"s{at}") for at in range(5)])
    assert [len(batch) for batch in deep.seen] == [2, 2, 1]


def test_rising_evidence_goes_deeper_though_the_first_is_sure() -> None:
    deep = Panelist("deep", says=0.5)
    detector = cascade(Panelist("quick"), deep)
    results = history(detector, 0.02, 0.02, 0.02, 0.2, 0.02, 0.95, 0.95, 0.95, 0.95, 0.95)
    assert [result.details["asked_because"] for result in results] == [
        None, None, None, "rising", None, "rising", "rising", "rising", "rising", None,
    ]  # fmt: skip
    assert detector.stats().rising == 5
    assert detector.stats().uncertain == 0


def test_what_rises_from_almost_nothing_to_very_little_does_not_count() -> None:
    deep = Panelist("deep")
    history(cascade(Panelist("quick"), deep), 0.0, 0.0, 0.09, 0.0)
    assert deep.seen == []


def test_each_participant_rises_alone_and_an_epoch_begins_anew() -> None:
    deep = Panelist("deep", says=0.5)
    detector = cascade(Panelist("quick"), deep)
    history(detector, 0.02, 0.02)
    assert detector.score([shot(0.2, stream="other")])[0].details["stage"] == "first"
    assert detector.score([shot(0.2, epoch=1)])[0].details["stage"] == "first"


def test_nothing_rises_where_it_is_switched_off() -> None:
    deep = Panelist("deep")
    history(cascade(Panelist("quick"), deep, rising_nats=None), 0.02, 0.02, 0.95)
    assert deep.seen == []


@pytest.mark.parametrize(
    ("deep", "how"),
    [
        (Panelist("deep", silent="no face"), "deep abstained: no face"),
        (Panelist("deep", act=boom), "deep failed: RuntimeError: boom"),
    ],
)
def test_where_the_deep_one_says_nothing_the_first_stands(deep: Panelist, how: str) -> None:
    (result,) = history(cascade(Panelist("quick"), deep), 0.6)
    assert result.confidence == pytest.approx(0.6)
    assert result.details["decided_by"] == "quick"
    assert result.details["note"] == f"{how}; quick stands"


def test_where_the_first_says_nothing_neither_does_the_cascade_unless_told() -> None:
    first, deep = Panelist("quick", silent="no speech"), Panelist("deep", says=0.9)
    (result,) = history(cascade(first, deep), 0.5)
    assert result.abstained == "quick: no speech"
    assert deep.seen == []
    detector = cascade(first, deep, ask_when_silent=True)
    (result,) = history(detector, 0.5)
    assert result.confidence == 0.9
    assert detector.stats().silent == 1


def test_a_failing_first_stage_is_an_abstention_with_its_cause() -> None:
    (result,) = history(cascade(Panelist("quick", act=boom), Panelist("deep")), 0.5)
    assert result.abstained == "quick: failed RuntimeError: boom"
    assert result.details["decided_by"] is None


def test_the_first_must_load_the_deep_one_need_not() -> None:
    class Lost(Panelist):
        def load(self, device: str) -> None:
            raise Permanent("no weights")

    (result,) = history(cascade(Panelist("quick"), Lost("deep")), 0.5)
    assert result.confidence == pytest.approx(0.5, abs=0.01)
    assert "not loaded" in str(result.details["note"])
    with pytest.raises(Permanent, match="quick not loaded"):
        cascade(Lost("quick"), Panelist("deep"))


def test_a_remote_second_stage_makes_it_wait_elsewhere() -> None:
    quick, deep = Panelist("quick"), Distant("deep", max_batch=3)
    assert cascade(quick, deep).longest_wait_s == 30.0 + 3 * 4.0


@given(
    st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=5), min_size=1, max_size=6),
    st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda band: band[0] < band[1]),
)
def test_every_window_is_decided_once_and_counted(
    rounds: list[list[float]], band: tuple[float, float]
) -> None:
    quick, deep = Panelist("quick"), Panelist("deep", says=0.5)
    detector = cascade(quick, deep, band=band)
    for turn, levels in enumerate(rounds):
        windows = [
            shot(level, stream=f"s{at}", start_s=2.0 * turn) for at, level in enumerate(levels)
        ]
        for window, result in zip(windows, detector.score(windows), strict=True):
            said = quick.of(window).confidence
            assert said is not None
            if band[0] <= said <= band[1]:
                assert result.details["stage"] == "then"
    stats = detector.stats()
    assert stats.windows == sum(map(len, rounds))
    assert stats.escalated == sum(map(len, deep.seen)) == stats.decided_deep


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"first": "a", "then": "a"}, "already the first"),
        ({"first": "a", "then": "b", "band": [0.7, 0.3]}, "low < high"),
        ({"first": "a", "then": "b", "band": [0.1, 1.3]}, "low < high"),
        ({"first": "a"}, "then"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        CascadeConfig.model_validate({"type": "cascade", **settings})
