"""Recorded media pass no faster than time does, and do not drift."""

from __future__ import annotations

import threading
import time

from hypothesis import given
from hypothesis import strategies as st

from streammon.ingest.pace import BURST_S, GIVE_UP_S, HOLE_S, LEAST_EPOCH_S, Pacer

NEARLY_S = 1e-6


class Waiting(threading.Event):
    """Time that passes only in `wait`."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 1000.0

    def wait(self, timeout: float | None = None) -> bool:
        self.now_s += timeout or 0.0
        return False


@given(st.lists(st.floats(0.0, 0.1), min_size=1, max_size=200))
def test_packets_are_never_early_and_never_later_than_a_burst(steps_s: list[float]) -> None:
    waiting = Waiting()
    pacer = Pacer(lambda: waiting.now_s)
    start_s, media_s = waiting.now_s, 0.0
    for step_s in steps_s:
        media_s += step_s
        pacer.wait(media_s, waiting)
        late_s = waiting.now_s - start_s - media_s
        assert -NEARLY_S <= late_s <= BURST_S + NEARLY_S


def test_an_hour_of_media_takes_an_hour() -> None:
    waiting = Waiting()
    pacer = Pacer(lambda: waiting.now_s)
    start_s = waiting.now_s
    for frame in range(3600 * 25):
        pacer.wait(frame / 25, waiting)
        waiting.now_s += 0.002
    assert abs(waiting.now_s - start_s - 3600) < 0.1


def test_epochs_follow_each_other_without_a_pause() -> None:
    waiting = Waiting()
    pacer = Pacer(lambda: waiting.now_s)
    start_s = waiting.now_s
    for _ in range(3):
        pacer.wait(0.2, waiting)
        pacer.next_epoch()
    assert 0.6 - NEARLY_S <= waiting.now_s - start_s <= 0.6 + BURST_S + NEARLY_S


def test_epochs_of_one_picture_take_a_moment_each() -> None:
    waiting = Waiting()
    pacer = Pacer(lambda: waiting.now_s)
    start_s = waiting.now_s
    for _ in range(100):
        pacer.wait(0.0, waiting)
        pacer.next_epoch()
    assert waiting.now_s - start_s >= 98 * LEAST_EPOCH_S


def test_a_long_hole_is_stepped_over() -> None:
    waiting = Waiting()
    pacer = Pacer(lambda: waiting.now_s)
    start_s = waiting.now_s
    pacer.wait(HOLE_S + 100, waiting)
    assert waiting.now_s == start_s
    pacer.wait(HOLE_S + 101, waiting)
    assert waiting.now_s - start_s >= 1.0 - NEARLY_S


def test_time_lost_in_sleep_is_not_made_up_for() -> None:
    waiting = Waiting()
    pacer = Pacer(lambda: waiting.now_s)
    waiting.now_s += GIVE_UP_S + 5.0
    woke_s = waiting.now_s
    pacer.wait(1.0, waiting)
    assert waiting.now_s == woke_s
    pacer.wait(3.0, waiting)
    assert waiting.now_s - woke_s >= 2.0 - NEARLY_S


def test_leaving_ends_a_wait_at_once() -> None:
    pacer, leaving = Pacer(), threading.Event()
    leaving.set()
    start_s = time.monotonic()
    pacer.wait(9.0, leaving)
    assert time.monotonic() - start_s < 5.0
