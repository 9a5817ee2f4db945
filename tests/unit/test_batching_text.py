"""Windows of text are kept: all of them, in order, and nobody else waits longer for it."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import Modality, StreamId
from streammon.scheduler.batching import Batch, BatchQueue, SlotKey
from tests.virtual_device import window_of

MOST = {"a": 3, "b": 2}
MS = 10**6


@dataclass(frozen=True)
class Said:
    stream: str
    participant: str
    detector: str
    bucket: str
    budget_ms: int


@dataclass(frozen=True)
class Take:
    pass


@dataclass(frozen=True)
class Drop:
    detector: str


said = st.builds(
    Said,
    stream=st.sampled_from("stu"),
    participant=st.sampled_from(["", "ann"]),
    detector=st.sampled_from("ab"),
    bucket=st.sampled_from(["", "long"]),
    budget_ms=st.integers(-5, 50),
)
histories = st.lists(
    said | said | said | st.just(Take()) | st.builds(Drop, st.sampled_from("ab")), max_size=150
)


def key_of(one: Said, modality: Modality = Modality.TEXT) -> SlotKey:
    return SlotKey(StreamId(one.stream), one.participant, one.detector, modality)


def put_in(
    queue: BatchQueue, one: Said, number: int, now_ms: int = 0, *, keep: bool = True
) -> bool:
    return queue.put(
        key_of(one),
        one.bucket,
        window_of(one.stream, number, now_ms * MS),
        now_ns=now_ms * MS,
        deadline_ns=(now_ms + one.budget_ms) * MS,
        due_ns=now_ms * MS,
        keep=keep,
    )


def numbers(batch: Batch | None) -> list[int]:
    return [window.items[0].seq for window in batch.windows] if batch else []


@given(history=histories)
def test_no_window_of_text_is_lost_and_those_of_a_slot_come_out_in_order(
    history: list[Said | Take | Drop],
) -> None:
    queue, slots = BatchQueue(), defaultdict[SlotKey, deque[int]](deque)
    where: dict[int, SlotKey] = {}

    def check(batch: Batch) -> None:
        streams = [window.stream for window in batch.windows]
        assert len(set(streams)) == len(streams) <= MOST[batch.detector]
        assert all(window.lost_before == 0 for window in batch.windows)
        for number in numbers(batch):
            assert number == slots[where[number]].popleft()

    for number, step in enumerate(history):
        if isinstance(step, Said):
            assert not put_in(queue, step, number, number)
            where[number] = key_of(step)
            slots[where[number]].append(number)
        elif isinstance(step, Drop):
            lost = queue.withdraw(step.detector)
            for key in [key for key in slots if key.detector == step.detector]:
                lost[key.stream] -= len(slots.pop(key))
            assert not any(lost.values())
        elif batch := queue.take(number * MS, MOST):
            check(batch)
        waiting = Counter[StreamId]()
        for key, line in slots.items():
            waiting[key.stream] += len(line)
        assert len(queue) == queue.waiting() == waiting.total()
        assert all(queue.texts(StreamId(name)) == waiting[StreamId(name)] for name in "stu")
    while batch := queue.take(0, MOST, all_due=True):
        check(batch)
    assert not any(slots.values())
    assert len(queue) == 0
    assert queue.next_due_ns() is None


def test_of_many_that_wait_one_goes_at_a_time() -> None:
    queue, one = BatchQueue(), Said("s", "", "a", "", 10)
    for number in range(5):
        put_in(queue, one, number)
    assert [numbers(queue.take(0, MOST)) for _ in range(6)] == [[0], [1], [2], [3], [4], []]


def test_where_text_is_not_kept_the_oldest_of_its_slot_goes_and_is_told_of() -> None:
    queue, one = BatchQueue(), Said("s", "", "a", "", 10)
    for number in range(3):
        assert not put_in(queue, one, number)
    assert put_in(queue, one, 3, keep=False)
    assert queue.texts(StreamId("s")) == 3
    batches = [queue.take(0, MOST) for _ in range(3)]
    assert [numbers(batch) for batch in batches] == [[1], [2], [3]]
    assert [batch and batch.windows[0].lost_before for batch in batches] == [1, 0, 0]


def test_one_that_goes_for_another_of_another_shape_hands_on_its_turn() -> None:
    queue = BatchQueue()
    put_in(queue, Said("s", "", "a", "", 10), 0)
    put_in(queue, Said("s", "", "a", "long", 10), 1)
    put_in(queue, Said("t", "", "a", "", 20), 2)
    assert put_in(queue, Said("s", "", "a", "", 30), 3, keep=False)
    first = queue.take(0, {"a": 1})
    assert numbers(first) == [1]
    assert first is not None
    assert first.windows[0].lost_before == 1


def test_a_chat_with_a_backlog_has_no_more_turns_than_a_stream_of_pictures() -> None:
    """One device, a batch of one in each ms; the camera always has a window, too."""
    queue, served = BatchQueue(), Counter[Modality]()
    for number in range(200):
        put_in(queue, Said("chat", "", "a", "", 10), number)
    camera = Said("cam", "", "b", "", 10)
    for now_ms in range(100):
        queue.put(
            key_of(camera, Modality.VIDEO),
            "",
            window_of("cam", now_ms, now_ms * MS),
            now_ns=now_ms * MS,
            deadline_ns=(now_ms + 10) * MS,
            due_ns=now_ms * MS,
        )
        batch = queue.take(now_ms * MS, {"a": 1, "b": 1})
        assert batch is not None
        served[batch.modality] += 1
    assert abs(served[Modality.VIDEO] - served[Modality.TEXT]) <= 2


def test_the_wait_of_one_that_stood_behind_others_counts_from_its_turn() -> None:
    queue, one = BatchQueue(), Said("s", "", "a", "", 10)
    put_in(queue, one, 0, 0)
    put_in(queue, one, 1, 1)
    first, second = queue.take(50 * MS, MOST), queue.take(60 * MS, MOST)
    assert first is not None
    assert second is not None
    assert (first.queued_ns, second.queued_ns) == ((0,), (50 * MS,))
