"""The ring between a driver's thread and ours, and what the clock says of lost sound."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.ingest.sound_ring import LEAST_LOSS_S, LOOK_EVERY_S, LossWatch, Piece, SoundRing

RATE_HZ = 16_000
COUNT = 320


def put(ring: SoundRing, count: int) -> None:
    ring.put(bytes(2 * count), count, arrived_ns=0, waiting_s=0.0)


@given(st.lists(st.integers(1, 2_000), max_size=60), st.integers(1, 10_000))
def test_what_is_kept_is_the_newest_and_bounded(counts: list[int], most: int) -> None:
    ring = SoundRing(most_samples=most)
    for count in counts:
        put(ring, count)
    kept = ring.take(within_s=0.0)
    assert ring.seen == sum(counts)
    assert sum(piece.count for piece in kept) <= max([most, *counts[-1:]])
    if counts:
        assert kept[-1].first + kept[-1].count == ring.seen
        ends = [piece.first + piece.count for piece in kept]
        assert [piece.first for piece in kept[1:]] == ends[:-1]


def test_an_empty_ring_is_waited_for_no_longer_than_told() -> None:
    assert SoundRing(most_samples=10).take(within_s=0.01) == []


def test_what_another_thread_puts_wakes_the_taker() -> None:
    ring = SoundRing(most_samples=1_000)
    putter = threading.Timer(0.02, put, (ring, 100))
    putter.start()
    assert [piece.count for piece in ring.take(within_s=20.0)] == [100]
    putter.join()


def heard(
    seconds: float,
    *,
    jitter_s: list[float] | None = None,
    skew: float = 0.0,
    lost_at: float | None = None,
    lost_s: float = 0.0,
    waiting_growth: float = 0.0,
) -> list[float]:
    """What the watch finds in so much sound, piece by piece; zeros left out."""
    watch, found = LossWatch(RATE_HZ), []
    for number in range(round(seconds * RATE_HZ / COUNT)):
        first = number * COUNT
        true_s = first / RATE_HZ * (1 + skew)
        if lost_at is not None and true_s >= lost_at:
            true_s += lost_s
        waiting_s = 0.02 + waiting_growth * true_s
        late_s = jitter_s[number % len(jitter_s)] if jitter_s else 0.0
        arrived_ns = round((100 + true_s + waiting_s + late_s) * 1e9)
        found.append(watch.saw(Piece(first, COUNT, b"", arrived_ns, waiting_s)))
    assert watch.lost_s == pytest.approx(sum(found))
    return [each for each in found if each]


@given(
    st.lists(st.floats(0.0, 0.4), min_size=1, max_size=40).map(lambda late: [0.0, *late]),
    st.floats(-3e-4, 3e-4),
)
def test_jitter_and_a_card_of_another_clock_are_no_loss(late: list[float], skew: float) -> None:
    assert heard(20.0, jitter_s=late, skew=skew) == []


@given(st.floats(LEAST_LOSS_S * 1.1, 5.0), st.floats(4.0, 10.0))
def test_lost_sound_is_found_once_and_in_full(lost_s: float, at_s: float) -> None:
    found = heard(at_s + 3 * LOOK_EVERY_S, lost_at=at_s, lost_s=lost_s)
    assert len(found) == 1
    assert found[0] == pytest.approx(lost_s, abs=0.01)


def test_sound_that_waits_upstream_is_late_not_lost() -> None:
    assert heard(20.0, waiting_growth=0.1) == []
    assert heard(20.0, waiting_growth=0.0, jitter_s=[0.0, 0.1]) == []


def test_a_driver_that_corrects_what_it_said_of_the_wait_has_lost_nothing() -> None:
    """As PulseAudio does in its first seconds."""
    watch = LossWatch(RATE_HZ)
    for number in range(1_000):
        first = number * COUNT
        waiting_s = 0.6 if number < 200 else 0.02
        assert watch.saw(Piece(first, COUNT, b"", round(first / RATE_HZ * 1e9), waiting_s)) == 0.0


def test_a_driver_that_says_nonsense_of_the_wait_is_not_believed() -> None:
    watch = LossWatch(RATE_HZ)
    for number in range(1_000):
        first = number * COUNT
        arrived_ns = round(first / RATE_HZ * 1e9)
        assert watch.saw(Piece(first, COUNT, b"", arrived_ns, -3.0e9)) == 0.0
