"""Results of many windows become one verdict: laws of pooling."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import DetectionResult, Modality
from streammon.pipelines.verdict import MOST_REASONS, Pool, mean_confidence, pooled
from tests.fakes import CAM

CONFIDENCES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30)
HOW = st.sampled_from(["log_odds", "max", "mean"])


def a_result(
    confidence: float | None,
    *,
    detector: str = "ear",
    threshold: float | None = None,
    modality: Modality = Modality.AUDIO,
    abstained: str = "silence",
) -> DetectionResult:
    generated = None
    if confidence is not None and threshold is not None:
        generated = confidence >= threshold
    return DetectionResult(
        stream=CAM,
        detector=detector,
        kind="voice_spoof",
        modality=modality,
        epoch=0,
        start_s=0.0,
        end_s=1.0,
        captured_ns=0,
        confidence=confidence,
        model_used="m1",
        is_ai_generated=generated,
        abstained=abstained if confidence is None else None,
    )


@given(confidences=CONFIDENCES, how=HOW)
def test_the_verdict_lies_among_its_windows(confidences: list[float], how: Pool) -> None:
    (verdict,) = pooled([a_result(confidence) for confidence in confidences], how)
    assert verdict.confidence is not None
    assert min(confidences) - 1e-5 <= verdict.confidence <= max(confidences) + 1e-5
    assert (verdict.windows, verdict.scored) == (len(confidences), len(confidences))


@given(confidences=CONFIDENCES, how=HOW, data=st.data())
def test_the_order_of_windows_and_abstentions_change_nothing(
    confidences: list[float], how: Pool, data: st.DataObject
) -> None:
    results = [a_result(confidence, threshold=0.7) for confidence in confidences]
    mixed = data.draw(st.permutations([*results, a_result(None), a_result(None)]))
    (plain,), (shuffled,) = pooled(results, how), pooled(mixed, how)
    assert shuffled.confidence == pytest.approx(plain.confidence, abs=1e-9)
    assert shuffled.windows == plain.windows + 2
    assert shuffled.scored == plain.scored


@given(confidence=st.floats(0.0, 1.0), count=st.integers(1, 200))
def test_more_of_the_same_makes_nothing_surer(confidence: float, count: int) -> None:
    (verdict,) = pooled([a_result(confidence, threshold=0.6)] * count)
    assert verdict.confidence == pytest.approx(confidence, abs=1e-5)
    assert verdict.is_ai_generated is (confidence >= 0.6)


@given(confidences=CONFIDENCES, threshold=st.floats(0.05, 0.95), how=HOW)
def test_generated_is_what_most_windows_are_called(
    confidences: list[float], threshold: float, how: Pool
) -> None:
    (verdict,) = pooled([a_result(one, threshold=threshold) for one in confidences], how)
    share = sum(one >= threshold for one in confidences) / len(confidences)
    if share > 0.5:
        assert verdict.is_ai_generated is True
    elif share == 0:
        assert verdict.is_ai_generated is False
    elif how == "max":
        assert verdict.is_ai_generated is True
    elif share < 0.5:
        assert verdict.is_ai_generated is False


def test_the_mean_of_log_odds_by_hand() -> None:
    """Odds of 9 and of 1/3: their geometric mean is the square root of 3."""
    (verdict,) = pooled([a_result(0.9), a_result(0.25)])
    odds = math.sqrt(3.0)
    assert verdict.confidence == pytest.approx(odds / (1 + odds))
    assert mean_confidence([0.9, 0.25]) == pytest.approx(odds / (1 + odds))


def test_a_detector_that_says_nothing_of_generation_is_not_made_to() -> None:
    (verdict,) = pooled([a_result(0.99)])
    assert verdict.is_ai_generated is None


def test_when_all_windows_abstain_so_does_the_verdict_with_the_commonest_reason() -> None:
    reasons = ["music", "silence", "silence"]
    (verdict,) = pooled([a_result(None, abstained=reason) for reason in reasons])
    assert (verdict.confidence, verdict.is_ai_generated) == (None, None)
    assert verdict.abstained == "silence"
    assert verdict.details == {"abstentions": {"music": 1, "silence": 2}}
    assert (verdict.windows, verdict.scored) == (3, 0)


def test_reasons_without_end_are_counted_together() -> None:
    many = [a_result(None, abstained=f"reason {n}") for n in range(MOST_REASONS + 50)]
    (verdict,) = pooled(many)
    counted = verdict.details["abstentions"]
    assert isinstance(counted, dict)
    assert len(counted) == MOST_REASONS + 1
    assert counted["other reasons"] == 50


def test_each_detector_and_modality_has_its_verdict_and_json_holds_it() -> None:
    verdicts = pooled(
        [
            a_result(0.9, detector="a"),
            a_result(0.2, detector="b"),
            a_result(0.4, detector="a", modality=Modality.VIDEO),
        ]
    )
    assert [(one.detector, one.modality) for one in verdicts] == [
        ("a", Modality.AUDIO),
        ("b", Modality.AUDIO),
        ("a", Modality.VIDEO),
    ]
    fields = json.loads(json.dumps(verdicts[0].to_json()))
    assert fields["confidence"] == pytest.approx(0.9)
    assert fields["modality"] == "audio"
    assert fields["details"]["peak"]["end_s"] == 1.0


def test_json_holds_no_number_that_is_none() -> None:
    odd = replace(a_result(0.5), details={"logit": math.nan, "scores": [math.inf, 1.0]})
    (verdict,) = pooled([odd])
    text = json.dumps(verdict.to_json(), allow_nan=False)
    assert json.loads(text)["details"]["peak"]["details"] == {"logit": None, "scores": [None, 1.0]}
