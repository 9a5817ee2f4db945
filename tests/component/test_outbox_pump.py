"""The pump: every alert of the outbox to a durable sink, whatever the sink does."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from streammon.config import OutboxConfig
from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import StoredAlert
from streammon.core.types import HealthState
from streammon.flow.supervise import Backoff
from streammon.sinks.outbox import Outbox, pump
from streammon.sinks.outbox_beside import Beside
from tests.fakes import FakeClock, Reports
from tests.outboxes import CLOCK, an_outbox
from tests.outgoing import a_row
from tests.watch import until

NO_PAUSE = Backoff(first_s=0.001, most_s=0.001)


class Taking:
    """A durable sink that fails when its script says so; `None` takes the batch."""

    def __init__(self, script: Sequence[Exception | None] = ()) -> None:
        self.got: list[StoredAlert] = []
        self._script = list(script)

    async def deliver_alerts(self, batch: Sequence[StoredAlert]) -> None:
        error = self._script.pop(0) if self._script else None
        if error is not None:
            raise error
        self.got += batch


async def test_the_pump_gives_every_alert_once_and_acknowledges_it() -> None:
    sink, reports = Taking(), Reports()
    async with an_outbox() as outbox, asyncio.TaskGroup() as group:
        await outbox.join("sink")
        await outbox.append_many([a_row(at) for at in range(2500)])
        pumping = group.create_task(pump(outbox, "sink", sink, clock=CLOCK, report=reports))
        await outbox.settled()
        await outbox.append(a_row(2500))
        await outbox.settled()
        pumping.cancel()
    assert [alert.seq for alert in sink.got] == list(range(1, 2502))
    assert reports == []


async def test_the_pump_offers_again_what_was_not_accepted() -> None:
    sink, reports = Taking([Retryable("away"), None, Retryable("again")]), Reports()
    async with an_outbox() as outbox, asyncio.TaskGroup() as group:
        await outbox.join("sink")
        await outbox.append_many([a_row(at) for at in range(2500)])
        pumping = group.create_task(
            pump(outbox, "sink", sink, clock=CLOCK, report=reports, backoff=NO_PAUSE)
        )
        await outbox.settled()
        pumping.cancel()
    assert [alert.seq for alert in sink.got] == list(range(1, 2501))
    retrying, up = HealthState.RETRYING, (HealthState.UP, "")
    assert reports == [(retrying, "away"), up, (retrying, "again"), up]


async def test_the_pump_leaves_when_a_person_is_needed_and_goes_on_where_it_was() -> None:
    sink = Taking([Permanent("no such topic")])
    async with an_outbox() as outbox:
        await outbox.join("sink")
        await outbox.append(a_row(0))
        with pytest.raises(Permanent, match="no such topic"):
            await pump(outbox, "sink", sink, clock=CLOCK, report=Reports())
        async with asyncio.TaskGroup() as group:
            pumping = group.create_task(pump(outbox, "sink", sink, clock=CLOCK, report=Reports()))
            await outbox.settled()
            pumping.cancel()
    assert [alert.seq for alert in sink.got] == [1]


async def test_a_dead_letter_that_a_person_sends_again_is_offered_between_the_others(
    tmp_path: Path,
) -> None:
    clock, sink, reports = FakeClock(auto=False), Taking(), Reports()
    path = tmp_path / "o.db"
    outbox = Outbox(OutboxConfig(max_age_h=1.0), path, clock=clock, kept_s=60.0)
    async with asyncio.timeout(20.0), outbox, asyncio.TaskGroup() as group:
        await outbox.join("kafka")
        await outbox.append_many([a_row(0), a_row(1)])
        await clock.advance(3601.0)
        await outbox.append(a_row(2))
        assert outbox.stats().dead_letters == 2
        task = group.create_task(pump(outbox, "kafka", sink, clock=clock, report=reports))
        await until(lambda: [alert.seq for alert in sink.got] == [3])
        with Beside(path) as beside:
            assert beside.retry(beside.dead()) == 2
        await until(lambda: [alert.seq for alert in sink.got] == [3, 1, 2])
        while await outbox.look(lambda store: store.letters.streams("kafka")):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        task.cancel()
    assert sink.got[1].body == a_row(0).body


async def test_how_a_sink_that_is_away_stands_can_be_read_beside_it(tmp_path: Path) -> None:
    path, sink = tmp_path / "o.db", Taking([Retryable("no broker")] * 1_000_000)
    async with asyncio.timeout(20.0), an_outbox(path) as outbox, asyncio.TaskGroup() as group:
        await outbox.join("kafka")
        await outbox.append(a_row(0))
        pumping = pump(outbox, "kafka", sink, clock=CLOCK, report=Reports(), backoff=NO_PAUSE)
        task = group.create_task(pumping)
        with Beside(path) as beside:
            while True:
                (held,) = beside.waiting()
                if held.tries > 1:
                    break
                await asyncio.sleep(0.01)
        task.cancel()
    assert (held.sink, held.error, held.is_letter) == ("kafka", "no broker", False)
    assert held.next_try_at is not None
