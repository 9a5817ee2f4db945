"""Recorded media pass no faster than time does, and do not drift."""

from __future__ import annotations

import threading
import time

from streammon.ingest.pace import BURST_S, GIVE_UP_S, HOLE_S, Pacer

TOLERANCE_S = 0.15
"""For a busy machine."""


def waited_s(pacer: Pacer, media_s: float, leaving: threading.Event) -> float:
    before_s = time.monotonic()
    pacer.wait(media_s, leaving)
    return time.monotonic() - before_s


def test_media_time_keeps_pace_without_drift() -> None:
    pacer, leaving = Pacer(), threading.Event()
    start_s = time.monotonic()
    for frame in range(26):
        pacer.wait(frame * 0.04, leaving)
        late_s = time.monotonic() - start_s - frame * 0.04
        assert -0.001 <= late_s <= BURST_S + TOLERANCE_S, "never early, never far behind"


def test_epochs_follow_each_other_without_a_pause() -> None:
    pacer, leaving = Pacer(), threading.Event()
    start_s = time.monotonic()
    for _ in range(3):
        pacer.wait(0.2, leaving)
        pacer.next_epoch()
    assert 0.6 <= time.monotonic() - start_s <= 0.6 + BURST_S + TOLERANCE_S


def test_leaving_ends_a_wait_at_once() -> None:
    pacer, leaving = Pacer(), threading.Event()
    threading.Timer(0.1, leaving.set).start()
    assert waited_s(pacer, 5.0, leaving) < 1.0


def test_a_long_hole_is_stepped_over() -> None:
    pacer, leaving = Pacer(), threading.Event()
    assert waited_s(pacer, HOLE_S + 100, leaving) < TOLERANCE_S
    assert waited_s(pacer, HOLE_S + 100.1, leaving) >= 0.09


def test_time_lost_in_sleep_is_not_made_up_for() -> None:
    pacer, leaving = Pacer(), threading.Event()
    pacer._start_s -= GIVE_UP_S + 5.0
    assert waited_s(pacer, 1.0, leaving) < TOLERANCE_S
    assert waited_s(pacer, 1.2, leaving) >= 0.19
