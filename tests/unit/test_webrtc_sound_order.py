"""Packets of sound: in order, at once, and never later for what was lost before."""

from __future__ import annotations

import random
from typing import Any

import pytest
from aiortc.jitterbuffer import JitterBuffer
from aiortc.rtp import RtpPacket

from streammon.ingest.webrtc.sound_order import BEGAN_ANEW, MOST_WAITING, NUMBERS, SoundOrder


def a_packet(at: int, *, first: int = 0) -> RtpPacket:
    """The packet `at` places after the first one: 20 ms of sound each."""
    packet = RtpPacket(sequence_number=(first + at) % NUMBERS, timestamp=960 * at)
    packet._data = b"%d" % at  # type: ignore[attr-defined]
    return packet


def taken(order: Any, packet: RtpPacket) -> list[int]:
    """Places of the frames that are handed on with this packet."""
    _, frame = order.add(packet)
    places = []
    while frame is not None:
        assert frame.data == b"%d" % (frame.timestamp // 960)
        places.append(frame.timestamp // 960)
        frame = order.more()
    return places


@pytest.mark.parametrize("first", [0, 7, NUMBERS - 3])
def test_each_packet_is_handed_on_as_it_comes(first: int) -> None:
    order = SoundOrder()
    assert [taken(order, a_packet(at, first=first)) for at in range(8)] == [[at] for at in range(8)]


def test_those_out_of_order_wait_for_theirs_and_no_longer() -> None:
    order = SoundOrder()
    came = [0, 2, 3, 1, 4, 4, 1, 5]
    assert [taken(order, a_packet(at)) for at in came] == [[0], [], [], [1, 2, 3], [4], [], [], [5]]


@pytest.mark.parametrize("first", [0, NUMBERS - 8])
def test_one_that_is_lost_is_waited_for_once(first: int) -> None:
    order = SoundOrder()
    came = [at for at in range(40) if at != 5]
    said = {at: taken(order, a_packet(at, first=first)) for at in came}
    assert said[4] == [4]
    given_up = 5 + MOST_WAITING + 1
    assert all(said[at] == [] for at in range(6, given_up))
    assert said[given_up] == list(range(6, given_up + 1))
    assert all(said[at] == [at] for at in range(given_up + 1, 40))
    assert taken(order, a_packet(5, first=first)) == []  # it comes after all


def test_a_sender_that_counts_anew_is_followed_at_once_or_after_what_may_wait() -> None:
    order = SoundOrder()
    for at in range(200):
        taken(order, a_packet(at, first=1000))
    assert taken(order, a_packet(0, first=1199 - BEGAN_ANEW)) == [0]
    far = [taken(order, a_packet(at, first=30_000)) for at in range(MOST_WAITING + 2)]
    assert far == [[]] * MOST_WAITING + [list(range(MOST_WAITING + 1)), [MOST_WAITING + 1]]


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_is_in_order_once_and_soon(seed: int) -> None:
    rng = random.Random(seed)
    count, first = 400, rng.randrange(NUMBERS)
    sent = [at for at in range(count) if rng.random() > 0.05]
    late = {at: at + rng.choice([0, 0, 0, 1, 3, 6]) + rng.random() / 2 for at in sent}
    doubled = sent + [at for at in sent if rng.random() < 0.1]
    came = sorted(doubled, key=late.__getitem__)
    order, heard, seen = SoundOrder(), list[int](), set[int]()
    for at in came:
        heard += taken(order, a_packet(at, first=first))
        seen.add(at)
        assert sum(place > heard[-1] for place in seen) <= MOST_WAITING
    waiting = [at for at in sent if at > heard[-1]]
    assert heard + waiting == [at for at in sent if at >= heard[0]]


def test_ours_is_sooner_than_the_buffer_for_playing_most_of_all_after_a_loss() -> None:
    """What this module is for; where aiortc's own has learnt better, ours can go."""
    theirs, ours = JitterBuffer(capacity=16, prefetch=4), SoundOrder()
    behind = {}
    for at in [at for at in range(100) if at != 50]:
        _, frame = theirs.add(a_packet(at))
        newest = frame.timestamp // 960 if frame is not None else None
        behind[at] = (None if newest is None else at - newest, at - taken_last(ours, at))
    assert behind[49] == (4, 0)
    assert behind[99] == (14, 0)


def taken_last(order: SoundOrder, at: int) -> int:
    """The newest place handed on with this packet; far back where none was."""
    return (taken(order, a_packet(at)) or [-1])[-1]
