"""What holds of incidents whatever the history: laws, tried on many."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.config import AlertsConfig
from streammon.core.types import Alert, AlertState, DetectionResult, Modality, Severity, StreamId
from tests.fakes import CAM
from tests.incidents import OTHER, book, seen, told

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
def test_nothing_is_from_before_in_a_stream_that_never_began_anew(
    results: list[DetectionResult], alerts: AlertsConfig
) -> None:
    for alert in told(book(alerts), results):
        first = min(one.epoch for one in results if one.stream == alert.stream)
        assert alert.epoch > first or "from before" not in alert.why


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
