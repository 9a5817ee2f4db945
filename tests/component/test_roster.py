"""Streams that come and go while the monitor runs, and what is left of them: nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager

from streammon.alerts.sequential import CusumConfig
from streammon.config import OutboxConfig, parse_config
from streammon.core.clock import MonotonicClock
from streammon.core.ports import Source
from streammon.core.types import Alert, AlertState, DetectionResult, StreamId
from streammon.flow.channel import Channel, WhenFull
from streammon.pipelines.building import Parts
from streammon.pipelines.monitor import Monitor
from streammon.sinks.outbox import Outbox
from streammon.sinks.websocket_hub import Hub
from streammon.sinks.wire import WallClock
from streammon.telemetry.metrics import Metrics
from tests.fakes import Brightness, RecordingSink, ScriptedSource, a_frame
from tests.monitors import QUICK, in_step, of, paced

SOON_S = 30.0


class Gate:
    """Lets in whom the test sends."""

    def __init__(self) -> None:
        self.coming: Channel[Source] = Channel("coming", 8, WhenFull.BLOCK)
        self.gone: list[StreamId] = []

    @asynccontextmanager
    async def arrivals(self) -> AsyncGenerator[AsyncIterator[Source]]:
        yield self.coming

    def left(self, stream: StreamId) -> None:
        self.gone.append(stream)


def scripted(name: str, level: int, count: int) -> ScriptedSource:
    frames = [a_frame(n, media_s=n * 0.5, level=level) for n in range(count)]
    return ScriptedSource(name, paced(frames))


@asynccontextmanager
async def running(
    gate: Gate, sink: RecordingSink, *, named: Sequence[Source] = ()
) -> AsyncGenerator[Monitor]:
    """A monitor that admits streams, until the block is left."""
    clock = MonotonicClock()
    wall = WallClock(clock)
    parts = Parts(
        sources=tuple(named),
        detectors={"brightness": Brightness()},
        rules={"default": CusumConfig(type="cusum").build("default")},
        sinks=(sink,),
        entrances=(gate,),
    )
    async with (
        asyncio.timeout(SOON_S),
        Outbox(OutboxConfig(), ":memory:", clock=clock) as outbox,
        asyncio.TaskGroup() as group,
    ):
        hub = Hub(outbox, wall=wall, max_clients=10, hello=dict)
        monitor = Monitor(
            parse_config(QUICK),
            parts,
            clock=clock,
            outbox=outbox,
            hub=hub,
            metrics=Metrics(),
            wall=wall,
            origin="test",
        )
        for source in named:
            in_step(monitor, source)
        stop = asyncio.Event()
        group.create_task(monitor.run(stop))
        try:
            yield monitor
        finally:
            stop.set()


async def until_gone(gate: Gate, count: int) -> None:
    while len(gate.gone) < count:  # noqa: ASYNC110 - it is told by a plain call
        await asyncio.sleep(0.02)


async def test_who_comes_is_watched_and_forgotten_once_all_is_judged() -> None:
    gate, sink = Gate(), RecordingSink()
    async with running(gate, sink, named=[scripted("cam", 3, 4)]) as monitor:
        await gate.coming.send(in_step(monitor, scripted("ann", 250, 40)))
        await until_gone(gate, 1)
        assert [view.stream for view in monitor.status.streams()] == ["cam"]
        assert "stream:ann" not in {health.component for health in monitor.status.health()}
        assert monitor.status.open_incidents() == ()
    alerts: list[Alert] = [alert for alert in of(sink, Alert) if alert.stream == "ann"]
    assert [alerts[0].state, alerts[-1].state] == [AlertState.OPENED, AlertState.CLOSED]
    assert "the stream ended" in alerts[-1].why


async def test_a_name_may_come_again_once_it_has_left() -> None:
    gate, sink = Gate(), RecordingSink()
    async with running(gate, sink) as monitor:
        for visits in (1, 2):
            await gate.coming.send(in_step(monitor, scripted("ann", 3, 6)))
            await until_gone(gate, visits)
    results: list[DetectionResult] = of(sink, DetectionResult)
    assert len([result for result in results if result.stream == "ann"]) == 6


async def test_several_are_watched_at_once_and_a_monitor_without_any_goes_on() -> None:
    gate, sink = Gate(), RecordingSink()
    async with running(gate, sink) as monitor:
        await asyncio.sleep(0.1)
        assert monitor.status.streams() == ()
        for name in ("ann", "bob", "eve"):
            await gate.coming.send(in_step(monitor, scripted(name, 3, 6)))
        await until_gone(gate, 3)
    assert set(gate.gone) == {"ann", "bob", "eve"}


async def test_stopping_while_somebody_is_there_drains_as_ever() -> None:
    gate, sink = Gate(), RecordingSink()
    endless = ScriptedSource(
        "ann", [a_frame(n, media_s=n * 0.5) for n in range(6)], stays_open=True
    )
    async with running(gate, sink):
        await gate.coming.send(endless)
        while not of(sink, DetectionResult):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert endless.closed == 1
    assert gate.gone == []


async def test_a_name_that_is_taken_is_turned_away_and_all_others_go_on() -> None:
    gate, sink = Gate(), RecordingSink()
    camera = ScriptedSource("cam", [a_frame(0)], stays_open=True)
    async with running(gate, sink, named=[camera]) as monitor:
        await gate.coming.send(scripted("cam", 3, 4))
        await gate.coming.send(in_step(monitor, scripted("ann", 3, 6)))
        await until_gone(gate, 2)
        assert gate.gone == ["cam", "ann"]
        assert [view.stream for view in monitor.status.streams()] == ["cam"]
    assert camera.closed == 1
