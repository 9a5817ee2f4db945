"""When a circuit breaker lets a call through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.detectors.breaker import Breaker, State

S = 10**9


def test_it_opens_after_so_many_failures_in_a_row_and_not_before() -> None:
    breaker = Breaker(failures=3, rest_s=30)
    for now_ns in (0, S):
        breaker.failed(now_ns)
        assert breaker.state(now_ns) is State.CLOSED
    breaker.failed(2 * S)
    assert breaker.state(2 * S) is State.OPEN
    assert breaker.rest_left_s(12 * S) == 20.0


def test_a_success_between_failures_begins_the_count_anew() -> None:
    breaker = Breaker(failures=2)
    for now_ns in range(6):
        breaker.failed(now_ns)
        breaker.succeeded()
    assert breaker.state(6) is State.CLOSED


def test_after_its_rest_one_call_decides() -> None:
    breaker = Breaker(failures=3, rest_s=10)
    breaker.trip(0)
    assert breaker.state(10 * S - 1) is State.OPEN
    assert breaker.state(10 * S) is State.HALF_OPEN
    breaker.failed(11 * S)
    assert breaker.state(12 * S) is State.OPEN
    assert breaker.state(21 * S) is State.HALF_OPEN
    breaker.succeeded()
    assert breaker.state(21 * S) is State.CLOSED
    assert breaker.rest_left_s(21 * S) == 0.0


def test_a_clock_that_steps_back_does_not_make_it_rest_for_ever() -> None:
    breaker = Breaker(failures=1, rest_s=10)
    breaker.failed(1_000 * S)
    assert breaker.state(5 * S) is State.HALF_OPEN


@pytest.mark.parametrize(("failures", "rest_s"), [(0, 1.0), (1, 0.0), (1, float("nan"))])
def test_settings_that_make_no_sense_are_refused(failures: int, rest_s: float) -> None:
    with pytest.raises(ValueError, match="expected failures"):
        Breaker(failures=failures, rest_s=rest_s)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_it_never_rests_while_fewer_than_that_many_failed_in_a_row(
    outcomes: list[bool], most: int
) -> None:
    breaker = Breaker(failures=most, rest_s=5)
    in_a_row = 0
    for at, works in enumerate(outcomes):
        if breaker.state(at * S) is State.OPEN:
            assert in_a_row >= most
            assert breaker.rest_left_s(at * S) <= 5.0
            continue
        if works:
            breaker.succeeded()
            in_a_row = 0
        else:
            breaker.failed(at * S)
            in_a_row += 1
        assert (breaker.state(at * S) is State.OPEN) == (in_a_row >= most)
