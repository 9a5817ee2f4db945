"""The last windows of a chat that falls silent are scored when they end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import pytest

from streammon.alerts.sequential import CusumConfig
from streammon.config import OutboxConfig, parse_config
from streammon.core.clock import MonotonicClock
from streammon.core.ports import Clock, Recording, Source
from streammon.core.types import (
    ChatMessage,
    DetectionResult,
    Item,
    Modality,
    StreamId,
    Window,
    WindowSpec,
)
from streammon.ingest.chat.jsonl import ChatJsonlConfig
from streammon.pipelines.building import Parts
from streammon.pipelines.monitor import Monitor
from streammon.pipelines.streams import Look, Stream
from streammon.sinks.outbox import Outbox
from streammon.sinks.websocket_hub import Hub
from streammon.sinks.wire import WallClock
from streammon.telemetry.metrics import Metrics
from tests.fakes import (
    Brightness,
    FakeClock,
    Pause,
    RecordingSink,
    ScriptedSource,
    WantAll,
    a_message,
)

SOON_S = 20.0
SPEC = WindowSpec(4.0, 0.0)
TEXT = frozenset({Modality.TEXT})
FAR_NS = 10**6 * 10**9


class Chatty(Brightness):
    """A real, small detector: the more messages in a window, the surer."""

    kind = "chatty"
    inputs: Mapping[Modality, WindowSpec] = {Modality.TEXT: SPEC}

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        return [
            DetectionResult.of(
                window,
                detector=self.name,
                kind=self.kind,
                model_used="count@1",
                confidence=1 - 1 / (1 + len(window.items)),
            )
            for window in batch
        ]


class LiveChat(ScriptedSource):
    """Satisfies `ports.RealTime`, too."""

    def __init__(self, script: Sequence[Item | Pause | Exception], *, real_time: bool) -> None:
        super().__init__("chat", script, modalities=TEXT, stays_open=True)
        self.real_time = real_time


async def eventually(happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(SOON_S):
        while not happened():  # noqa: ASYNC110 - threads work on it, seen from outside
            await asyncio.sleep(0.01)


async def watch(
    source: Source,
    clock: Clock,
    meanwhile: Callable[[Monitor, RecordingSink], Awaitable[None]],
    *,
    detector: Chatty | None = None,
) -> RecordingSink:
    """A whole monitor over one chat, stopped once `meanwhile` is done."""
    sink, wall = RecordingSink(), WallClock(clock)
    config = parse_config({"scheduler": {"device": "cpu", "cpu_threads": 1, "batch_wait_s": 0.0}})
    parts = Parts(
        sources=(source,),
        detectors={"chatty": detector or Chatty("chatty")},
        rules={"default": CusumConfig(type="cusum").build("default")},
        sinks=(sink,),
    )
    async with Outbox(OutboxConfig(), ":memory:", clock=clock) as outbox:
        monitor = Monitor(
            config,
            parts,
            clock=clock,
            outbox=outbox,
            hub=Hub(outbox, wall=wall, max_clients=10, hello=dict),
            metrics=Metrics(),
            wall=wall,
            origin="test",
        )
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(monitor.run(stop))
            await meanwhile(monitor, sink)
            stop.set()
        assert running.result()
    return sink


def results_of(sink: RecordingSink) -> list[DetectionResult]:
    return [item for item in sink.items if isinstance(item, DetectionResult)]


def spans(sink: RecordingSink) -> list[tuple[float, float]]:
    return [(result.start_s, result.end_s) for result in results_of(sink)]


def three_messages(*, real_time: bool) -> LiveChat:
    """At 0, 1 and 2 s, then silence."""
    script: list[Item | Pause | Exception] = [a_message(0, media_s=0.0)]
    for seq in (1, 2):
        script += [Pause(1.0), a_message(seq, media_s=float(seq))]
    return LiveChat(script, real_time=real_time)


async def test_a_window_of_a_live_chat_is_scored_within_a_second_of_its_end() -> None:
    clock, source = FakeClock(auto=False), three_messages(real_time=True)

    async def let_time_pass(monitor: Monitor, sink: RecordingSink) -> None:
        await eventually(lambda: source.opened > 0)
        await clock.advance(3.9)
        await asyncio.sleep(0.1)
        assert results_of(sink) == []
        await clock.advance(1.1)
        await eventually(lambda: bool(results_of(sink)))
        await clock.advance(60.0)

    sink = await watch(source, clock, let_time_pass)
    assert spans(sink) == [(0.0, 4.0)], "once, whole, and no empty ones after it"


async def test_where_media_time_is_not_real_time_it_waits_for_the_next_message() -> None:
    clock, source = FakeClock(auto=False), three_messages(real_time=False)

    async def let_time_pass(monitor: Monitor, sink: RecordingSink) -> None:
        await eventually(lambda: source.opened > 0)
        await clock.advance(60.0)
        await asyncio.sleep(0.1)
        assert results_of(sink) == []

    sink = await watch(source, clock, let_time_pass)
    ((start_s, end_s),) = spans(sink)
    assert (start_s, round(end_s, 3)) == (0.0, 2.0), "what there was of it when it was stopped"


async def test_a_followed_file_that_falls_silent_is_judged_to_its_last_line(
    tmp_path: Path,
) -> None:
    path = tmp_path / "chat.jsonl"
    path.touch()
    source = ChatJsonlConfig(path=str(path), follow=True).build(StreamId("chat"))
    line = json.dumps({"author_id": "u1", "text": "hello"}) + "\n"

    async def write(monitor: Monitor, sink: RecordingSink) -> None:
        while not monitor.status.streams()[0].media_s:
            with path.open("a") as file:
                file.write(line)
            await asyncio.sleep(0.3)
        assert results_of(sink) == []
        await eventually(lambda: bool(results_of(sink)))

    sink = await watch(source, MonotonicClock(), write)
    start_s, end_s = spans(sink)[0]
    assert end_s - start_s == pytest.approx(SPEC.length)


def a_stream(source: Source) -> tuple[Stream, list[Window]]:
    got: list[Window] = []
    look = Look("chatty", Modality.TEXT, SPEC)
    return Stream(source, [look], submit=lambda name, window: got.append(window)), got


def test_a_recording_is_cut_the_same_whatever_the_clock_says(tmp_path: Path) -> None:
    path = tmp_path / "chat.jsonl"
    path.write_text(
        "".join(
            json.dumps({"captured_s": n * 3.0, "author_id": "u", "text": "x"}) + "\n"
            for n in range(20)
        )
    )
    expected = windows_of(path, advance=False)
    assert windows_of(path, advance=True) == expected
    assert len(expected) > 10


def windows_of(path: Path, *, advance: bool) -> list[tuple[float, float, int]]:
    source = ChatJsonlConfig(path=str(path)).build(StreamId("chat"))
    assert isinstance(source, Recording)
    stream, got = a_stream(source)
    for item in source.items(WantAll()):
        stream.take(item)
        if advance:
            stream.advance(FAR_NS)
    stream.finish()
    return [(window.start_s, window.end_s, len(window.items)) for window in got]


def test_messages_that_come_in_batches_keep_their_own_times() -> None:
    """A bridge that hands over ten seconds of chat at once makes no flood of it."""
    stream, got = a_stream(LiveChat([], real_time=True))
    for batch in range(1, 6):
        arrived_ns = batch * 10 * 10**9
        for number in range(10):
            seq = (batch - 1) * 10 + number
            message: ChatMessage = a_message(seq, media_s=float(seq), captured_ns=arrived_ns)
            stream.take(message)
        for tick in range(1, 20):
            stream.advance(arrived_ns + tick * 5 * 10**8)
    assert len(got) >= 11
    assert {len(window.items) for window in got} == {4}


def test_a_new_epoch_begins_its_own_time() -> None:
    stream, got = a_stream(LiveChat([], real_time=True))
    stream.take(a_message(0, media_s=500.0, captured_ns=0))
    stream.take(a_message(1, media_s=0.0, captured_ns=10**9, epoch=1))
    stream.advance(4 * 10**9)
    assert got == []
    stream.advance(6 * 10**9)
    assert [(window.epoch, window.start_s, window.end_s) for window in got] == [(1, 0.0, 4.0)]


def test_before_the_first_message_and_after_the_last_nothing_is_cut() -> None:
    stream, got = a_stream(LiveChat([], real_time=True))
    stream.advance(FAR_NS)
    stream.take(a_message(0, media_s=0.0, captured_ns=FAR_NS))
    stream.finish()
    stream.advance(2 * FAR_NS)
    assert got == []
