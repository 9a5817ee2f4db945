"""The stand-ins keep the Protocols' promises, or the tests that use them would prove nothing."""

from __future__ import annotations

import asyncio

import pytest

from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import Detector, Sink, Source, SourceContext
from streammon.core.types import Item, VideoFrame
from tests.fakes import (
    Brightness,
    FakeClock,
    Pause,
    RecordingSink,
    Reports,
    ScriptedSource,
    WantAll,
    a_frame,
    a_result,
    a_window,
    settle,
)


def context(clock: FakeClock) -> SourceContext:
    return SourceContext(demand=WantAll(), clock=clock, report=Reports())


async def read(source: Source, clock: FakeClock, got: list[Item]) -> None:
    async with source.open(context(clock)) as items:
        async for item in items:
            got.append(item)  # noqa: PERF401 - what came before a failure counts


async def test_a_script_goes_on_behind_a_failure_in_a_new_epoch() -> None:
    clock = FakeClock()
    script: list[Item | Pause | Exception]
    script = [a_frame(0), Pause(2.0), a_frame(1), Retryable("away"), a_frame(2)]
    source = ScriptedSource("door", script)
    got: list[Item] = []
    with pytest.raises(Retryable, match="away"):
        await read(source, clock, got)
    assert [(item.seq, item.epoch, item.captured_ns) for item in got] == [
        (0, 0, 0),
        (1, 0, 2 * 10**9),
    ]
    await read(source, clock, got)
    last = got[-1]
    assert isinstance(last, VideoFrame)
    assert (last.stream, last.seq, last.epoch, last.captured_ns) == ("door", 2, 1, 2 * 10**9)
    assert source.opened == source.closed == 2


async def test_a_script_that_stays_open_waits_to_be_left() -> None:
    source = ScriptedSource("door", [a_frame(0)], stays_open=True)
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read(source, FakeClock(), []))
        await settle()
        assert not reading.done()
        reading.cancel()
    assert source.closed == 1


async def test_a_recording_sink_fails_as_told_then_keeps_what_it_wants() -> None:
    sink: Sink
    recording = sink = RecordingSink(failures=[Retryable("away"), Permanent("refused")])
    async with sink:
        for failure in (Retryable, Permanent):
            with pytest.raises(failure):
                await sink.deliver(a_result())
        await sink.deliver(a_result())
    assert len(recording.items) == 1
    with pytest.raises(AssertionError, match="outside of its context"):
        await sink.deliver(a_result())


def test_brightness_judges_each_window_by_itself() -> None:
    detector: Detector = Brightness()
    detector.load("cpu")
    grey, white = a_window(a_frame(level=51)), a_window(a_frame(level=255))
    damaged = a_window(a_frame(damaged=True))
    results = detector.score([grey, white, damaged])
    assert [result.confidence for result in results] == [pytest.approx(0.2), 1.0, None]
    assert results[2].abstained == "damaged frames"
    assert detector.bucket(grey) == "4x4x3"
