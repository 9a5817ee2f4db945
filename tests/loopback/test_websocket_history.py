"""The `websocket` sink in a whole monitor, while its history cannot be written."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from streammon.core.errors import Permanent
from streammon.core.ports import SourceContext
from streammon.core.types import HealthState, Item
from streammon.sinks.websocket import WebSocketConfig, WebSocketSink
from streammon.telemetry.metrics import Metrics
from tests.component.test_outbox import a_full_disk
from tests.fakes import Pause, ScriptedSource, Turn
from tests.monitors import a_monitor, bright

SOON_S = 20.0


class Waiting(ScriptedSource):
    """Gives nothing before it may."""

    def __init__(self, *script: Any, **more: Any) -> None:
        super().__init__(*script, **more)
        self.may_begin = asyncio.Event()

    async def _items(self, context: SourceContext) -> AsyncGenerator[Item]:
        await self.may_begin.wait()
        async for item in super()._items(context):
            yield item


async def until_seen(
    connection: ClientConnection, seen: list[dict[str, Any]], enough: Callable[[], bool]
) -> None:
    """Take up what the client is told until it is enough."""
    async with asyncio.timeout(SOON_S):
        while not enough():
            message = await connection.recv()
            if isinstance(message, str):
                seen.append(json.loads(message))


def chosen(seen: list[dict[str, Any]], **fields: Any) -> list[dict[str, Any]]:
    return [one for one in seen if all(one.get(name) == value for name, value in fields.items())]


async def served(sink: WebSocketSink) -> None:
    async with asyncio.timeout(SOON_S):
        while not sink.url:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(0.01)


async def test_a_history_without_room_is_told_of_and_its_alerts_come_once_there_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    history, metrics, stop = tmp_path / "history.db", Metrics(), asyncio.Event()
    sink = WebSocketConfig(port=0, history=history).build("viewers")
    script = [step for frame in bright(4_000) for step in (frame, Turn(), Pause(0.01))]
    source = Waiting("cam", script, stays_open=True)
    seen: list[dict[str, Any]] = []
    async with (
        a_monitor([source], sinks=[sink], metrics=metrics) as (monitor, outbox),
        asyncio.TaskGroup() as group,
    ):
        running = group.create_task(monitor.run(stop))
        await served(sink)
        async with connect(sink.url, compression=None) as connection:
            await connection.send(json.dumps({"type": "subscribe"}))
            with a_full_disk(history):
                source.may_begin.set()  # not before: its first alert is to find the disk full
                await until_seen(
                    connection,
                    seen,
                    lambda: bool(chosen(seen, component="sink:viewers", state="retrying")),
                )
                told = len(chosen(seen, type="result"))
                await until_seen(
                    connection, seen, lambda: len(chosen(seen, type="result")) > told + 2
                )
                assert not chosen(seen, type="alert"), "nobody is told of what is not kept"
                (held,) = await outbox.read("viewers", 1)
                (health,) = (
                    each for each in monitor.status.health() if each.component == "sink:viewers"
                )
            await until_seen(
                connection,
                seen,
                lambda: (
                    bool(chosen(seen, type="alert"))
                    and chosen(seen, component="sink:viewers")[-1]["state"] == "up"
                ),
            )
        stop.set()
    assert running.result()
    assert health.state is HealthState.RETRYING
    assert f"the history {history} cannot be written" in health.cause
    first = chosen(seen, type="alert")[0]
    assert (first["seq"], first["alert_id"]) == (1, held.alert_id)
    counted = metrics.registry.get_sample_value(
        "streammon_sink_failures_total", {"sink": "viewers"}
    )
    assert counted is not None
    assert counted >= 1
    assert {"sink_retrying", "outbox_waits"} <= {record.message for record in caplog.records}


async def test_a_history_that_cannot_be_had_is_named_with_its_setting(tmp_path: Path) -> None:
    history = tmp_path / "history.db"
    async with WebSocketConfig(port=0, history=history).build("one"):
        with pytest.raises(Permanent, match=r"two: the history .* is in use by .*\(`history`\)"):
            async with WebSocketConfig(port=0, history=history).build("two"):
                pass
    (tmp_path / "file").touch()
    with pytest.raises(Permanent, match=r"two: the history .* cannot be made: .*\(`history`\)"):
        async with WebSocketConfig(port=0, history=tmp_path / "file" / "h.db").build("two"):
            pass
