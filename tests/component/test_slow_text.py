"""A chat that is faster than the detector which reads it: all of it is judged, in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing

import pytest

from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent
from streammon.core.ports import SourceContext
from streammon.core.types import (
    ChatMessage,
    DetectionResult,
    Health,
    HealthState,
    Item,
    Modality,
    Window,
    WindowSpec,
    WindowUnit,
)
from streammon.pipelines.monitor import Monitor
from streammon.pipelines.streams import Look, Stream
from streammon.scheduler.streams import MOST_TEXTS
from tests.component.test_quiet_chat import Chatty, eventually, results_of, watch
from tests.fakes import Brightness, RecordingSink, ScriptedSource, a_frame, a_message

MESSAGES = 300
TEXT = frozenset({Modality.TEXT})
ONE_EACH: Mapping[Modality, WindowSpec] = {Modality.TEXT: WindowSpec(1, 0, WindowUnit.MESSAGES)}
AHEAD = MOST_TEXTS + 2
"""What waits, what is on the device, and the message that was read last."""


class Slow(Chatty):
    """Looks at one message at a time, and at none before it is let."""

    inputs = ONE_EACH

    def __init__(self) -> None:
        super().__init__("chatty", max_batch=4)
        self.heard: list[int] = []
        self.may = threading.Event()

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        self.may.wait(20.0)
        for window in batch:
            (message,) = window.items
            assert isinstance(message, ChatMessage)
            self.heard.append(message.seq)
        return super().score(batch)


class Broken(Slow):
    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        self.may.wait(20.0)
        raise Permanent("it has no model any more")


class Both(Slow):
    """Looks at pictures, too."""

    inputs: Mapping[Modality, WindowSpec] = {**ONE_EACH, **Brightness.inputs}

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        if batch[0].modality is Modality.TEXT:
            return super().score(batch)
        return Chatty.score(self, batch)


class Counted(ScriptedSource):
    """Knows how much of it was read."""

    given = 0

    async def _items(self, context: SourceContext) -> AsyncGenerator[Item]:
        async with aclosing(super()._items(context)) as items:
            async for item in items:
                self.given += 1
                yield item


class LiveCounted(Counted):
    """Satisfies `ports.RealTime`, too."""

    real_time = True


def a_chat(messages: int = MESSAGES, *, stays_open: bool = False) -> Counted:
    script = [a_message(n) for n in range(messages)]
    return Counted("chat", script, modalities=TEXT, stays_open=stays_open)


def states(sink: RecordingSink, component: str) -> list[tuple[HealthState, str]]:
    healths = [item for item in sink.items if isinstance(item, Health)]
    return [(health.state, health.cause) for health in healths if health.component == component]


async def at_rest(source: Counted) -> int:
    """How much was read once no more of it is."""
    given = -1
    async with asyncio.timeout(20.0):
        while given != source.given:
            given = source.given
            await asyncio.sleep(0.05)
    return given


async def test_no_message_is_lost_to_a_slow_detector_and_the_chat_waits_for_it() -> None:
    source, slow = a_chat(), Slow()

    async def let_it_read(monitor: Monitor, sink: RecordingSink) -> None:
        await eventually(lambda: source.given > 0)
        assert await at_rest(source) <= AHEAD, "it is read no faster than it is looked at"
        slow.may.set()
        await eventually(lambda: len(slow.heard) == MESSAGES)

    sink = await watch(source, MonotonicClock(), let_it_read, detector=slow)
    assert slow.heard == list(range(MESSAGES)), "each once, in order"
    assert len(results_of(sink)) == MESSAGES


async def test_a_chat_has_ended_when_all_of_it_was_looked_at() -> None:
    source, slow = a_chat(5), Slow()

    def ended(sink: RecordingSink) -> bool:
        return HealthState.ENDED in dict(states(sink, "stream:chat"))

    async def let_it_end(monitor: Monitor, sink: RecordingSink) -> None:
        await eventually(lambda: source.given == 5)
        await at_rest(source)
        assert not ended(sink)
        slow.may.set()
        await eventually(lambda: ended(sink))

    await watch(source, MonotonicClock(), let_it_end, detector=slow)
    assert slow.heard == [0, 1, 2, 3, 4]


async def test_stopped_while_it_is_held_back_it_ends_and_what_was_read_is_looked_at() -> None:
    source, slow = a_chat(), Slow()

    async def hold(monitor: Monitor, sink: RecordingSink) -> None:
        await eventually(lambda: source.given > 0)
        await at_rest(source)
        asyncio.get_running_loop().call_later(0.2, slow.may.set)

    await watch(source, MonotonicClock(), hold, detector=slow)
    assert slow.heard == list(range(source.given))
    assert source.given <= AHEAD


async def test_a_detector_that_fails_holds_nobody_back() -> None:
    source, broken = a_chat(stays_open=True), Broken()

    async def fail(monitor: Monitor, sink: RecordingSink) -> None:
        await eventually(lambda: source.given > 0)
        assert await at_rest(source) <= AHEAD
        broken.may.set()
        await eventually(lambda: source.given == MESSAGES)

    await watch(source, MonotonicClock(), fail, detector=broken)


async def test_pictures_are_not_held_back_by_the_text_beside_them() -> None:
    """Of such a stream the newest text counts, as the newest picture does."""
    script = [item for n in range(MESSAGES) for item in (a_message(n), a_frame(n))]
    both = frozenset({Modality.TEXT, Modality.VIDEO})
    source, slow = Counted("chat", script, modalities=both, stays_open=True), Both()

    async def read(monitor: Monitor, sink: RecordingSink) -> None:
        await eventually(lambda: source.given == 2 * MESSAGES)
        slow.may.set()
        await eventually(lambda: slow.heard[-1:] == [MESSAGES - 1])

    sink = await watch(source, MonotonicClock(), read, detector=slow)
    assert slow.heard == sorted(slow.heard)
    assert len(slow.heard) <= 2 * MOST_TEXTS, "what waited is bounded"
    assert Modality.VIDEO in {result.modality for result in results_of(sink)}


async def test_people_are_told_of_a_live_chat_that_is_held_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("streammon.scheduler.runner.PLAN_EVERY_S", 0.05)
    script = [a_message(n) for n in range(MESSAGES)]
    source, slow = LiveCounted("chat", script, modalities=TEXT, stays_open=True), Slow()

    def told(sink: RecordingSink) -> tuple[HealthState, str]:
        return (states(sink, "scheduler") or [(HealthState.STARTING, "")])[-1]

    async def hold(monitor: Monitor, sink: RecordingSink) -> None:
        await eventually(lambda: "1 chat is held back" in told(sink)[1])
        slow.may.set()
        await eventually(lambda: len(slow.heard) == MESSAGES)
        await eventually(lambda: told(sink) == (HealthState.UP, ""))

    await watch(source, MonotonicClock(), hold, detector=slow)


def test_time_does_not_run_ahead_of_what_waited_while_a_chat_was_held_back() -> None:
    """A message in each second; from 10 s on nothing is read for a minute, then all at once."""
    got: list[Window] = []
    look = Look("chatty", Modality.TEXT, WindowSpec(4.0, 0.0))
    source = LiveCounted("chat", [], modalities=TEXT)
    stream = Stream(source, [look], submit=lambda name, window: got.append(window))
    for second in range(10):
        stream.take(a_message(second), now_ns=second * 10**9)
    with stream.held_back():
        stream.advance(70 * 10**9)
    for second in range(10, 70):
        stream.take(a_message(second), now_ns=70 * 10**9)
        stream.advance(70 * 10**9)
    assert len(got) == 17
    assert {len(window.items) for window in got} == {4}
