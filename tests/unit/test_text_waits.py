"""The laws of text in the scheduler: nothing lost, in order, bounded, and no camera pays for it."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.config import SchedulerConfig
from streammon.core.types import Modality, StreamId, Window, WindowSpec, WindowUnit
from streammon.scheduler.batching import Batch
from streammon.scheduler.desk import Desk
from streammon.scheduler.streams import MOST_TEXTS
from tests.fakes import a_message, a_window
from tests.virtual_device import DEVICE, Timed, result_of, window_of

CPU = SchedulerConfig(device="cpu", alert_within_s=5.0, batch_wait_s=0.05)
CHAT, CAM = StreamId("chat"), StreamId("cam")
TEXT = frozenset({Modality.TEXT})
BURST = 5


class Reading(Timed):
    """Takes its time for text."""

    def __init__(self, name: str = "reading", **more: Any) -> None:
        super().__init__(name, **more)
        spec = WindowSpec(1, 0, WindowUnit.MESSAGES)
        self.inputs: Mapping[Modality, WindowSpec] = {Modality.TEXT: spec}


def said(number: int, now_ns: int = 0, *, stream: StreamId = CHAT, author: str = "") -> Window:
    message = a_message(number, stream=stream, captured_ns=now_ns, participant=author)
    return a_window(message, participant=author)


def a_desk(
    *detectors: Timed, modalities: frozenset[Modality] = TEXT, left: list[StreamId] | None = None
) -> Desk:
    def note(streams: Collection[StreamId]) -> None:
        if left is not None:
            left.extend(streams)

    desk = Desk({each.name: each for each in detectors}, CPU, texts_left=note)
    desk.open_device(DEVICE)
    for each in detectors:
        desk.place(each.name, DEVICE)
    desk.streams.add(CHAT, modalities, weight=1.0)
    return desk


def counts_add_up(desk: Desk) -> None:
    for detector in desk.stats().detectors.values():
        out = detector.scored + detector.replaced + detector.not_due + detector.failed
        assert detector.submitted == out + detector.queued


def seqs(batch: Batch) -> list[int]:
    return [window.items[0].seq for window in batch.windows]


steps = st.lists(
    st.tuples(st.just("say"), st.integers(1, BURST), st.sampled_from(["", "ann", "bob"]))
    | st.tuples(st.sampled_from(["take", "end", "fail", "plan"]), st.just(0), st.just("")),
    max_size=150,
)


@dataclass
class Chat:
    """A chat, its reader, who waits while it is full, and a device with two batches at most."""

    desk: Desk = field(default_factory=lambda: a_desk(Reading(max_batch=3)))
    given: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    taken: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    running: list[Batch] = field(default_factory=list)
    said: int = 0
    now_ns: int = 0

    def say(self, windows: int, author: str) -> None:
        """One message may complete several windows."""
        for _ in range(windows if self.desk.texts(CHAT) < MOST_TEXTS else 0):
            window = said(self.said, self.now_ns, author=author)
            assert self.desk.submit("reading", window, self.now_ns)
            self.given[author].append(self.said)
            self.said += 1

    def take(self, *, all_due: bool = False) -> bool:
        batch = self.desk.take(DEVICE, self.now_ns, all_due=all_due)
        for window in batch.windows if batch else ():
            self.taken[window.participant].append(window.items[0].seq)
        if batch:
            self.running.append(batch)
        return batch is not None

    def end(self) -> None:
        batch = self.running.pop(0)
        results = [result_of(window, "reading") for window in batch.windows]
        self.desk.finished(batch, results, took_s=1.0, ended_ns=self.now_ns)

    def fail(self) -> None:
        self.desk.failed(self.running.pop(0), ended_ns=self.now_ns)


@settings(max_examples=150)
@given(history=steps)
def test_a_chat_whose_reader_waits_loses_nothing_keeps_its_order_and_is_bounded(
    history: list[tuple[str, int, str]],
) -> None:
    chat = Chat()
    for kind, count, author in history:
        chat.now_ns += 300 * 10**6
        if kind == "say":
            chat.say(count, author)
        elif kind == "take" and len(chat.running) < 2:
            chat.take()
        elif kind in ("end", "fail") and chat.running:
            chat.end() if kind == "end" else chat.fail()
        elif kind == "plan":
            chat.desk.replan(chat.now_ns)
        counts_add_up(chat.desk)
        assert chat.desk.texts(CHAT) == chat.desk.pending(CHAT) < MOST_TEXTS + BURST
    while chat.take(all_due=True):
        pass
    assert chat.taken == chat.given
    stats = chat.desk.stats().detectors["reading"]
    assert stats.replaced == stats.not_due == 0
    assert chat.desk.texts(CHAT) == 0


def test_the_plan_never_thins_text_and_leaves_media_their_share() -> None:
    """A chat that never pauses before a slow reader, sound beside it on the same device."""
    reading, hearing = Reading(fixed_s=0.0, each_s=0.2), Timed("hearing", fixed_s=0.0, each_s=0.02)
    desk = a_desk(reading, hearing)
    desk.streams.add(CAM, frozenset({Modality.AUDIO}), weight=1.0)
    takes_s = {"reading": 0.2, "hearing": 0.02}
    events: list[tuple[int, str]] = [(0, "hear"), (0, "plan")]
    free_ns = number = heard = 0
    batch: Batch | None = None
    while events[0][0] < 60 * 10**9:
        now_ns, kind = heapq.heappop(events)
        if kind == "hear":
            desk.submit("hearing", window_of(str(CAM), heard, now_ns), now_ns)
            heard += 1
            heapq.heappush(events, (now_ns + 10**9, kind))
        elif kind == "plan":
            desk.replan(now_ns)
            heapq.heappush(events, (now_ns + 10**9, kind))
        if batch is not None and free_ns <= now_ns:
            results = [result_of(window, batch.detector) for window in batch.windows]
            desk.finished(batch, results, took_s=takes_s[batch.detector], ended_ns=now_ns)
            batch = None
        while desk.texts(CHAT) < MOST_TEXTS:
            desk.submit("reading", said(number, now_ns), now_ns)
            number += 1
        if batch is None and (batch := desk.take(DEVICE, now_ns)):
            free_ns = now_ns + round(takes_s[batch.detector] * 1e9)
            heapq.heappush(events, (free_ns, "end"))
    text, sound = (desk.stats().detectors[name] for name in ("reading", "hearing"))
    assert text.replaced == text.not_due == 0
    assert text.stretch == 1.0
    assert text.scored > 0.9 * (60.0 - 60 * 0.02) / 0.2, "it has the rest of the device"
    assert sound.replaced == 0
    assert sound.scored > 0.95 * heard
    assert sound.age_p95_s < 0.5


def test_beside_sound_the_newest_text_wins_where_more_waits_than_may() -> None:
    desk = a_desk(Reading(), modalities=frozenset({Modality.TEXT, Modality.AUDIO}))
    for number in range(MOST_TEXTS + 10):
        desk.submit("reading", said(number, author="ann" if number % 2 else ""), 0)
    assert desk.texts(CHAT) == 0, "its reading never waits"
    assert desk.pending(CHAT) == MOST_TEXTS
    assert desk.stats().detectors["reading"].replaced == 10
    counts_add_up(desk)
    last = 0
    while batch := desk.take(DEVICE, 10**12):
        last = max(last, *seqs(batch))
    assert last == MOST_TEXTS + 9


def test_whoever_waits_is_told_when_windows_leave_also_with_their_detector() -> None:
    left: list[StreamId] = []
    desk = a_desk(Reading(), left=left)
    other = StreamId("other")
    desk.streams.add(other, TEXT, weight=1.0)
    for number in range(3):
        desk.submit("reading", said(number), 0)
        desk.submit("reading", said(number, stream=other), 0)
    batch = desk.take(DEVICE, 10**12)
    assert batch is not None
    assert sorted(left) == ["chat", "other"]
    desk.drop("reading")
    assert sorted(left) == ["chat", "chat", "other", "other"]
    assert desk.texts(CHAT) == desk.texts(other) == 0
    counts_add_up(desk)


def test_sound_is_still_thinned_and_replaced() -> None:
    desk = a_desk(Timed("hearing"), modalities=frozenset({Modality.AUDIO}))
    for number in range(4):
        desk.submit("hearing", window_of(str(CHAT), number, 0), 0)
    assert desk.pending(CHAT) == 1
    assert desk.texts(CHAT) == 0
