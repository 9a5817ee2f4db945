"""The figures of the counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streammon.scheduler.tally import BUSY_OVER, Busyness, Tally, percentiles


@given(values=st.lists(st.floats(0, 100), min_size=1, max_size=200), percent=st.integers(1, 100))
def test_a_percentile_is_the_smallest_value_that_enough_do_not_exceed(
    values: list[float], percent: int
) -> None:
    (found,) = percentiles(values, (percent,))
    assert found in values
    assert sum(value <= found for value in values) >= len(values) * percent / 100
    assert sum(value < found for value in values) < len(values) * percent / 100


def test_no_values_give_zeros() -> None:
    assert percentiles([], (50, 95)) == [0.0, 0.0]


def test_queued_is_what_waits_and_what_is_on_the_device() -> None:
    tally = Tally(submitted=9, scored=3, running=2, batches=2)
    stats = tally.stats(device="cpu", waiting=4, stretch=1.5)
    assert (stats.queued, stats.mean_batch, stats.stretch) == (6, 1.5, 1.5)
    assert Tally().stats(device="", waiting=0, stretch=1.0).mean_batch == 0.0


def test_a_batch_that_outlasts_a_plan_counts_as_work_all_along() -> None:
    busy = Busyness()
    busy.planned(0)
    busy.given(100)
    for second in range(1, 4):
        busy.planned(second * 1000)
    assert busy.share == 2900 / 3000
    busy.given(3200)
    busy.ended(3500)
    busy.ended(4000)
    busy.planned(4000)
    assert busy.share == 3900 / 4000
    for second in range(5, 5 + BUSY_OVER):
        busy.planned(second * 1000)
    assert busy.share == 0.0


def test_what_is_given_before_the_first_plan_or_ends_out_of_step_is_no_negative_work() -> None:
    busy = Busyness()
    assert busy.share == 0.0
    busy.given(500)
    busy.planned(1000)
    assert busy.share == 0.0
    busy.ended(900)
    busy.planned(2000)
    assert busy.share == 0.0
