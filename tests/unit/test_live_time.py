"""How far the time of a live stream has come while nothing comes from it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streammon.windows.live_time import GRACE_S, MEMORY_S, LiveTime

HOUR_NS = 3_600 * 10**9
"""The monitor's clock does not begin with the stream."""

Arrival = tuple[float, float]
"""Media time, and seconds of the monitor's clock since the first."""


def ns(at_s: float) -> int:
    return HOUR_NS + round(at_s * 1e9)


def after(arrivals: list[Arrival]) -> LiveTime:
    live = LiveTime(arrivals[0][0], ns(arrivals[0][1]))
    for media_s, at_s in arrivals[1:]:
        live.saw(media_s, ns(at_s))
    return live


def near(got_s: float, wanted_s: float) -> bool:
    return abs(got_s - wanted_s) < 1e-6


def test_it_runs_on_with_the_clock() -> None:
    live = after([(5.0, 0.0), (6.0, 1.0)])
    assert near(live.now_s(ns(1.0)), 6.0 - GRACE_S)
    assert near(live.now_s(ns(3.5)), 8.5 - GRACE_S)


def test_it_waits_for_one_that_may_be_as_late_as_the_latest() -> None:
    live = after([(0.0, 0.0), (1.0, 3.0), (4.0, 4.0)])
    assert near(live.now_s(ns(4.0)), 2.0 - GRACE_S)


def test_a_sender_of_batches_is_not_run_ahead_of() -> None:
    """Ten seconds of messages at once: until the next batch comes, none of it is past."""
    arrivals: list[Arrival] = []
    for batch in range(1, 20):
        start_s = 10.0 * (batch - 1)
        if arrivals:
            assert after(arrivals).now_s(ns(10.0 * batch)) < start_s
        arrivals += [(start_s + number, 10.0 * batch) for number in range(10)]


def test_batches_far_apart_are_not_forgotten_between_them() -> None:
    far_s = 10 * MEMORY_S
    live = after([(0.0, far_s), (far_s - 1, far_s)])
    assert live.now_s(ns(2 * far_s)) < far_s


def test_a_recording_that_is_piped_in_is_not_run_ahead_of() -> None:
    live = after([(number * 10.0, number * 0.001) for number in range(1_000)])
    assert live.now_s(ns(2.0)) < 9_990.0


def test_what_was_late_is_not_forgotten_with_the_first_that_is_on_time_again() -> None:
    live = after([(0.0, 9.0), (39.5, 39.5)])
    assert near(live.now_s(ns(40.0)), 31.0 - GRACE_S)


def test_an_epoch_begins_its_own_time() -> None:
    live = after([(500.0, 0.0), (0.0, 1.0)])
    assert near(live.now_s(ns(4.0)), 3.0 - GRACE_S)


def test_what_was_late_long_ago_no_longer_counts() -> None:
    late = [(0.0, 0.0), (0.5, 9.0)]
    on_time = [(10.0 + number, 10.0 + number) for number in range(round(3 * MEMORY_S))]
    last_s = on_time[-1][1]
    assert near(after(late + on_time).now_s(ns(last_s)), last_s - GRACE_S)


@given(
    st.lists(st.tuples(st.floats(0.0, 5.0), st.floats(0.0, 5.0)), min_size=1, max_size=100),
    st.floats(0.0, 100.0),
)
def test_it_never_passes_what_an_item_as_late_as_one_of_the_newest_would_have(
    steps: list[tuple[float, float]], later_s: float
) -> None:
    media_s = at_s = 0.0
    arrivals: list[Arrival] = []
    for media_step_s, step_s in steps:
        media_s, at_s = media_s + media_step_s, at_s + step_s
        arrivals.append((media_s, at_s))
    recent = [(m, a) for m, a in arrivals if a > at_s - MEMORY_S + 1e-6]
    latest_s = max(a - m for m, a in recent)
    now_s = after(arrivals).now_s(ns(at_s + later_s))
    assert now_s <= at_s + later_s - latest_s - GRACE_S + 1e-6
