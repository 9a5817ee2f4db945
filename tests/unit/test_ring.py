"""The packet ring keeps what it promises, within its bounds, under any stream of packets."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from streammon.media.ring import PacketRing


@dataclass(frozen=True)
class FakePacket:
    number: int
    size: int


@dataclass(frozen=True)
class Step:
    """One packet: so much later than the one before, so large, a keyframe or not."""

    later_s: float
    size: int
    is_key: bool


STEPS = st.lists(
    st.builds(
        Step,
        later_s=st.floats(0.01, 0.5),
        size=st.integers(1, 400),
        is_key=st.booleans(),
    ),
    max_size=120,
)


def filled(
    steps: list[Step], *, seconds: float, max_bytes: int
) -> tuple[PacketRing[FakePacket], list[tuple[float, FakePacket, bool]]]:
    ring: PacketRing[FakePacket] = PacketRing(seconds=seconds, max_bytes=max_bytes)
    added, now_s = [], 0.0
    for number, step in enumerate(steps):
        now_s += step.later_s
        packet = FakePacket(number, step.size)
        ring.add(0, packet, packet.size, starts_group_s=now_s if step.is_key else None)
        assert ring.size <= max_bytes
        added.append((now_s, packet, step.is_key))
    return ring, added


def kept(ring: PacketRing[FakePacket]) -> list[FakePacket]:
    cut = ring.cut(float("-inf"), float("inf"))
    return [] if cut is None else [packet for _, packet in cut.packets]


@given(STEPS, st.floats(0.0, 5.0), st.integers(1, 5000))
def test_it_holds_whole_groups_up_to_the_newest_packet(
    steps: list[Step], seconds: float, max_bytes: int
) -> None:
    ring, added = filled(steps, seconds=seconds, max_bytes=max_bytes)
    packets = kept(ring)
    assert ring.size == sum(packet.size for packet in packets)
    if packets:
        first = packets[0].number
        assert added[first][2], "the oldest kept packet begins a group"
        assert packets == [packet for _, packet, _ in added[first:]], "nothing is missing"


@given(STEPS, st.floats(0.0, 5.0))
def test_it_holds_at_least_the_seconds_and_at_most_one_group_more(
    steps: list[Step], seconds: float
) -> None:
    ring, added = filled(steps, seconds=seconds, max_bytes=10**9)
    keys = [(at_s, packet) for at_s, packet, is_key in added if is_key]
    if not keys:
        assert kept(ring) == []
        return
    newest_s = keys[-1][0]
    oldest = kept(ring)[0]
    position = [packet for _, packet in keys].index(oldest)
    oldest_s = keys[position][0]
    assert oldest_s <= newest_s - seconds or position == 0, "it reaches back far enough"
    if len(keys) > position + 1:
        assert keys[position + 1][0] > newest_s - seconds or keys[position + 1][0] == newest_s


@given(STEPS, st.floats(0.0, 60.0), st.floats(0.01, 20.0))
def test_a_cut_is_the_groups_that_touch_the_stretch(
    steps: list[Step], start_s: float, length_s: float
) -> None:
    ring, added = filled(steps, seconds=1e9, max_bytes=10**9)
    end_s = start_s + length_s
    cut = ring.cut(start_s, end_s)
    keys = [at_s for at_s, _, is_key in added if is_key]
    touching = [
        at_s
        for number, at_s in enumerate(keys)
        if at_s < end_s and (number + 1 == len(keys) or keys[number + 1] > start_s)
    ]
    assert (cut is None) == (not touching)
    if cut is not None:
        assert cut.start_s == touching[0]
        assert cut.packets[0][1].number == [at_s for at_s, _, _ in added].index(touching[0])


def test_a_single_group_larger_than_the_bound_is_not_kept() -> None:
    ring, _ = filled([Step(0.1, 10, True), *[Step(0.1, 10, False)] * 20], seconds=9, max_bytes=50)
    assert ring.size == 0
    assert ring.cut(0, 100) is None
    ring.add(0, FakePacket(99, 10), 10, starts_group_s=9.0)
    assert [packet.number for packet in kept(ring)] == [99]


def test_cuts_are_whole_while_another_thread_adds() -> None:
    ring: PacketRing[FakePacket] = PacketRing(seconds=1.0, max_bytes=10**6)
    enough = threading.Event()

    def add() -> None:
        for number in itertools.count():
            is_key = number % 10 == 0
            ring.add(0, FakePacket(number, 10), 10, starts_group_s=number / 100 if is_key else None)
            if number >= 20_000 and enough.is_set():
                return

    thread = threading.Thread(target=add)
    thread.start()
    try:
        cuts = 0
        while cuts < 100 or ring.count < 20_000:
            if (cut := ring.cut(0, 1e9)) is not None:
                numbers = [packet.number for _, packet in cut.packets]
                assert numbers[0] % 10 == 0
                assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
                cuts += 1
    finally:
        enough.set()
        thread.join()


@given(STEPS, st.floats(0.0, 5.0), st.integers(1, 5000), st.integers(1, 7))
def test_who_reads_in_runs_gets_every_kept_packet_once_and_in_order(
    steps: list[Step], seconds: float, max_bytes: int, most: int
) -> None:
    ring, _ = filled(steps, seconds=seconds, max_bytes=max_bytes)
    held = kept(ring)
    number = ring.count - len(held)
    read: list[FakePacket] = []
    while (run := ring.run(number, most=most)) is not None and run.packets:
        assert len(run.packets) <= most
        first = run.packets[0][1].number
        assert run.begins_group == steps[first].is_key
        assert not any(steps[packet.number].is_key for _, packet in run.packets[1:])
        read += [packet for _, packet in run.packets]
        number += len(run.packets)
    assert read == held
    assert number == ring.count


@given(STEPS, st.floats(0.0, 5.0), st.integers(1, 5000))
def test_the_newest_group_begins_with_the_newest_keyframe_that_is_kept(
    steps: list[Step], seconds: float, max_bytes: int
) -> None:
    ring, _ = filled(steps, seconds=seconds, max_bytes=max_bytes)
    number = ring.newest_group()
    assert (number is None) == (not kept(ring))
    if number is not None:
        run = ring.run(number, most=1)
        assert run is not None
        assert run.begins_group
        newest = max(packet.number for packet in kept(ring) if steps[packet.number].is_key)
        assert run.packets[0][1].number == newest


def test_what_was_evicted_and_what_has_not_come_yet_are_told_apart() -> None:
    steps = [Step(1.0, 10, True) for _ in range(10)]
    ring, _ = filled(steps, seconds=2.0, max_bytes=1000)
    assert ring.run(0, most=5) is None
    waiting = ring.run(ring.count, most=5)
    assert waiting is not None
    assert waiting.packets == ()
