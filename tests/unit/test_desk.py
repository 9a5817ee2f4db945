"""The laws of the scheduler, on a virtual clock with a virtual device."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.config import SchedulerConfig
from streammon.core.types import Modality, StreamId, Window, WindowSpec
from streammon.scheduler.batching import Batch
from streammon.scheduler.desk import MOST_FAILURES, Desk
from tests.virtual_device import DEVICE, Sends, Simulation, Timed, result_of, window_of

CPU = SchedulerConfig(device="cpu", alert_within_s=5.0, batch_wait_s=0.05)


def senders(count: int, every_s: float = 1.0, **more: float) -> list[Sends]:
    """Streams that send in turn."""
    return [
        Sends(f"s{number}", every_s, phase_s=every_s * number / count, **more)
        for number in range(count)
    ]


@st.composite
def detectors(draw: st.DrawFn) -> list[Timed]:
    return [
        Timed(
            f"d{number}",
            fixed_s=draw(st.floats(0.0, 0.05)),
            each_s=draw(st.floats(0.01, 0.05)),
            max_batch=draw(st.integers(1, 16)),
        )
        for number in range(draw(st.integers(1, 3)))
    ]


def loaded(found: list[Timed], streams: int, load: float, *, batch: int | None = None) -> None:
    """Set the costs so that all windows of streams in real time take this share of the device."""
    asked = 0.0
    for each in found:
        size = batch or min(each.max_batch, streams)
        asked += streams * each.takes_s(size) / size
    for each in found:
        each.fixed_s *= load / asked
        each.each_s *= load / asked


def counts_add_up(simulation: Simulation) -> None:
    for detector in simulation.desk.stats().detectors.values():
        out = detector.scored + detector.replaced + detector.not_due + detector.failed
        assert detector.submitted == out + detector.queued


def never_idle_with_work(simulation: Simulation) -> None:
    if not simulation.busy():
        due_ns = simulation.desk.next_due_ns(DEVICE)
        assert due_ns is None or due_ns > simulation.now_ns


# --- laws --------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(found=detectors(), count=st.integers(1, 12), load=st.floats(0.05, 3.0))
def test_at_any_load_counts_add_up_and_the_device_never_idles_while_a_window_is_due(
    found: list[Timed], count: int, load: float
) -> None:
    loaded(found, count, load)
    simulation = Simulation(found, senders(count), CPU)

    def check(now: Simulation) -> None:
        counts_add_up(now)
        never_idle_with_work(now)

    simulation.run(15.0, check)
    assert simulation.scored


@settings(max_examples=30)
@given(found=detectors(), count=st.integers(1, 12), load=st.floats(0.05, 0.7))
def test_at_admitted_load_every_window_is_scored_and_soon(
    found: list[Timed], count: int, load: float
) -> None:
    """Even in batches of one it fits, so nothing may be lost and no window waits long."""
    loaded(found, count, load, batch=1)
    simulation = Simulation(found, senders(count), CPU)
    simulation.run(20.0)
    for detector in simulation.desk.stats().detectors.values():
        assert detector.replaced == detector.not_due == detector.failed == 0
    all_once_s = sum(count * each.takes_s(1) for each in found)
    assert max(simulation.ages_s()) <= CPU.batch_wait_s + 2 * all_once_s


@settings(max_examples=30)
@given(found=detectors(), count=st.integers(2, 12), load=st.floats(1.1, 4.0))
def test_overload_neither_starves_anyone_nor_lets_windows_grow_old(
    found: list[Timed], count: int, load: float
) -> None:
    loaded(found, count, load)
    simulation = Simulation(found, senders(count), CPU)
    simulation.run(105.0)
    shares = simulation.shares(since_s=5.0)
    assert min(shares.values()) >= 0.85 * max(shares.values()) - 2
    all_once_s = sum(count * each.takes_s(1) for each in found)
    longest_s = max(each.takes_s(each.max_batch) for each in found)
    assert max(simulation.ages_s()) <= CPU.batch_wait_s + all_once_s + 2 * longest_s


@settings(max_examples=20)
@given(
    weights=st.lists(st.sampled_from([0.25, 0.5, 1.0, 2.0, 4.0]), min_size=3, max_size=10),
    load=st.floats(1.5, 4.0),
)
def test_when_not_all_can_be_looked_at_weight_orders_who_is(
    weights: list[float], load: float
) -> None:
    detector = Timed(fixed_s=0.0, each_s=0.02, max_batch=4)
    loaded([detector], len(weights), load)
    streams = [
        replace(sends, weight=weight)
        for sends, weight in zip(senders(len(weights)), weights, strict=True)
    ]
    simulation = Simulation([detector], streams, CPU)
    simulation.run(65.0)
    shares = simulation.shares(since_s=5.0)
    ranked = sorted((sends.weight, shares[sends.stream]) for sends in streams)
    for (light, few), (heavy, many) in pairwise(ranked):
        assert light == heavy or few <= many + 3
    assert min(shares.values()) > 0


# --- single decisions --------------------------------------------------------------------------


def test_at_twice_the_capacity_equals_share_equally_and_people_are_told() -> None:
    detector = Timed(fixed_s=0.01, each_s=0.01, max_batch=8)
    simulation = Simulation([detector], senders(20, 0.1125), CPU)
    simulation.run(40.0)
    shares = simulation.shares(since_s=10.0)
    assert min(shares.values()) >= 0.95 * max(shares.values())
    assert sum(shares.values()) / 30.0 == pytest.approx(20 / 0.1125 / 2, rel=0.06)
    assert "asked for 2.0 times" in simulation.plans[-1][1]
    stats = simulation.desk.stats()
    assert stats.degraded
    assert stats.detectors["timed"].stretch == pytest.approx(2.0, rel=0.05)
    assert stats.detectors["timed"].age_p95_s < 0.5


def test_it_says_when_it_is_well_again() -> None:
    detector = Timed(fixed_s=0.0, each_s=0.02, max_batch=4)
    heavy = [replace(sends, until_s=20.0) for sends in senders(40, 0.4)]
    light = [Sends("on", 1.0)]
    simulation = Simulation([detector], [*heavy, *light], CPU)
    simulation.run(40.0)
    told = {at_ns // 10**9: bool(why) for at_ns, why in simulation.plans}
    assert told[10]
    assert told[20]
    assert not told[40]
    degraded = [bool(why) for _, why in simulation.plans]
    assert sum(early != late for early, late in pairwise(degraded)) == 1


def test_a_stream_under_suspicion_is_looked_at_more_than_its_equals() -> None:
    detector = Timed(fixed_s=0.0, each_s=0.02, max_batch=4)
    simulation = Simulation([detector], senders(10, 0.1), CPU)
    simulation.run(10.0)
    simulation.desk.streams.set_risk(StreamId("s3"), "timed", 1.0)
    simulation.run(30.0)
    shares = simulation.shares(since_s=12.0)
    others = [count for stream, count in shares.items() if stream != "s3"]
    assert shares["s3"] > 1.8 * max(others)
    assert min(others) > 0.9 * max(others)
    simulation.desk.streams.set_risk(StreamId("s3"), "timed", 0.0)
    simulation.run(60.0)
    shares = simulation.shares(since_s=40.0)
    assert min(shares.values()) >= 0.95 * max(shares.values())


def test_calm_streams_give_way_first_down_to_the_idle_interval_and_nobody_is_alarmed() -> None:
    """Calm for long enough, they wait up to 4 s between looks before anyone is told of it."""
    detector = Timed(fixed_s=0.0, each_s=0.05, max_batch=4)
    detector.confidence = 0.1
    simulation = Simulation([detector], senders(30), CPU)
    simulation.run(25.0)
    assert simulation.plans[-1][1], "at first nothing is known to be calm"
    simulation.run(150.0)
    assert simulation.plans[-1][1] == ""
    stretch = simulation.desk.stats().detectors["timed"].stretch
    assert 1.2 < stretch < 4.0


def test_alarming_results_end_the_calm() -> None:
    detector = Timed(fixed_s=0.0, each_s=0.05, max_batch=4)
    detector.confidence = 0.1
    simulation = Simulation([detector], senders(30), CPU)
    simulation.run(150.0)
    detector.confidence = 0.9
    simulation.run(200.0)
    assert simulation.plans[-1][1]


def test_with_capacity_to_spare_calm_streams_are_looked_at_as_often_as_any() -> None:
    detector = Timed()
    detector.confidence = 0.1
    simulation = Simulation([detector], senders(4), CPU)
    simulation.run(100.0)
    assert simulation.desk.stats().detectors["timed"].not_due == 0


def test_waiting_for_company_only_where_it_gains_something() -> None:
    idle = Simulation([Timed(fixed_s=0.01, each_s=0.001)], senders(4), CPU)
    idle.run(10.0)
    assert max(idle.ages_s()) == pytest.approx(0.011, abs=1e-6)
    half = Timed(fixed_s=0.02, each_s=0.001, max_batch=32)
    busy_one = Simulation([half], senders(64, 2.0), CPU)
    busy_one.run(20.0)
    assert busy_one.desk.stats().detectors["timed"].mean_batch < 2.5
    more = Simulation([half], senders(400, 2.0), CPU)
    more.run(20.0)
    assert more.desk.stats().detectors["timed"].mean_batch > 8
    assert not more.desk.stats().degraded


# --- admission and failures --------------------------------------------------------------------


def a_desk(detector: Timed, **more: float) -> Desk:
    desk = Desk({detector.name: detector}, CPU.model_copy(update=more))
    desk.open_device(DEVICE)
    desk.place(detector.name, DEVICE)
    desk.streams.add(StreamId("s"), frozenset({Modality.AUDIO}), weight=1.0)
    return desk


def taken(desk: Desk, now_ns: int = 10**12) -> Batch:
    batch = desk.take(DEVICE, now_ns)
    assert batch is not None
    return batch


def test_the_newest_window_wins_and_tells_of_the_lost() -> None:
    desk = a_desk(Timed())
    for number in range(4):
        assert desk.submit("timed", window_of("s", number, number), number)
    (window,) = taken(desk).windows
    assert (window.start_s, window.lost_before) == (3.0, 3)
    assert desk.stats().detectors["timed"].replaced == 3
    assert desk.pending(StreamId("s")) == 0


def test_windows_nobody_asked_for_are_not_due() -> None:
    desk = a_desk(Timed())
    assert not desk.submit("timed", window_of("unknown", 0, 0), 0)
    other = Desk({"timed": Timed()}, CPU)
    other.streams.add(StreamId("s"), frozenset({Modality.AUDIO}), weight=1.0)
    assert not other.submit("timed", window_of("s", 0, 0), 0), "it is not loaded"
    for one in (desk, other):
        stats = one.stats().detectors["timed"]
        assert (stats.submitted, stats.not_due) == (1, 1)


def test_what_a_removed_stream_has_waiting_is_still_scored() -> None:
    desk = a_desk(Timed())
    desk.submit("timed", window_of("s", 0, 0), 0)
    desk.streams.remove(StreamId("s"))
    assert desk.pending(StreamId("s")) == 1
    batch = taken(desk)
    desk.finished(batch, [result_of(batch.windows[0], "timed")], took_s=0.1, ended_ns=10**9)
    assert desk.stats().detectors["timed"].scored == 1


def test_a_detector_that_fails_in_a_row_is_given_up_and_its_windows_with_it() -> None:
    desk = a_desk(Timed())
    for number in range(MOST_FAILURES):
        desk.submit("timed", window_of("s", number, 0), 0)
        assert desk.failed(taken(desk), ended_ns=10**12) is (number == MOST_FAILURES - 1)
    desk.submit("timed", window_of("s", 9, 0), 0)
    desk.drop("timed")
    assert not desk.submit("timed", window_of("s", 10, 0), 0)
    stats = desk.stats().detectors["timed"]
    assert (stats.submitted, stats.failed, stats.not_due, stats.queued) == (5, 4, 1, 0)
    assert stats.device == ""


def test_a_success_in_between_forgives_the_failures() -> None:
    desk = a_desk(Timed())
    for number in range(3 * MOST_FAILURES):
        desk.submit("timed", window_of("s", number, 0), 0)
        batch = taken(desk)
        if number % MOST_FAILURES:
            assert not desk.failed(batch, ended_ns=10**12)
        else:
            results = [result_of(window, "timed") for window in batch.windows]
            desk.finished(batch, results, took_s=0.01, ended_ns=0)


def test_a_result_that_ends_after_its_detector_was_given_up_is_still_counted() -> None:
    desk = a_desk(Timed())
    desk.submit("timed", window_of("s", 0, 0), 0)
    batch = taken(desk)
    desk.drop("timed")
    desk.finished(batch, [result_of(batch.windows[0], "timed")], took_s=0.1, ended_ns=10**9)
    stats = desk.stats().detectors["timed"]
    assert (stats.scored, stats.queued, stats.age_p50_s) == (1, 0, 1.0)


class Choosy(Timed):
    """Chokes on the windows of one stream before they are even queued."""

    def bucket(self, window: Window) -> str:
        if window.stream == "bad":
            raise KeyError("no such shape")
        return ""


def test_a_window_that_a_detector_chokes_on_is_only_its_own_loss() -> None:
    desk = a_desk(Choosy())
    desk.streams.add(StreamId("bad"), frozenset({Modality.AUDIO}), weight=1.0)
    assert not desk.submit("timed", window_of("bad", 0, 0), 0)
    assert desk.submit("timed", window_of("s", 0, 0), 0)
    assert desk.stats().detectors["timed"].failed == 1


def test_a_modality_that_a_detector_does_not_look_at_is_not_due() -> None:
    desk = a_desk(Timed())
    seen = replace(window_of("s", 0, 0), modality=Modality.VIDEO)
    assert not desk.submit("timed", seen, 0)


def test_abstentions_are_counted() -> None:
    desk = a_desk(Timed())
    desk.submit("timed", window_of("s", 0, 0), 0)
    batch = taken(desk)
    desk.finished(batch, [result_of(batch.windows[0], "timed", None)], took_s=0.1, ended_ns=0)
    stats = desk.stats().detectors["timed"]
    assert (stats.scored, stats.abstained) == (1, 1)


def test_participants_that_left_are_forgotten() -> None:
    detector = Timed(spec=WindowSpec(2.0, 1.0))
    desk = a_desk(detector)
    for number in range(50):
        guest = replace(window_of("s", 0, 0), participant=f"guest{number}")
        desk.submit("timed", guest, 0)
    watched = desk.streams.watched(StreamId("s"))
    assert len(watched.tracks) == 50
    desk.replan(10**9)
    assert len(watched.tracks) == 50
    desk.replan(400 * 10**9)
    assert len(watched.tracks) == 0
