"""What a case knows: its evidence by voice, its times, its move to a new epoch."""

from __future__ import annotations

from typing import Any

import pytest

from streammon.alerts.case import FORGOTTEN_AFTER_S, MOST_SCORED, Case, severity_of
from streammon.alerts.sequential import CusumConfig
from streammon.core.types import DetectionResult, Modality, Severity
from tests.fakes import a_result

RULE = CusumConfig().build("default")


def heard(*results: DetectionResult) -> Case:
    case = Case(results[0].epoch, results[0].start_s)
    for result in results:
        case.hear(result, RULE)
    return case


def video(at_s: float, score: float, **more: Any) -> DetectionResult:
    return a_result(start_s=at_s, end_s=at_s + 1, confidence=score, **more)


def audio(at_s: float, score: float, **more: Any) -> DetectionResult:
    return video(at_s, score, modality=Modality.AUDIO, **more)


@pytest.mark.parametrize(
    ("level", "open_s", "expected"),
    [
        (1.0, 0.0, Severity.INFO),
        (1.99, 4.9, Severity.INFO),
        (2.0, 0.0, Severity.WARNING),
        (1.0, 5.0, Severity.WARNING),
        (0.99, 60.0, Severity.INFO),
        (3.0, 9.9, Severity.WARNING),
        (2.5, 10.0, Severity.CRITICAL),
        (2.4, 100.0, Severity.WARNING),
    ],
)
def test_the_ladder_of_severity(level: float, open_s: float, expected: Severity) -> None:
    assert severity_of(level, open_s=open_s) is expected


def test_each_voice_has_its_own_evidence_and_the_strongest_counts() -> None:
    case = heard(video(0, 0.99), audio(0, 0.01), video(1, 0.99), audio(1, 0.01))
    assert len(case.evidence) == 2
    assert case.strongest().alarm
    assert case.alarm_since_s == 2.0
    assert case.clear_since_s is None, "clean sound must not clear a frozen picture"


def test_a_voice_that_falls_silent_is_forgotten_while_others_go_on() -> None:
    case = heard(video(0, 0.99), video(1, 0.99), audio(1, 0.1))
    assert case.strongest().alarm
    case.hear(audio(2 + FORGOTTEN_AFTER_S, 0.1), RULE)
    assert [modality for _, modality in case.evidence] == [Modality.AUDIO]
    assert case.alarm_since_s is None


def test_what_backs_the_evidence_is_its_own_voice_since_it_began() -> None:
    case = heard(video(0, 0.1), video(1, 0.9), audio(1, 0.2), video(2, 0.9))
    assert [(result.start_s, result.modality) for result in case.backing()] == [
        (1.0, Modality.VIDEO),
        (2.0, Modality.VIDEO),
    ]


def test_only_the_newest_results_are_kept() -> None:
    case = heard(*(video(at, 0.9) for at in range(3 * MOST_SCORED)))
    assert len(case.scored) == MOST_SCORED
    assert case.scored[-1].start_s == 3 * MOST_SCORED - 1


def test_the_clean_stretch_begins_where_all_became_clear() -> None:
    case = heard(video(0, 0.9), *(video(at, 0.05) for at in (1, 2, 3)))
    assert case.clear_since_s == 2.0
    assert [result.start_s for result in case.clean()] == [1.0, 2.0, 3.0]


def test_a_new_epoch_moves_every_time_onto_its_clock() -> None:
    case = heard(video(100, 0.99), video(101, 0.99))
    case.opened_s, case.updated_s, case.closed_s = 102.0, 102.0, 90.0
    assert case.alarm_since_s == 102.0
    case.hear(video(5, 0.99, epoch=1), RULE)
    assert (case.epoch, case.now_s) == (1, 6.0)
    assert (case.opened_s, case.updated_s, case.closed_s) == (5.0, 5.0, -7.0)
    assert case.alarm_since_s == 5.0
    assert [result.epoch for result in case.backing()] == [1]


def test_late_results_do_not_turn_time_back() -> None:
    assert heard(video(5, 0.1), audio(3, 0.1)).now_s == 6.0
