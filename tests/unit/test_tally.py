"""The figures of the counts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streammon.scheduler.tally import Tally, percentiles


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
