"""How a stream stands, after all that was heard of it."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import HealthState, StreamId
from streammon.sinks.stream_standing import MOST_FORGOTTEN, MOST_OVER, Standing, Standings
from tests.fakes import CAM, a_result
from tests.outgoing import a_health


def said(incident: str, state: str, severity: str = "warning", kind: str = "freeze") -> Any:
    return {"incident_id": incident, "state": state, "severity": severity, "kind": kind}


def test_the_worst_open_incident_counts() -> None:
    standing = Standing()
    assert standing.hear_alert(said("1", "opened"))
    assert standing.hear_alert(said("2", "opened", "critical", "voice_spoof"))
    assert not standing.hear_alert(said("2", "opened", "critical", "voice_spoof"))
    told = standing.told()
    assert (told["problem"], told["severity"]) == ("ON", "critical")
    assert told["kinds"] == ["freeze", "voice_spoof"]
    assert standing.hear_alert(said("2", "closed"))
    assert standing.told()["severity"] == "warning"


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["opened", "updated", "closed"])))
)
def test_there_is_a_problem_while_an_incident_is_open(steps: list[tuple[str, str]]) -> None:
    standing, open_now = Standing(), set[str]()
    for incident, state in steps:
        standing.hear_alert(said(incident, state))
        open_now = open_now - {incident} if state == "closed" else open_now | {incident}
        assert (standing.told()["problem"] == "ON") == bool(open_now)
        assert standing.told()["severity"] == ("warning" if open_now else "none")


def test_scores_are_the_newest_per_kind_and_experimental_ones_do_not_count() -> None:
    standing = Standing()
    assert standing.hear_result(a_result(kind="freeze", confidence=0.123))
    assert not standing.hear_result(a_result(kind="freeze", confidence=0.121))
    standing.hear_result(a_result(kind="voice_spoof", confidence=0.9))
    assert not standing.hear_result(
        a_result(kind="face_forgery", confidence=1.0, details={"experimental": True})
    )
    assert standing.told()["score"] == 0.9
    assert standing.told()["scores"] == {"freeze": 0.12, "voice_spoof": 0.9}
    standing.hear_result(a_result(kind="voice_spoof", confidence=None, abstained="music"))
    assert standing.told()["score"] == 0.12


def test_a_stream_that_begins_anew_has_nothing_against_it() -> None:
    standing = Standing()
    standing.hear_alert(said("1", "opened"))
    standing.hear_result(a_result(kind="freeze", confidence=0.9))
    assert standing.hear_health(a_health(state=HealthState.STARTING))
    assert standing.told() == {
        "problem": "OFF", "severity": "none", "kinds": [], "score": None, "scores": {},
        "health": "starting",
    }  # fmt: skip
    assert not standing.hear_health(a_health(state=HealthState.STARTING))


def test_a_stream_that_was_forgotten_is_back_once_it_lives_and_memory_of_it_is_bounded() -> None:
    standings = Standings()
    assert standings.hear_health(CAM, a_health(state=HealthState.UP))
    standings.forget(CAM)
    assert standings.of(CAM) is None
    assert not standings.hear_health(CAM, a_health(state=HealthState.ENDED))
    assert list(standings) == []
    assert standings.hear_health(CAM, a_health(state=HealthState.UP))
    assert list(standings) == [CAM]
    standings.forget(CAM)
    for number in range(MOST_FORGOTTEN):
        standings.forget(StreamId(f"call-{number}"))
    assert standings.of(CAM) is not None
    assert standings.of(StreamId("call-0")) is None


def test_of_streams_that_are_over_some_stay_and_those_that_ended_go_first() -> None:
    standings = Standings()
    standings.hear_health(CAM, a_health(state=HealthState.UP))
    for number in range(MOST_OVER):
        state = HealthState.FAILED if number == 0 else HealthState.ENDED
        standings.hear_health(StreamId(f"call-{number}"), a_health(state=state))
    assert standings.surplus() is None
    unheard = standings.of(StreamId("unheard"))
    assert unheard is not None
    assert standings.surplus() == "call-1"
    standings.forget(StreamId("call-1"))
    assert standings.surplus() is None
    standings.hear_health(StreamId("call-2"), a_health(state=HealthState.UP))
    standings.of(StreamId("another"))
    assert standings.surplus() is None, "one that was over lives again"
    assert standings.known(CAM) is not None
    assert standings.known(StreamId("call-1")) is None
