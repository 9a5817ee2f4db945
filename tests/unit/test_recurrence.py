from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from streammon.detectors.movement import jolted
from streammon.detectors.picture_history import Moment
from streammon.detectors.recurrence import Recurrence, recurrence_in
from tests.scenes import wander


def glimpses(
    moment_of: Callable[[float], float],
    count: int,
    *,
    step_s: float = 0.5,
    jitter_s: float = 0.0,
    noise: float = 0.5,
) -> list[Moment]:
    """Three blobs wander over a small picture; what is shown at a time is up to `moment_of`."""
    rng = np.random.default_rng(1)
    seen = []
    y, x = np.mgrid[0:9, 0:16]
    for number in range(count):
        at_s = number * step_s + float(rng.uniform(0, jitter_s))
        time_s = moment_of(at_s)
        light = np.full((9, 16), 90.0)
        for blob in range(3):
            across = 8 + 6 * wander(time_s, 10 + blob)
            down = 4.5 + 3 * wander(time_s, 20 + blob)
            light += 110 * np.exp(-((x - across) ** 2 + (y - down) ** 2) / 5)
        light += rng.normal(0, noise, light.shape)
        thumb = np.asarray(np.clip(light, 0, 255), np.float32)
        seen.append(Moment(at_s, thumb))
    return seen


def search(seen: list[Moment]) -> Recurrence | None:
    return recurrence_in(seen, shortest_s=1.4)


def replayed(from_s: float, lag_s: float) -> Callable[[float], float]:
    begin_s = from_s - lag_s
    return lambda at_s: at_s if at_s < from_s else begin_s + (at_s - begin_s) % lag_s


@pytest.mark.parametrize(
    ("lag_s", "speed"),
    [(3.5, 1), (5.0, 1), (5.23, 1), (6.71, 1), (9.37, 1), (12.9, 0.3), (20.11, 0.3)],
)
def test_a_replay_is_found_at_its_length_or_a_multiple(lag_s: float, speed: float) -> None:
    """Fast movement only where some multiple of the length comes near to the sampling grid."""
    replay = replayed(24.0, lag_s)
    found = search(glimpses(lambda at_s: speed * replay(at_s), 140, jitter_s=0.04))
    assert found is not None
    rounds = max(1, round(found.lag_s / lag_s))
    assert found.lag_s == pytest.approx(rounds * lag_s, abs=0.25)
    assert found.distance < 0.5
    assert found.onset_seen


def test_it_is_found_soon_after_it_began_and_gains_with_time() -> None:
    after = {
        seconds: search(glimpses(replayed(24.0, 6.0), 48 + 2 * seconds)) for seconds in (1, 6, 13)
    }
    assert after[1] is None
    assert after[6] is not None
    assert after[13] is not None
    assert after[13].onset_seen
    assert after[6].matched_s < after[13].matched_s == 12.0


def passes(again_s: float) -> Callable[[float], float]:
    """Of what moves, seven seconds come again after so long, and then all goes on as never before:
    a car passes once more as one did."""
    return lambda at_s: at_s - again_s if again_s + 10.0 <= at_s < again_s + 17.0 else at_s


def test_of_a_replay_a_whole_round_comes_again_and_of_what_passes_by_a_part() -> None:
    found = search(glimpses(replayed(24.0, 12.0), 48 + 2 * 20))
    assert found is not None
    assert found.round_share > 0.95
    passing = search(glimpses(passes(24.0), 2 * 41))
    assert passing is not None
    assert passing.matched_s >= 6.0
    assert passing.round_share < 0.5


def test_what_only_repeated_from_the_start_has_no_onset_but_jumps_at_its_seam() -> None:
    found = search(glimpses(lambda at_s: 0.3 * (at_s % 12.0), 240, step_s=0.25))
    assert found is not None
    assert not found.onset_seen
    assert found.seamed


@pytest.mark.parametrize("lag_s", [1.5, 2.0, 3.0])
def test_loops_of_a_second_and_a_half_and_more_are_found(lag_s: float) -> None:
    found = search(glimpses(lambda at_s: 0.3 * replayed(20.0, lag_s)(at_s), 130, step_s=0.25))
    assert found is not None
    assert found.lag_s == pytest.approx(lag_s, abs=0.25)
    assert found.onset_seen
    assert search(glimpses(lambda at_s: 0.3 * at_s, 130, step_s=0.25)) is None


@pytest.mark.parametrize(("noise", "exact"), [(0.0, True), (0.05, True), (1.0, False)])
def test_a_replay_is_exact_where_no_noise_of_its_own_lies_over_it(
    noise: float, exact: bool
) -> None:
    found = search(glimpses(lambda at_s: 0.3 * (at_s % 12.0), 240, step_s=0.25, noise=noise))
    assert found is not None
    assert found.exact is exact


def swinging(period_s: float, *, from_s: float = 0.0) -> Callable[[float], float]:
    return lambda at_s: 0.2 * period_s * np.sin(2 * np.pi * max(0.0, at_s - from_s) / period_s)


@pytest.mark.parametrize("from_s", [0.0, 25.0])
def test_what_goes_to_and_fro_by_nature_never_jumps_and_comes_the_same_way_back(
    from_s: float,
) -> None:
    found = search(glimpses(swinging(8.0, from_s=from_s), 240, step_s=0.25))
    assert found is not None
    assert not found.onset_seen, "it did not move before"
    assert not found.seamed
    assert found.retraces


def test_what_beats_between_the_samples_hides_no_replay() -> None:
    """A row of lights blinks on through a replay, at a pace of its own."""

    def blinking(moment_of: Callable[[float], float]) -> list[Moment]:
        seen = glimpses(lambda at_s: 0.3 * moment_of(at_s), 160, step_s=0.25)
        rng = np.random.default_rng(2)
        for moment in seen:
            moment.thumb[:4] = rng.uniform(0, 160, moment.thumb[:4].shape)
        return seen

    found = search(blinking(replayed(20.0, 7.1)))
    assert found is not None
    assert found.lag_s == pytest.approx(7.1, abs=0.25)
    assert found.onset_seen
    assert search(blinking(lambda at_s: at_s)) is None


def test_what_passes_by_once_a_round_pauses_and_has_no_seam() -> None:
    """A car on its way round the block: in sight for some seconds of every round."""

    def passing(at_s: float) -> float:
        return float(6.0 + 2.0 * max(0.0, np.sin(at_s / 2.2)) ** 3)

    found = search(glimpses(passing, 240, step_s=0.25))
    assert found is not None
    assert found.pauses
    assert not found.seamed
    on_and_on = search(glimpses(lambda at_s: 0.3 * (at_s % 12.0), 240, step_s=0.25))
    assert on_and_on is not None
    assert not on_and_on.pauses


def test_machines_go_at_one_pace_and_what_lives_does_not() -> None:
    """One that goes round and round, and a replay of what moves now fast, now slowly."""

    def turning(at_s: float) -> float:
        return float(2.0 + 1.5 * np.abs((at_s / 9.0) % 2 - 1))

    def living(at_s: float) -> float:
        return 0.3 * (at_s % 9.0) ** 2 / 9.0

    machine, replay = (search(glimpses(each, 240, step_s=0.25)) for each in (turning, living))
    assert machine is not None
    assert replay is not None
    assert machine.evenness > replay.evenness


@pytest.mark.parametrize(
    "moment_of",
    [lambda at_s: at_s, lambda at_s: 7.0, lambda at_s: min(at_s, 40.0)],
    ids=["never the same", "still", "stopped"],
)
def test_nothing_is_found_where_nothing_is_replayed(
    moment_of: Callable[[float], float],
) -> None:
    for count in (10, 40, 100, 180):
        assert search(glimpses(moment_of, count)) is None


def test_a_ticker_along_the_margin_hides_no_replay_that_began_in_sight() -> None:
    def ticking(seen: list[Moment]) -> list[Moment]:
        rng = np.random.default_rng(3)
        over = []
        for moment in seen:
            thumb = moment.thumb.copy()
            thumb[7:] = rng.uniform(0, 255, (2, 16))
            over.append(Moment(moment.at_s, thumb))
        return over

    found = search(ticking(glimpses(lambda at_s: at_s if at_s < 24 else 16 + at_s % 8, 100)))
    assert found is not None
    assert found.lag_s % 8.0 == pytest.approx(0.0, abs=0.1)
    assert search(ticking(glimpses(lambda at_s: at_s, 100))) is None


def test_of_what_repeated_before_a_change_none_began_in_sight() -> None:
    """A wheel turns on while a lamp beside it is switched on, which is a change for one round."""

    def lit(lamp: bool) -> list[Moment]:
        seen = glimpses(lambda at_s: 8 + 2 * np.sin(at_s / 1.3), 200, step_s=0.25, noise=0.1)
        for moment in seen:
            moment.thumb[:3] = 200 if lamp and moment.at_s > 30 else 40
        return seen

    for lamp in (False, True):
        found = search(lit(lamp))
        assert found is not None
        assert not found.onset_seen


def test_a_step_that_stands_out_among_its_neighbours_in_every_round_is_a_seam() -> None:
    """Something that never stops jumps once a round, no further than it goes elsewhere."""

    def round_of(at_s: float) -> float:
        return float(0.3 * (at_s % 6.0) + 0.25 * np.sin(2 * np.pi * (at_s % 6.0) / 1.5))

    seen = glimpses(round_of, 200, step_s=0.25, noise=0.0)
    times = np.array([moment.at_s for moment in seen])
    pictures = np.stack([moment.thumb.ravel() for moment in seen])
    assert jolted(times, pictures, lag_s=6.0, step_s=0.25)
    turning = glimpses(lambda at_s: 8 + 2 * np.sin(2 * np.pi * at_s / 6), 200, step_s=0.25, noise=0)
    pictures = np.stack([moment.thumb.ravel() for moment in turning])
    assert not jolted(times, pictures, lag_s=6.0, step_s=0.25)


def test_pictures_too_few_or_too_far_apart_are_not_searched() -> None:
    assert search([]) is None
    assert search(glimpses(replayed(6.0, 3.0), 11)) is None
    assert search(glimpses(replayed(24.0, 6.0), 60, step_s=2.0)) is None


def test_loops_that_are_longer_than_what_is_remembered_are_not_searched() -> None:
    seen = glimpses(replayed(24.0, 6.0), 120)
    assert search(seen) is not None
    for shortest_s in (59.5, 60.0, 100.0):
        assert recurrence_in(seen, shortest_s=shortest_s) is None


def test_a_hole_in_the_middle_does_no_harm() -> None:
    seen = glimpses(replayed(24.0, 6.0), 120)
    found = search(seen[:20] + seen[40:])
    assert found is not None
    assert found.lag_s == pytest.approx(6.0, abs=0.25)
