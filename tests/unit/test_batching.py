"""Which windows wait, and which make the next batch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import Modality, StreamId
from streammon.scheduler.batching import Batch, BatchQueue, SlotKey
from tests.virtual_device import window_of

MOST = {"a": 3, "b": 2}
MS = 10**6


@dataclass(frozen=True)
class Put:
    stream: str
    participant: str
    detector: str
    bucket: str
    budget_ms: int
    wait_ms: int


@dataclass(frozen=True)
class Take:
    pass


puts = st.builds(
    Put,
    stream=st.sampled_from("stuvw"),
    participant=st.sampled_from(["", "ann"]),
    detector=st.sampled_from("ab"),
    bucket=st.sampled_from(["", "wide"]),
    budget_ms=st.integers(1, 50),
    wait_ms=st.integers(0, 20),
)
histories = st.lists(puts | st.just(Take()), max_size=120)


def key_of(put: Put) -> SlotKey:
    return SlotKey(StreamId(put.stream), put.participant, put.detector, Modality.AUDIO)


def put_in(queue: BatchQueue, put: Put, number: int, now_ms: int) -> bool:
    return queue.put(
        key_of(put),
        put.bucket,
        window_of(put.stream, number, now_ms * MS),
        now_ns=now_ms * MS,
        deadline_ns=(now_ms + put.budget_ms) * MS,
        due_ns=(now_ms + put.wait_ms) * MS,
    )


@given(history=histories)
def test_every_window_is_taken_replaced_or_waits_and_losses_are_told(
    history: list[Put | Take],
) -> None:
    queue, taken, replaced, told = BatchQueue(), 0, 0, 0
    for now_ms, step in enumerate(history):
        if isinstance(step, Put):
            replaced += put_in(queue, step, now_ms, now_ms)
            continue
        batch = queue.take(now_ms * MS, MOST)
        if batch is not None:
            taken += len(batch.windows)
            told += sum(window.lost_before for window in batch.windows)
    count = sum(isinstance(step, Put) for step in history)
    assert count == taken + replaced + len(queue)
    while batch := queue.take(0, MOST, all_due=True):
        told += sum(window.lost_before for window in batch.windows)
    assert told == replaced
    assert len(queue) == 0
    assert queue.next_due_ns() is None


@dataclass
class Model:
    """The queue, said the slow way: a list of what waits."""

    slots: dict[SlotKey, tuple[str, int, int, int, int]]
    """key -> (bucket, number of the newest window, deadline, due, order)."""

    def groups(self) -> dict[tuple[str, str], list[SlotKey]]:
        found: dict[tuple[str, str], list[SlotKey]] = {}
        for key, (bucket, *_) in self.slots.items():
            found.setdefault((key.detector, bucket), []).append(key)
        return found

    def urgency(self, key: SlotKey) -> tuple[int, int]:
        _, _, deadline, _, order = self.slots[key]
        return (deadline, order)

    def expected(self, now_ms: int) -> list[SlotKey] | None:
        due = []
        for (detector, _), keys in self.groups().items():
            keys.sort(key=self.urgency)
            if len(keys) >= MOST[detector] or self.slots[keys[0]][3] <= now_ms:
                due.append(keys)
        if not due:
            return None
        first = min(due, key=lambda keys: self.urgency(keys[0]))
        chosen: list[SlotKey] = []
        for key in first:
            if len(chosen) < MOST[key.detector] and key.stream not in {
                one.stream for one in chosen
            }:
                chosen.append(key)
        return chosen


@given(history=histories)
def test_the_most_urgent_group_that_is_due_goes_first_with_its_newest_windows(
    history: list[Put | Take],
) -> None:
    queue, model = BatchQueue(), Model({})
    for now_ms, step in enumerate(history):
        if isinstance(step, Put):
            put_in(queue, step, now_ms, now_ms)
            key = key_of(step)
            turn = (now_ms + step.budget_ms, now_ms + step.wait_ms, now_ms)
            deadline, due, order = model.slots[key][2:] if key in model.slots else turn
            model.slots[key] = (step.bucket, now_ms, deadline, due, order)
            continue
        keys = model.expected(now_ms)
        batch = queue.take(now_ms * MS, MOST)
        if keys is None:
            assert batch is None
            continue
        assert batch is not None
        assert [window.items[0].seq for window in batch.windows] == [
            model.slots[key][1] for key in keys
        ]
        assert batch.queued_ns == tuple(model.slots[key][1] * MS for key in keys)
        for key in keys:
            del model.slots[key]


def test_a_batch_is_cut_when_it_is_full_or_has_waited_long_enough() -> None:
    queue = BatchQueue()
    for number, stream in enumerate("st"):
        put_in(queue, Put(stream, "", "a", "", 1000, 20), number, 0)
    assert queue.take(19 * MS, MOST) is None
    assert queue.next_due_ns() == 20 * MS
    assert queue.take(25 * MS, MOST, only_full=True) is None
    put_in(queue, Put("u", "", "a", "", 1000, 20), 2, 5)
    full = queue.take(5 * MS, MOST, only_full=True)
    assert full is not None
    assert streams(full) == ["s", "t", "u"]
    put_in(queue, Put("s", "", "a", "", 1000, 20), 3, 30)
    waited = queue.take(50 * MS, MOST)
    assert waited is not None
    assert streams(waited) == ["s"]


def streams(batch: Batch) -> list[str]:
    return [str(window.stream) for window in batch.windows]


def test_a_stream_that_is_always_replaced_keeps_its_turn() -> None:
    """Two streams, room for one: the one that sends more often cannot be pushed back for it."""
    queue, served = BatchQueue(), Counter[str]()
    for now_ms in range(1000):
        put_in(queue, Put("often", "", "b", "", 100, 0), now_ms, now_ms)
        if now_ms % 3 == 0:
            put_in(queue, Put("seldom", "", "b", "", 100, 0), now_ms, now_ms)
        if now_ms % 5 == 0 and (batch := queue.take(now_ms * MS, {"b": 1})):
            served.update(streams(batch))
    assert served["often"] + served["seldom"] == 200
    assert abs(served["often"] - served["seldom"]) <= 1


def test_two_participants_of_a_stream_go_in_two_calls() -> None:
    queue = BatchQueue()
    for number, participant in enumerate(["", "ann", "bob"]):
        put_in(queue, Put("s", participant, "a", "", 10, 0), number, 0)
    batches = [queue.take(0, MOST) for _ in range(4)]
    assert [batch and len(batch.windows) for batch in batches] == [1, 1, 1, None]


def test_a_detector_that_failed_takes_its_windows_with_it() -> None:
    queue = BatchQueue()
    for number, (stream, detector) in enumerate([("s", "a"), ("t", "a"), ("s", "b")]):
        put_in(queue, Put(stream, "", detector, "", 10, 0), number, 0)
    assert queue.waiting(detector="a") == 2
    assert queue.waiting(stream=StreamId("s")) == 2
    assert queue.withdraw("a").total() == 2
    assert len(queue) == 1
    batch = queue.take(0, MOST)
    assert batch is not None
    assert batch.detector == "b"


def test_a_window_that_changes_its_shape_and_back_keeps_its_turn() -> None:
    queue = BatchQueue()
    key = SlotKey(StreamId("s"), "", "a", Modality.AUDIO)
    for number, bucket in enumerate(["", "wide", "", "wide", ""]):
        queue.put(key, bucket, window_of("s", number, 0), now_ns=0, deadline_ns=5, due_ns=0)
    batch = queue.take(0, MOST)
    assert batch is not None
    assert [window.start_s for window in batch.windows] == [4.0]
    assert batch.windows[0].lost_before == 4
    assert len(queue) == 0
