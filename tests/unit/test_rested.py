from __future__ import annotations

import numpy as np

from streammon.detectors.picture_signals import CELLS, Grey
from streammon.detectors.rested import RestedCells

COLUMNS, ROWS = CELLS


def wall(level: int = 100) -> Grey:
    return np.full((ROWS, COLUMNS), level, np.uint8)


def with_somebody(column: int) -> Grey:
    cells = wall()
    cells[10:30, column : column + 6] = 30
    return cells


def seen(pictures: list[Grey], *, step_s: float = 0.5) -> RestedCells:
    rested = RestedCells()
    for number, cells in enumerate(pictures):
        rested.add(number * step_s, cells)
    return rested


def test_before_anything_was_seen_all_is_new() -> None:
    assert RestedCells().new(wall()).all()


def test_the_wall_behind_is_known_though_it_was_never_seen_without_anybody() -> None:
    rested = seen([with_somebody(6 * (number // 2)) for number in range(20)])
    assert not rested.new(wall()).any()


def test_who_stands_where_nobody_stood_is_new_and_only_there() -> None:
    rested = seen([wall()] * 6)
    new = rested.new(with_somebody(40))
    assert new[12:28, 41:45].all()
    assert not new[:, :39].any()
    assert not new[:, 47:].any()


def test_what_did_not_rest_for_two_seconds_is_not_known() -> None:
    passed = seen([wall()] * 6 + [with_somebody(40)] * 3 + [wall()] * 3)
    stood = seen([wall()] * 6 + [with_somebody(40)] * 6 + [wall()] * 3)
    assert passed.new(with_somebody(40)).any()
    assert not stood.new(with_somebody(40)).any()


def test_levels_that_differ_by_noise_are_the_same_and_others_are_not() -> None:
    rested = seen([wall(100)] * 6)
    assert not rested.new(wall(97)).any()
    assert not rested.new(wall(103)).any()
    assert rested.new(wall(120)).all()
    assert not seen([wall(255)] * 6).new(wall(254)).any()
    assert not seen([wall(0)] * 6).new(wall(1)).any()


def test_single_cells_are_noise_and_not_new() -> None:
    rested = seen([wall()] * 6)
    cells = wall()
    cells[::6, ::6] = 30
    assert not rested.new(cells).any()


def test_what_stood_still_long_ago_is_forgotten_and_what_still_stands_is_not() -> None:
    rested = seen([with_somebody(40)] * 6 + [wall()] * 20)
    assert not rested.new(with_somebody(40)).any()
    for number in range(26, 300):
        rested.add(number * 0.5, wall())
    assert rested.new(with_somebody(40)).any()
    assert not rested.new(wall()).any()
