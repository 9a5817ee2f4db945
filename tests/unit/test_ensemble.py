"""Several detectors heard together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streammon.core.errors import ConfigError, Permanent
from streammon.core.ports import Elsewhere, Evictable, Repeatable
from streammon.core.types import DetectionResult, Modality, Window, WindowSpec
from streammon.detectors.ensemble import Ensemble, EnsembleConfig
from tests.panelists import Distant, Panelist, Weighty, shot


def ensemble(*panelists: Panelist, **settings: Any) -> Ensemble:
    config = EnsembleConfig(members=tuple(each.name for each in panelists), **settings)
    return config.build("panel", {each.name: each for each in panelists})


def loaded(*panelists: Panelist, **settings: Any) -> Ensemble:
    detector = ensemble(*panelists, **settings)
    detector.load("cpu")
    return detector


def say(*confidences: float | None) -> list[Panelist]:
    return [
        Panelist(f"m{at}", says=said, silent="nothing to see" if said is None else None)
        for at, said in enumerate(confidences)
    ]


def verdict(detector: Ensemble) -> DetectionResult:
    (result,) = detector.score([shot(0.5)])
    return result


def boom(batch: Sequence[Window]) -> Sequence[DetectionResult]:
    raise RuntimeError("boom")


def test_the_weighted_answer_is_the_mean_of_log_odds() -> None:
    result = verdict(loaded(*say(0.9, 0.2), weights={"m0": 2.0}))
    assert result.confidence == pytest.approx((81 * 0.25) ** (1 / 3) / (1 + (81 / 4) ** (1 / 3)))
    assert result.is_ai_generated is True
    assert result.details["disagreement"] == 0.7
    assert result.details["members"] == [
        {"member": "m0", "said": "spoke", "confidence": 0.9, "model": "m0@1", "weight": 2.0},
        {"member": "m1", "said": "spoke", "confidence": 0.2, "model": "m1@1", "weight": 1.0},
    ]
    assert (result.detector, result.kind, result.model_used) == ("panel", "forged", "m0@1 + m1@1")


@pytest.mark.parametrize(
    ("mode", "said", "expected"),
    [
        ("majority", (0.9, 0.8, 0.1), 0.8),
        ("majority", (0.9, 0.2, 0.1), 0.2),
        ("majority", (0.9, 0.8, 0.3, 0.1), 0.3),
        ("majority", (0.9, None, 0.1), 0.1),
        ("unanimous", (0.9, 0.8, 0.6), 0.6),
        ("unanimous", (0.9, 0.8, 0.1), 0.1),
    ],
)
def test_votes(mode: str, said: tuple[float | None, ...], expected: float) -> None:
    assert verdict(loaded(*say(*said), mode=mode)).confidence == expected


@pytest.mark.parametrize(
    ("mode", "least", "said", "speaks"),
    [
        ("weighted", None, (0.9, None), True),
        ("weighted", None, (0.9, None, None), False),
        ("weighted", 1, (0.9, None, None), True),
        ("majority", None, (0.9, 0.8, None, None), True),
        ("unanimous", None, (0.9, None), False),
        ("unanimous", 1, (0.9, None), True),
        ("weighted", None, (None, None), False),
    ],
)
def test_too_few_that_spoke_make_it_abstain(
    mode: str, least: int | None, said: tuple[float | None, ...], speaks: bool
) -> None:
    result = verdict(loaded(*say(*said), mode=mode, least=least))
    assert (result.confidence is not None) == speaks
    if not speaks:
        assert "nothing to see" in (result.abstained or "")
        assert result.is_ai_generated is None


def test_it_goes_on_without_a_member_that_fails_and_says_so() -> None:
    broken = Panelist("broken", act=boom)
    detector = loaded(*say(0.9), broken)
    results = [detector.score([shot(start_s=2.0 * at)])[0] for at in range(5)]
    assert [result.confidence for result in results] == pytest.approx([0.9] * 5)
    assert [result.details["without"] for result in results] == [["broken"]] * 5
    said = [str(result.details["members"]) for result in results]
    assert all("RuntimeError: boom" in each for each in said)
    assert ["resting" in each for each in said] == [False, False, False, True, True]
    assert len(broken.seen) == 3


@given(
    st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=2, max_size=5),
    st.sampled_from(["weighted", "majority", "unanimous"]),
    st.integers(1, 2),
)
def test_a_silent_or_failing_member_changes_nothing_but_the_count(
    said: list[float | None], mode: str, least: int
) -> None:
    plain = verdict(loaded(*say(*said), mode=mode, least=least))
    more = [*say(*said), Panelist("mute", silent="no"), Panelist("broken", act=boom)]
    joined = verdict(loaded(*more, mode=mode, least=least))
    assert joined.confidence == plain.confidence
    spoke = [confidence for confidence in said if confidence is not None]
    assert (plain.confidence is not None) == (len(spoke) >= least)


def test_its_answer_is_experimental_where_all_who_spoke_are() -> None:
    weak, silent = Panelist("weak", says=0.9), Panelist("silent", silent="nothing to see")
    weak.act = lambda batch: [
        replace(result, details={"experimental": True}) for result in weak.plainly(batch)
    ]
    assert verdict(loaded(weak, silent)).experimental
    assert not verdict(loaded(weak, *say(0.9))).experimental


def test_a_batch_is_scored_as_a_batch_each_window_with_its_own_answer() -> None:
    members = [Panelist("a"), Panelist("b")]
    windows = [shot(level, stream=f"s{level}") for level in (0.2, 0.6, 1.0)]
    results = loaded(*members).score(windows)
    assert [result.stream for result in results] == [window.stream for window in windows]
    assert [result.confidence for result in results] == pytest.approx([0.2, 0.6, 0.999], abs=0.01)
    assert [[len(batch) for batch in member.seen] for member in members] == [[3], [3]]
    assert loaded(*members).score([]) == []


def test_members_keep_their_lengths_of_window() -> None:
    short = Panelist("short", inputs={Modality.VIDEO: WindowSpec(2.0, 0.5, frame_interval_s=0.5)})
    long = Panelist("long", inputs={Modality.VIDEO: WindowSpec(4.0, 1.0, frame_interval_s=1.0)})
    detector = loaded(short, long)
    assert detector.inputs[Modality.VIDEO] == WindowSpec(4.0, 2.5, frame_interval_s=0.5)
    (result,) = detector.score([shot(0.5, length_s=4.0)])
    assert (result.start_s, result.end_s) == (0.0, 4.0)
    assert [batch[0].start_s for batch in (*short.seen, *long.seen)] == [2.0, 0.0]


def test_it_is_what_its_members_are() -> None:
    plain, far, heavy = Panelist("a"), Distant("b"), Weighty("c", on_device=True)
    near = ensemble(plain, Panelist("d"))
    assert not isinstance(near, Elsewhere)
    assert not near.on_device
    assert not isinstance(near, Repeatable)
    both = loaded(plain, far, heavy)
    assert isinstance(both, Elsewhere)
    assert both.longest_wait_s == 4.0 + 2 * 30.0
    assert both.on_device
    assert isinstance(both, Evictable)
    assert both.resident_bytes == 1000
    both.unload()
    assert both.resident_bytes == 0
    hasty = ensemble(plain, far, answer_within_s=1.0)
    assert hasty.longest_wait_s == 2.0


def test_what_cannot_be_loaded_is_done_without_while_enough_are_left() -> None:
    class Lost(Panelist):
        def load(self, device: str) -> None:
            raise Permanent("no weights")

    result = verdict(loaded(*say(0.9), Lost("lost")))
    assert result.confidence == pytest.approx(0.9)
    assert "not loaded: Permanent: no weights" in str(result.details["members"])
    with pytest.raises(Permanent, match="too few members can be used: lost not loaded"):
        loaded(*say(0.9), Lost("lost"), least=2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"members": ["a", "a"]}, "each once"),
        ({"members": ["a"]}, "at least 2"),
        ({"members": ["a", "b"], "weights": {"c": 1}}, "c not among the members"),
        ({"members": ["a", "b"], "mode": "majority", "weights": {"a": 2}}, "mode weighted"),
        ({"members": ["a", "b"], "least": 3}, "only 2 members"),
        ({"members": ["a", "b"], "window": {"length": 2, "overlap": 2}}, "below length"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        EnsembleConfig.model_validate({"type": "ensemble", **settings})


def test_members_of_different_kinds_need_a_name_for_what_they_find() -> None:
    members = [Panelist("a", kind="face"), Panelist("b", kind="voice")]
    with pytest.raises(ConfigError, match="kind: the members say face and voice; name one"):
        ensemble(*members)
    assert ensemble(*members, kind="fake").kind == "fake"
