"""Numbered pieces, whatever order they come in."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from streammon.ingest.calls.reorder import Reorder


def through(numbers: list[int], *, most_waiting: int = 10) -> tuple[list[int], Reorder[int]]:
    order: Reorder[int] = Reorder(most_waiting=most_waiting)
    given = [each for number in numbers for each in order.push(number, number)]
    return [*given, *order.flush()], order


def test_what_is_in_order_passes_at_once() -> None:
    order: Reorder[str] = Reorder()
    assert [order.push(number, str(number)) for number in (1, 2, 3)] == [["1"], ["2"], ["3"]]


def test_neighbours_that_changed_places_change_back() -> None:
    assert through([2, 1, 3, 5, 4])[0] == [1, 2, 3, 4, 5]


def test_a_missing_piece_is_waited_for_no_longer_than_stated() -> None:
    order: Reorder[int] = Reorder(most_waiting=3)
    assert order.push(1, 1) == [1]
    assert [order.push(number, number) for number in (3, 4, 5)] == [[], [], []]
    assert order.push(6, 6) == [3, 4, 5, 6]
    assert order.missing == 1
    assert order.push(2, 2) == []
    assert order.late == 1


def test_a_stream_that_is_joined_in_its_middle_goes_on() -> None:
    given, order = through(list(range(500, 530)))
    assert given == list(range(500, 530))
    assert order.missing == 499


@given(st.lists(st.integers(0, 60), max_size=120), st.integers(1, 12))
def test_out_comes_each_number_once_and_ascending(numbers: list[int], most: int) -> None:
    given, order = through(numbers, most_waiting=most)
    assert all(before < after for before, after in pairwise(given))
    assert set(given) <= set(numbers)
    assert len(given) + order.late == len(numbers)


@given(st.permutations(list(range(1, 9))))
def test_nothing_is_lost_while_the_mess_fits(numbers: list[int]) -> None:
    given, order = through(numbers)
    assert given == sorted(numbers)
    assert order.missing == order.late == 0
