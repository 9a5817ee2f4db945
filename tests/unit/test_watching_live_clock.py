"""One clock for what is shown live: it goes on, whatever the stream's own time does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.server.watching.live_clock import AHEAD_S, STRAY_S, LiveClock

S = 1_000_000_000


def test_within_an_epoch_items_stay_as_far_apart_as_they_are() -> None:
    clock = LiveClock(began_ns=10 * S)
    assert clock.place_s(0, 500.0, 11 * S) == 1.0
    assert clock.place_s(0, 500.4, 12 * S) == pytest.approx(1.4), "its arrival was late"
    assert clock.place_s(0, 499.9, 12 * S) == pytest.approx(0.9), "sound of before the picture"


def test_a_new_epoch_goes_on_where_it_arrives() -> None:
    clock = LiveClock(began_ns=0)
    assert clock.place_s(0, 70.0, 1 * S) == 1.0
    assert clock.place_s(1, 0.0, 9 * S) == 9.0
    assert clock.place_s(1, 0.5, 9 * S) == 9.5


def test_time_that_jumps_within_an_epoch_is_put_where_it_arrived() -> None:
    clock = LiveClock(began_ns=0)
    assert clock.place_s(0, 0.0, 1 * S) == 1.0
    assert clock.place_s(0, 3600.0, 2 * S) == 2.0
    assert clock.place_s(0, 3600.1, 2 * S) == pytest.approx(2.1)


def test_a_first_item_that_came_late_does_not_shift_what_follows() -> None:
    clock = LiveClock(began_ns=0)
    burst = [clock.place_s(0, number / 25, 5 * S) for number in range(51)]  # 2 s of it at once
    assert max(burst) <= 5.0 + AHEAD_S
    after = [clock.place_s(0, 2 + number / 25, 5 * S + number * S // 25) for number in range(50)]
    for number, placed_s in enumerate(after):
        assert 0 <= placed_s - (5.0 + number / 25) <= AHEAD_S


@given(
    items=st.lists(
        st.tuples(st.integers(0, 3), st.floats(-1e6, 1e6), st.integers(0, 3600 * S)), max_size=30
    )
)
def test_it_is_never_far_from_what_arrived(items: list[tuple[int, float, int]]) -> None:
    clock = LiveClock(began_ns=0)
    for epoch, media_s, arrived_ns in sorted(items, key=lambda item: item[2]):
        placed_s = clock.place_s(epoch, media_s, arrived_ns)
        assert -STRAY_S - 1e-6 <= placed_s - clock.at_s(arrived_ns) <= AHEAD_S + 1e-6
