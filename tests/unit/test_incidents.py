"""Stories of incidents."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.alerts.incidents import RESULTS_IN_ALERT, IncidentBook
from streammon.alerts.sequential import CusumConfig
from streammon.config import AlertsConfig
from streammon.core.errors import ConfigError
from streammon.core.types import AlertState, DetectionResult, Modality, Severity, StreamId
from tests.fakes import CAM
from tests.incidents import OTHER, QUICK, RULES, book, seen, states, stretch, told

scores = st.none() | st.sampled_from([0.0, 0.02, 0.3, 0.5, 0.7, 0.95, 1.0]) | st.floats(0.0, 1.0)


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


def test_the_sentence_tells_evidence_from_before_a_reconnect_from_what_was_seen_since() -> None:
    judge = book()
    told(judge, stretch(0, 10, 0.97))
    first = told(judge, stretch(0, 7, 0.97, epoch=1))[0]
    seen_since = "2 of 2 windows over 2 s since the stream began anew, mean probability 0.97"
    assert seen_since in first.why
    assert f"evidence, part of it from before, at {first.evidence_level:.1f} of" in first.why
    later = told(judge, stretch(7, 30, 0.97, epoch=1))[-1]
    assert ": 20 of 20 windows over 20 s, mean probability 0.97; evidence at 3.0 of" in later.why


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
