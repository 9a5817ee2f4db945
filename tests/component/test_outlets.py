"""Alerts on their way out of a monitor: a real outbox, real files and pipes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.ports import Sink, StoredAlert
from streammon.core.types import HealthState
from streammon.pipelines.outlets import CAPACITY, Outlet, Outlets
from streammon.sinks.jsonl import JsonlConfig, JsonlSink, StdoutJsonlSink
from streammon.sinks.outbox import Outbox
from streammon.sinks.stdout import StandardOutput
from streammon.sinks.websocket_hub import Hub
from streammon.telemetry.metrics import Metrics
from tests.fakes import Reports, a_result
from tests.outgoing import an_alert
from tests.wire_schema import checked

CLOCK = MonotonicClock()
MANY = 2 * CAPACITY
SOON_S = 30.0


class Stage:
    """A monitor's way out, from the outbox on."""

    def __init__(self, outbox: Outbox, sinks: Sequence[Sink]) -> None:
        self.outbox = outbox
        self.reports = Reports()
        metrics = Metrics()
        hub = Hub(outbox, wall=None, max_clients=1, hello=dict)
        self.outlets = Outlets(
            hub,
            [
                Outlet(sink, outbox, clock=CLOCK, report=self.reports, metrics=metrics)
                for sink in sinks
            ],
            metrics,
        )

    async def alert(self, first: int, count: int) -> None:
        """Raise alerts as `Judge` does, with a result before each."""
        for number in range(first, first + count):
            alert = an_alert(number)
            body = json.dumps({"type": "alert", "alert_id": alert.alert_id, "pad": "x" * 200})
            stored = StoredAlert(0, alert.alert_id, alert.stream, body.encode())
            seq = await self.outbox.append(stored)
            self.outlets.tell(a_result())
            self.outlets.tell_alert(StoredAlert(seq, alert.alert_id, alert.stream, b""), alert)

    async def accepted(self, consumer: str, seq: int) -> None:
        async with asyncio.timeout(SOON_S):
            while self.outbox.stats().cursors.get(consumer, 0) < seq:  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.005)


@asynccontextmanager
async def a_stage(path: Path, *sinks: Sink) -> AsyncGenerator[Stage]:
    """Until everything is delivered, or the sink that cannot has failed."""
    async with (
        asyncio.timeout(SOON_S),
        Outbox(OutboxConfig(), path, clock=CLOCK) as outbox,
        asyncio.TaskGroup() as group,
    ):
        stage = Stage(outbox, sinks)
        await stage.outlets.join(outbox)
        group.create_task(stage.outlets.run())
        yield stage
        stage.outlets.close()


def to_pipe(writing: int) -> StdoutJsonlSink:
    return StdoutJsonlSink("out", JsonlConfig(path="-"), wall=None, out=StandardOutput(writing))


def read_all(reading: int) -> bytes:
    with os.fdopen(reading, "rb") as pipe:
        return pipe.read()


def alert_ids(output: bytes) -> list[str]:
    lines = [json.loads(line) for line in output.splitlines()]
    assert {line["type"] for line in lines} <= {"alert", "result", "health"}
    return [line["alert_id"] for line in lines if line["type"] == "alert"]


def ids(*numbers: range) -> list[str]:
    return [f"alert-{number}" for each in numbers for number in each]


async def test_a_reader_that_stalls_gets_every_alert_in_order_once_it_reads(
    tmp_path: Path,
) -> None:
    reading, writing = os.pipe()
    file = tmp_path / "alerts.jsonl"
    sibling = JsonlSink("file", JsonlConfig(path=str(file)), wall=None)
    async with asyncio.TaskGroup() as group:
        async with a_stage(tmp_path / "outbox.db", to_pipe(writing), sibling) as stage:
            await stage.alert(0, MANY)  # many more than its channel or the pipe can hold
            await stage.accepted("file", MANY)  # nobody else waits for the reader
            assert stage.outbox.stats().cursors["out"] < MANY
            assert stage.outlets.dropped()["out"] > 0, "results may go, alerts may not"
            output = group.create_task(asyncio.to_thread(read_all, reading))
        os.close(writing)
    assert alert_ids(output.result()) == ids(range(MANY))
    assert alert_ids(file.read_bytes()) == ids(range(MANY))


async def test_alerts_that_a_reader_left_behind_wait_for_the_next_run(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    async with a_stage(tmp_path / "outbox.db", to_pipe(writing)) as stage:
        await stage.alert(0, 3)
        await stage.accepted("out", 3)
        os.close(reading)
        await stage.alert(3, MANY)
        while HealthState.FAILED not in dict(stage.reports):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.005)
    os.close(writing)
    assert "the reader of standard output has gone" in dict(stage.reports)[HealthState.FAILED]

    reading, writing = os.pipe()
    async with asyncio.TaskGroup() as group:
        output = group.create_task(asyncio.to_thread(read_all, reading))
        async with a_stage(tmp_path / "outbox.db", to_pipe(writing)) as stage:
            await stage.alert(MANY + 3, 1)
        os.close(writing)
    assert alert_ids(output.result()) == ids(range(3, MANY + 4))


async def test_a_line_that_was_interrupted_is_finished_before_the_next() -> None:
    reading, writing = os.pipe()
    sink = to_pipe(writing)
    long = an_alert(0, why="x" * 200_000)  # more than the pipe holds
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(sink.deliver(long), 0.05)
    async with asyncio.TaskGroup() as group:
        output = group.create_task(asyncio.to_thread(read_all, reading))
        async with asyncio.TaskGroup() as writers:
            for number in (1, 2):
                writers.create_task(sink.deliver(an_alert(number, why="y" * 100_000)))
        os.close(writing)
    assert [checked(line)["alert_id"] for line in output.result().splitlines()] == ids(range(3))
