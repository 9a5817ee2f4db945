"""The monitor put together from what a test gives it, and sources that keep step with it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from streammon.alerts.sequential import CusumConfig
from streammon.config import MonitorConfig, OutboxConfig, parse_config
from streammon.core.clock import MonotonicClock
from streammon.core.ports import Detector, Sink, Source
from streammon.core.types import Item, Outgoing
from streammon.pipelines.building import Parts
from streammon.pipelines.monitor import Monitor
from streammon.sinks.outbox import MEMORY, Outbox
from streammon.sinks.websocket_hub import Hub
from streammon.sinks.wire import WallClock
from streammon.telemetry.metrics import Metrics
from tests.fakes import Brightness, RecordingSink, ScriptedSource, Turn, a_frame

QUICK: dict[str, Any] = {
    "drain_s": 5.0,
    "alerts": {"hold_s": 0.0, "clear_s": 0.5, "cool_down_s": 0.5, "update_every_s": 1.0},
    "scheduler": {"device": "cpu", "cpu_threads": 1, "batch_wait_s": 0.0},
}


def bright(count: int, *, first: int = 0) -> list[Item]:
    return [a_frame(first + n, media_s=(first + n) * 0.5, level=250) for n in range(count)]


def dark(count: int, *, first: int = 0) -> list[Item]:
    return [a_frame(first + n, media_s=(first + n) * 0.5, level=3) for n in range(count)]


def paced(items: Sequence[Item | Exception]) -> list[Item | Turn | Exception]:
    """Each item waits until the window before it is being scored: none is replaced."""
    return [step for item in items for step in (item, Turn())]


@asynccontextmanager
async def a_monitor(
    sources: Sequence[Source],
    *,
    detectors: Sequence[Detector] | None = None,
    sinks: Sequence[Sink] = (),
    changes: dict[str, Any] | None = None,
    metrics: Metrics | None = None,
    rule: CusumConfig = CusumConfig(),
    outbox: Outbox | None = None,
) -> AsyncGenerator[tuple[Monitor, Outbox]]:
    config: MonitorConfig = parse_config({**QUICK, **(changes or {})})
    clock = MonotonicClock()
    wall = WallClock(clock)
    found = detectors if detectors is not None else [Brightness()]
    parts = Parts(
        sources=tuple(sources),
        detectors={detector.name: detector for detector in found},
        rules={"default": rule.build("default")},
        sinks=tuple(sinks),
    )
    async with outbox or Outbox(OutboxConfig(), MEMORY, clock=clock) as outbox:
        hub = Hub(outbox, wall=wall, max_clients=10, hello=dict)
        monitor = Monitor(
            config,
            parts,
            clock=clock,
            outbox=outbox,
            hub=hub,
            metrics=metrics or Metrics(),
            wall=wall,
            origin="test",
        )
        for source in sources:
            in_step(monitor, source)
        yield monitor, outbox


def in_step(monitor: Monitor, source: Source) -> Source:
    """The source; where its script has turns, it waits for the scheduler of this monitor."""
    if isinstance(source, ScriptedSource):
        source.may_go_on = lambda: not monitor._scheduler.pending(source.stream)
    return source


def of(sink: RecordingSink, kind: type[Outgoing]) -> list[Any]:
    return [item for item in sink.items if isinstance(item, kind)]
