"""Laws and stories of incidents."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.alerts.incidents import RESULTS_IN_ALERT, IncidentBook
from streammon.alerts.sequential import CusumConfig
from streammon.config import AlertsConfig
from streammon.core.errors import ConfigError
from streammon.core.types import (
    Alert,
    AlertState,
    DetectionResult,
    Modality,
    Severity,
    StreamId,
)
from tests.fakes import CAM, a_result

RULES = {"default": CusumConfig().build("default")}
ALERTS = AlertsConfig()
QUICK = AlertsConfig(clear_s=1.0, cool_down_s=0.0)
OTHER = StreamId("other")


def book(
    alerts: AlertsConfig = ALERTS, *, origin: str = "test", most_cases: int = 99
) -> IncidentBook:
    return IncidentBook(alerts, RULES, origin=origin, most_cases=most_cases)


def seen(
    at_s: float, score: float | None, *, length_s: float = 1.0, **more: Any
) -> DetectionResult:
    end_s = at_s + length_s
    return a_result(
        start_s=at_s,
        end_s=end_s,
        captured_ns=round(end_s * 1e9) if math.isfinite(end_s) else 0,
        confidence=score,
        abstained="nothing to judge" if score is None else None,
        **more,
    )


def told(judge: IncidentBook, results: Sequence[DetectionResult]) -> list[Alert]:
    return [alert for result in results for alert in judge.judge(result)]


def states(alerts: Sequence[Alert]) -> list[str]:
    return [alert.state.value for alert in alerts]


def stretch(
    start_s: float, until_s: float, score: float | None, **more: Any
) -> list[DetectionResult]:
    """Windows of a second side by side."""
    return [seen(float(at), score, **more) for at in range(int(start_s), int(until_s))]


scores = st.none() | st.sampled_from([0.0, 0.02, 0.3, 0.5, 0.7, 0.95, 1.0]) | st.floats(0.0, 1.0)
modalities = st.sampled_from([Modality.VIDEO, Modality.AUDIO])


@st.composite
def histories(draw: st.DrawFn) -> list[DetectionResult]:
    """Two streams, two modalities, gaps, overlaps, late windows and reconnects."""
    results, at_s, epoch = [], 0.0, 0
    for _ in range(draw(st.integers(1, 60))):
        if draw(st.integers(0, 14)) == 0:
            epoch, at_s = epoch + 1, draw(st.floats(0.0, 3.0))
        at_s += draw(st.sampled_from([0.5, 1.0, 1.0, 1.0, 7.0]))
        results.append(
            seen(
                at_s - draw(st.sampled_from([0.0, 0.0, 0.0, 2.0])),
                draw(scores),
                epoch=epoch,
                modality=draw(modalities),
                stream=draw(st.sampled_from([CAM, CAM, OTHER])),
            )
        )
    return results


config = st.builds(
    AlertsConfig,
    hold_s=st.sampled_from([0.0, 2.0]),
    clear_s=st.sampled_from([0.0, 1.0, 4.0]),
    cool_down_s=st.sampled_from([0.0, 5.0, 10.0]),
    update_every_s=st.sampled_from([1.0, 5.0]),
)


@given(histories(), config)
def test_an_incident_is_opened_then_updated_then_closed(
    results: list[DetectionResult], alerts: AlertsConfig
) -> None:
    judge = book(alerts)
    lives: dict[str, list[Alert]] = {}
    for alert in [*told(judge, results), *judge.end_stream(CAM, captured_ns=1, why="end")]:
        lives.setdefault(alert.incident_id, []).append(alert)
    for life in lives.values():
        assert life[0].state is AlertState.OPENED
        assert all(alert.state is AlertState.UPDATED for alert in life[1:-1])
        assert len({alert.stream for alert in life}) == 1
        if len(life) > 1:
            assert life[-1].state is not AlertState.OPENED
        assert all(alert.media_s >= alert.opened_s for alert in life)
        ranks = [list(Severity).index(alert.severity) for alert in life]
        assert ranks == sorted(ranks), "severity never falls"
        ages = [alert.media_s - alert.opened_s for alert in life]
        assert all(later >= earlier - 1e-9 for earlier, later in pairwise(ages))


@given(histories(), config)
def test_one_incident_of_a_kind_is_open_at_a_time_and_the_book_knows_which(
    results: list[DetectionResult], alerts: AlertsConfig
) -> None:
    judge = book(alerts)
    open_: dict[StreamId, str] = {}
    for result in results:
        for alert in judge.judge(result):
            if alert.state is AlertState.OPENED:
                assert alert.stream not in open_
                open_[alert.stream] = alert.incident_id
            assert open_[alert.stream] == alert.incident_id
            if alert.state is AlertState.CLOSED:
                del open_[alert.stream]
        assert {alert.incident_id for alert in judge.open_incidents()} == set(open_.values())


@given(histories(), config)
def test_ids_are_unique_and_the_same_for_the_same_history(
    results: list[DetectionResult], alerts: AlertsConfig
) -> None:
    first, second = told(book(alerts), results), told(book(alerts), results)
    assert first == second
    assert len({alert.alert_id for alert in first}) == len(first)
    other = told(book(alerts, origin="another run"), results)
    assert not {alert.alert_id for alert in other} & {alert.alert_id for alert in first}


@given(histories(), config)
def test_abstentions_open_and_update_nothing(
    results: list[DetectionResult], alerts: AlertsConfig
) -> None:
    judge = book(alerts)
    for result in results:
        for alert in judge.judge(result):
            assert result.confidence is not None or alert.state is AlertState.CLOSED


@given(histories(), config)
def test_nothing_opens_inside_the_cool_down(
    results: list[DetectionResult], alerts: AlertsConfig
) -> None:
    for stream in (CAM, OTHER):
        closed: Alert | None = None
        for alert in told(book(alerts), results):
            if alert.stream != stream:
                continue
            if alert.state is AlertState.CLOSED:
                closed = alert
            elif alert.state is AlertState.OPENED and closed and closed.epoch == alert.epoch:
                assert alert.opened_s - closed.media_s >= alerts.cool_down_s


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60), st.floats(1.0, 5.0))
def test_updates_come_no_more_often_than_asked_unless_severity_rises(
    values: list[float], every_s: float
) -> None:
    alerts = told(
        book(AlertsConfig(update_every_s=every_s)),
        [seen(float(at), max(score, 0.8)) for at, score in enumerate(values)],
    )
    for earlier, later in pairwise(alerts):
        assert (
            later.media_s - earlier.media_s >= every_s - 1e-9
            or later.severity is not earlier.severity
        )


@given(st.lists(st.none() | st.floats(0.0, 0.3), min_size=1, max_size=200), st.floats(0.25, 1.0))
def test_clean_streams_never_alarm(values: list[float | None], hop_s: float) -> None:
    assert not told(book(), [seen(at * hop_s, score) for at, score in enumerate(values)])


@given(st.lists(st.none() | st.floats(0.0, 0.5), min_size=1, max_size=200))
def test_confidence_up_to_one_half_never_opens(values: list[float | None]) -> None:
    assert not told(book(), [seen(float(at), score) for at, score in enumerate(values)])


@given(st.floats(0.0, 1.0), st.floats(0.1, 100.0), st.integers(0, 5))
def test_a_single_window_never_opens(score: float, length_s: float, silences: int) -> None:
    results = [seen(0.0, score, length_s=length_s)]
    results += [seen(length_s + at, None) for at in range(silences)]
    assert not told(book(AlertsConfig(cool_down_s=0.0)), results * 3)


@settings(max_examples=30)
@given(st.integers(1, 20))
def test_cutting_the_same_media_more_finely_does_not_open_sooner(cuts: int) -> None:
    hop_s = 2.0 / cuts
    results = [seen(at * hop_s, 0.9, length_s=2.0) for at in range(5 * cuts)]
    opened = told(book(), results)[0]
    assert opened.media_s >= 5.0, "two windows of 2 s at 0.9 are not yet enough, three are"
    assert opened.media_s <= 6.0


@pytest.mark.parametrize(
    ("length_s", "hop_s", "score"), [(2.0, 1.5, 0.95), (4.0, 1.0, 0.95), (1.0, 1.0, 0.95)]
)
def test_an_incident_opens_within_seconds_of_the_first_detection(
    length_s: float, hop_s: float, score: float
) -> None:
    clean = [seen(at * hop_s, 0.05, length_s=length_s) for at in range(10)]
    forged = [seen((10 + at) * hop_s, score, length_s=length_s) for at in range(20)]
    opened = told(book(), [*clean, *forged])[0]
    assert 1.0 <= opened.media_s - forged[0].end_s <= 5.0


def test_the_story_of_one_incident() -> None:
    alerts = told(book(), [*stretch(0, 5, 0.05), *stretch(5, 25, 0.97), *stretch(25, 45, 0.02)])
    assert states(alerts)[0] == "opened"
    assert states(alerts)[-1] == "closed"
    assert {alert.incident_id for alert in alerts} == {alerts[0].incident_id}
    assert alerts[0].opened_s == 7.0
    assert {alert.opened_s for alert in alerts} == {7.0}
    assert [alert.severity for alert in alerts] == sorted(
        (alert.severity for alert in alerts), key=list(Severity).index
    )
    assert alerts[-1].severity is Severity.CRITICAL
    assert 29.0 <= alerts[-1].media_s <= 35.0, "clear evidence, then clear_s"
    assert alerts[-1].why.startswith("Clear again: ")
    assert all(1 <= len(alert.results) <= RESULTS_IN_ALERT for alert in alerts)
    assert alerts[0].results[-1].end_s == alerts[0].media_s
    assert alerts[0].captured_ns == 7_000_000_000


def test_the_alarm_must_last_for_the_hold() -> None:
    held = AlertsConfig(hold_s=3.0)
    alerts = told(book(held), stretch(0, 20, 0.97))
    assert alerts[0].opened_s == 5.0, "alarm at 2 s, held for 3 s"
    brief = [*stretch(0, 3, 0.97), *stretch(3, 20, 0.01)]
    assert not told(book(held), brief)


def test_evidence_that_is_still_there_after_the_cool_down_opens_again() -> None:
    alerts = AlertsConfig(clear_s=1.0, cool_down_s=10.0)
    results = [*stretch(0, 6, 0.97), *stretch(6, 14, 0.01), *stretch(14, 40, 0.97)]
    life = [alert for alert in told(book(alerts), results) if alert.state is not AlertState.UPDATED]
    assert states(life) == ["opened", "closed", "opened"]
    assert life[2].opened_s == life[1].media_s + 10.0
    assert life[2].incident_id != life[0].incident_id


def test_clean_sound_does_not_clear_a_frozen_picture() -> None:
    judge = book()
    for at in range(60):
        told(judge, [seen(at, 0.97), seen(at, 0.02, modality=Modality.AUDIO)])
    (alert,) = judge.open_incidents()
    assert alert.results[-1].modality is Modality.VIDEO
    evidence = judge.evidence(CAM, "brightness")
    assert evidence is not None
    assert evidence.level > 2.0


def test_kinds_streams_and_participants_are_judged_apart() -> None:
    judge = book()
    for at in range(3):
        told(judge, [seen(at, 0.97, participant="ann"), seen(at, 0.02, participant="ben")])
        told(judge, [seen(at, 0.02, stream=OTHER), seen(at, 0.02, kind="freeze")])
    (alert,) = judge.open_incidents()
    assert (alert.stream, alert.kind, alert.participant) == (CAM, "brightness", "ann")
    clean = judge.evidence(CAM, "brightness", "ben")
    assert clean is not None
    assert clean.level == 0.0
    assert judge.evidence(CAM, "unheard of") is None


def test_a_kind_can_have_a_rule_of_its_own() -> None:
    strict = CusumConfig(threshold=50.0).build("strict")
    alerts = AlertsConfig(rules_by_kind={"brightness": "strict"})
    judge = IncidentBook(alerts, {**RULES, "strict": strict}, origin="test")
    opened = told(judge, stretch(0, 60, 0.97))[0]
    assert opened.opened_s > 15.0


def test_a_rule_that_is_not_defined_is_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="strict"):
        IncidentBook(AlertsConfig(rule="strict"), RULES, origin="test")


def test_an_incident_outlives_a_reconnect_and_its_age_goes_on() -> None:
    judge = book()
    before = told(judge, stretch(100, 110, 0.97))
    after = told(judge, stretch(0, 10, 0.97, epoch=1))
    assert states(before)[0] == "opened"
    assert set(states(after)) == {"updated"}
    assert {alert.incident_id for alert in after} == {before[0].incident_id}
    opened_after_s = before[0].opened_s - 110.0
    assert {alert.opened_s for alert in after} == {opened_after_s}
    assert {alert.epoch for alert in after} == {1}
    closed = told(judge, stretch(10, 40, 0.01, epoch=1))[-1]
    assert closed.why.endswith(f"It lasted {closed.media_s - opened_after_s:.0f} s.")


def test_whoever_reconnects_all_the_time_still_meets_the_cool_down() -> None:
    alerts = AlertsConfig(clear_s=0.0, cool_down_s=8.0)
    judge = book(alerts)
    told(judge, [*stretch(0, 3, 0.97), *stretch(3, 8, 0.01)])
    assert not judge.open_incidents()
    again = [seen(float(at), 0.97, epoch=1 + at // 4) for at in range(40)]
    (opened,) = [alert for alert in told(judge, again) if alert.state is AlertState.OPENED]
    assert opened.captured_ns >= 8_000_000_000 - 4_000_000_000


def test_results_of_an_old_epoch_are_ignored() -> None:
    judge = book()
    told(judge, stretch(0, 2, 0.05, epoch=4))
    assert not told(judge, stretch(0, 20, 0.99, epoch=3))
    told(judge, [*stretch(2, 5, 0.97, epoch=4), *stretch(5, 7, 0.01, epoch=4)])
    assert not told(judge, [seen(1000.0, 0.01, epoch=3)]), "its time must not close anything"
    assert judge.open_incidents()


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_media_time_that_is_no_number_is_ignored(broken: float) -> None:
    judge = book()
    assert not told(judge, [seen(broken, 0.99)] * 5)
    assert judge.evidence(CAM, "brightness") is None
    assert states(told(judge, stretch(0, 3, 0.97))) == ["opened"]


def test_the_end_of_a_stream_closes_what_is_open_there_and_says_why() -> None:
    judge = book()
    told(judge, [*stretch(0, 5, 0.97), *stretch(0, 5, 0.97, stream=OTHER)])
    (closed,) = judge.end_stream(CAM, captured_ns=77, why="the file was read to its end")
    assert (closed.state, closed.captured_ns, closed.media_s) == (AlertState.CLOSED, 77, 5.0)
    assert "the file was read to its end" in closed.why
    assert [alert.stream for alert in judge.open_incidents()] == [OTHER]
    assert judge.end_stream(CAM, captured_ns=78, why="again") == []
    assert judge.evidence(CAM, "brightness") is None


def test_many_streams_do_not_fill_the_memory() -> None:
    judge = book(most_cases=10)
    for at in range(1000):
        assert judge.judge(seen(0.0, 0.9, stream=StreamId(f"s{at}"))) == []
    known = [at for at in range(1000) if judge.evidence(StreamId(f"s{at}"), "brightness")]
    assert known == list(range(990, 1000))


def test_a_stream_that_is_heard_is_not_the_one_forgotten() -> None:
    judge = book(most_cases=2)
    for name in ("old", "idle", "old", "new"):
        told(judge, [seen(0.0, 0.9, stream=StreamId(name))])
    assert judge.evidence(StreamId("old"), "brightness")
    assert judge.evidence(StreamId("idle"), "brightness") is None


def test_an_open_incident_is_kept_and_idle_streams_go_first() -> None:
    judge = book(most_cases=3)
    told(judge, stretch(0, 3, 0.97))
    for at in range(20):
        told(judge, [seen(0.0, 0.9, stream=StreamId(f"s{at}"))])
    assert [alert.stream for alert in judge.open_incidents()] == [CAM]


def test_when_everything_is_open_the_longest_untouched_is_closed_and_says_so() -> None:
    judge = book(most_cases=2)
    alerts = [
        alert
        for at in range(4)
        for alert in told(judge, stretch(0, 3, 0.97, stream=StreamId(f"s{at}")))
    ]
    closed = [alert for alert in alerts if alert.state is AlertState.CLOSED]
    assert [alert.stream for alert in closed] == ["s0", "s1"]
    assert "too many incidents" in closed[0].why
    assert [alert.stream for alert in judge.open_incidents()] == ["s2", "s3"]


def test_what_is_kept_of_an_incident_is_named_in_its_alerts() -> None:
    kept: dict[str, str] = {}
    judge = IncidentBook(QUICK, RULES, origin="test", evidence_ref=kept.get)
    (opened,) = told(judge, stretch(0, 3, 0.97))
    assert opened.evidence_ref is None
    kept[opened.incident_id] = "snapshot.jpg"
    later = told(judge, stretch(3, 20, 0.97))
    assert {alert.evidence_ref for alert in later} == {"snapshot.jpg"}


def unproven(at_s: float, score: float | None, **more: Any) -> DetectionResult:
    said = {"detector": "faces", "details": {"experimental": True}, **more}
    return seen(at_s, score, **said)


@given(st.lists(scores, max_size=60))
def test_experimental_evidence_alone_opens_nothing(values: list[float | None]) -> None:
    assert not told(book(QUICK), [unproven(at, value) for at, value in enumerate(values)])


@pytest.mark.parametrize("kind", ["voice_spoof", "face_forgery"])
def test_experimental_evidence_is_told_with_what_others_opened(kind: str) -> None:
    judge = book()
    suspected = [unproven(at, 0.97, kind=kind) for at in range(10)]
    assert not told(judge, suspected)
    opened, *_ = told(judge, stretch(5, 12, 0.97))
    assert opened.results[-1] == suspected[-1]
    assert "Experimental detectors add: " in opened.why
    plain, *_ = told(book(), stretch(5, 12, 0.97))
    assert opened.evidence_level == plain.evidence_level, "it makes nothing more severe"
    assert "xperimental" not in plain.why


def test_experimental_evidence_against_others_is_not_told() -> None:
    judge = book()
    told(judge, [unproven(at, 0.97, participant="guest") for at in range(10)])
    told(judge, [unproven(at, 0.97, stream=OTHER) for at in range(10)])
    opened, *_ = told(judge, stretch(5, 12, 0.97))
    assert "xperimental" not in opened.why
    assert {one.detector for one in opened.results} == {stretch(0, 1, 0.5)[0].detector}


def test_experimental_evidence_keeps_no_incident_open() -> None:
    proven = [*stretch(0, 8, 0.97), *stretch(8, 30, 0.01)]
    both = [one for at, each in enumerate(proven) for one in (each, unproven(at, 0.97))]
    closings = [
        [alert.media_s for alert in told(book(), results) if alert.state is AlertState.CLOSED]
        for results in (proven, both)
    ]
    assert closings[0]
    assert closings[0] == closings[1]
