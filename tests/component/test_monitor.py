"""The monitor put together: real outbox, real hub, real scheduler; scripted sources."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from streammon.alerts.baseline import BaselineConfig
from streammon.alerts.sequential import CusumConfig
from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent, Retryable
from streammon.core.moderation import AuthorBook
from streammon.core.ports import StoredAlert
from streammon.core.types import (
    Alert,
    AlertState,
    DetectionResult,
    Health,
    HealthState,
    Overlay,
    StreamId,
)
from streammon.flow import supervise
from streammon.pipelines import tending
from streammon.sinks.outbox import MEMORY, Outbox
from streammon.sinks.outbox_store import AlertRow
from streammon.telemetry.metrics import Metrics
from tests.fakes import Brightness, RecordingSink, ScriptedSource, Turn, until
from tests.monitors import a_monitor, bright, dark, of, paced


async def test_a_stream_that_deserves_it_gets_an_incident_from_open_to_close() -> None:
    sink = RecordingSink()
    source = ScriptedSource("cam", paced([*bright(24), *dark(40, first=24)]))
    async with a_monitor([source], sinks=[sink]) as (monitor, outbox):
        assert await monitor.run(asyncio.Event())
        stored = await outbox.recent(100)
    alerts: list[Alert] = of(sink, Alert)
    assert [alerts[0].state, alerts[-1].state] == [AlertState.OPENED, AlertState.CLOSED]
    assert {alert.kind for alert in alerts} == {"brightness"}
    assert [row.alert_id for row in stored] == [alert.alert_id for alert in alerts]


async def test_what_a_rule_learns_of_a_source_is_told_with_its_results_and_alerts() -> None:
    sink = RecordingSink()
    source = ScriptedSource("cam", paced([*bright(24), *dark(6, first=24)]))
    learning = CusumConfig(baseline=BaselineConfig())
    async with a_monitor([source], sinks=[sink], rule=learning) as (monitor, _):
        assert await monitor.run(asyncio.Event())
    told = [*of(sink, DetectionResult), *of(sink, Alert)[0].results]
    assert told
    assert all(str(one.details["baseline"]).startswith("learning: ") for one in told)


async def test_a_clean_stream_gets_none() -> None:
    sink = RecordingSink()
    async with a_monitor([ScriptedSource("cam", paced(dark(30)))], sinks=[sink]) as (monitor, _):
        assert await monitor.run(asyncio.Event())
    assert of(sink, DetectionResult)
    assert not of(sink, Alert)


async def test_health_tells_the_life_of_a_stream() -> None:
    sink = RecordingSink()
    async with a_monitor([ScriptedSource("cam", paced(dark(4)))], sinks=[sink]) as (monitor, _):
        await monitor.run(asyncio.Event())
    states = [item.state for item in of(sink, Health) if item.component == "stream:cam"]
    assert states == [HealthState.STARTING, HealthState.UP, HealthState.ENDED]


async def test_a_stream_that_fails_for_good_does_not_stop_its_sibling() -> None:
    sink = RecordingSink()
    broken = ScriptedSource("broken", [Permanent("no such path: check the URL")])
    healthy = ScriptedSource("healthy", paced(dark(12)))
    async with a_monitor([broken, healthy], sinks=[sink]) as (monitor, _):
        assert await monitor.run(asyncio.Event())
        views = {view.stream: view.health for view in monitor.status.streams()}
    assert views["broken"].state is HealthState.FAILED  # type: ignore[index]
    assert "check the URL" in views["broken"].cause  # type: ignore[index]
    assert {result.stream for result in of(sink, DetectionResult)} == {"healthy"}


async def test_a_lost_connection_is_opened_again_in_a_new_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervise.Backoff, "delay_s", lambda self, attempt: 0.01)
    sink = RecordingSink()
    script = paced([*dark(6), Retryable("no packets for 5 s"), *dark(6)])
    source = ScriptedSource("cam", script)
    async with a_monitor([source], sinks=[sink]) as (monitor, _):
        await monitor.run(asyncio.Event())
    assert source.opened == source.closed == 2
    assert {result.epoch for result in of(sink, DetectionResult)} == {0, 1}
    causes = [item.cause for item in of(sink, Health) if item.state is HealthState.RETRYING]
    assert causes == ["no packets for 5 s"]


async def test_stop_closes_sources_judges_what_is_in_flight_and_closes_incidents() -> None:
    sink = RecordingSink()
    source = ScriptedSource("cam", paced(bright(24)), stays_open=True)
    async with a_monitor([source], sinks=[sink]) as (monitor, _):
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(monitor.run(stop))
            while not monitor.status.open_incidents():  # noqa: ASYNC110 - looked at from outside
                await asyncio.sleep(0.01)
            stop.set()
        assert running.result()
    assert source.closed == 1
    assert not sink.is_open
    last: Alert = of(sink, Alert)[-1]
    assert last.state is AlertState.CLOSED
    assert "stopped" in last.why
    assert monitor.status.open_incidents() == ()


class Deeds(RecordingSink):
    """Satisfies `moderation.Moderating`: its platform answers `after_s` it was to settle."""

    def __init__(self, source: ScriptedSource, *, after_s: float) -> None:
        super().__init__("deeds")
        self.left_before: list[int] = []
        self._source = source
        self._after_s = after_s

    def meet(self, actor_of: Callable[[StreamId], AuthorBook | None]) -> None:
        assert actor_of(self._source.stream) is None

    async def settle(self) -> None:
        self.left_before.append(self._source.closed)
        await asyncio.sleep(self._after_s)
        self.left_before.append(self._source.closed)


@pytest.mark.parametrize(
    ("after_s", "drain_s", "left_before"), [(0.1, 60.0, [0, 0]), (60.0, 5.0, [0])]
)
async def test_sources_stay_until_deeds_are_done_or_a_share_of_the_time_to_drain_is_over(
    after_s: float, drain_s: float, left_before: list[int]
) -> None:
    source = ScriptedSource("cam", paced(dark(2)), stays_open=True)
    sink = Deeds(source, after_s=after_s)
    async with a_monitor([source], sinks=[sink], changes={"drain_s": drain_s}) as (monitor, _):
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(monitor.run(stop))
            while not of(sink, DetectionResult):  # noqa: ASYNC110 - looked at from outside
                await asyncio.sleep(0.01)
            stop.set()
    assert running.result(), "it was to drain in time"
    assert (sink.left_before, source.closed) == (left_before, 1)


async def test_a_sink_that_fails_for_good_stops_neither_detection_nor_its_sibling() -> None:
    dead = RecordingSink("dead", failures=[Permanent("no such topic: create it")])
    alive = RecordingSink("alive")
    source = ScriptedSource("cam", paced(bright(24)))
    async with a_monitor([source], sinks=[dead, alive]) as (monitor, _):
        await monitor.run(asyncio.Event())
        health = {item.component: item for item in monitor.status.health()}
    assert health["sink:dead"].state is HealthState.FAILED
    assert of(alive, Alert)


async def test_a_sink_that_was_away_gets_the_item_it_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervise.Backoff, "delay_s", lambda self, attempt: 0.01)
    sink = RecordingSink(failures=[Retryable("connection reset")])
    source = ScriptedSource("cam", paced(dark(10)))
    async with a_monitor([source], sinks=[sink]) as (monitor, _):
        await monitor.run(asyncio.Event())
    first: Health = of(sink, Health)[0]
    assert first.state in {HealthState.STARTING, HealthState.UP}
    assert len(of(sink, DetectionResult)) == 5


class AcceptingSink(RecordingSink):
    """Takes alerts from the outbox; away for the first `refusals` batches."""

    def __init__(self, name: str, *, refusals: int = 0) -> None:
        super().__init__(name)
        self.accepted: list[StoredAlert] = []
        self._refusals = refusals

    async def deliver_alerts(self, batch: Sequence[StoredAlert]) -> None:
        if self._refusals:
            self._refusals -= 1
            raise Retryable("the broker is away")
        self.accepted += batch


async def test_a_durable_sink_gets_every_alert_in_order_through_the_outbox() -> None:
    sink = AcceptingSink("broker", refusals=2)
    source = ScriptedSource("cam", paced([*bright(24), *dark(40, first=24)]))
    async with a_monitor([source], sinks=[sink]) as (monitor, outbox):
        assert await monitor.run(asyncio.Event())
        stored = await outbox.recent(100)
    assert len(stored) >= 2
    assert [row.seq for row in sink.accepted] == [row.seq for row in stored]
    assert not of(sink, Alert), "alerts of durable sinks come from the outbox alone"


async def test_a_broker_that_stays_away_leaves_its_alerts_in_the_outbox() -> None:
    sink = AcceptingSink("broker", refusals=10**6)
    source = ScriptedSource("cam", paced(bright(24)), stays_open=True)
    async with a_monitor([source], sinks=[sink], changes={"drain_s": 2.0}) as (monitor, outbox):
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            running = group.create_task(monitor.run(stop))
            await until(lambda: outbox.last_seq)
            stop.set()
        assert running.result()
        assert outbox.stats().cursors["broker"] == 0
        assert await outbox.read("broker", 10)


async def test_an_outbox_that_is_not_well_shows_in_the_health_of_the_monitor(
    tmp_path: Path,
) -> None:
    (tmp_path / "o.db").write_bytes(b"not a database" * 1000)
    sink = RecordingSink()
    source = ScriptedSource("cam", dark(2))
    outbox = Outbox(OutboxConfig(), tmp_path / "o.db", clock=MonotonicClock())
    async with a_monitor([source], sinks=[sink], outbox=outbox) as (monitor, _):
        await monitor.run(asyncio.Event())
        told = {health.component: health for health in monitor.status.health()}
    assert told["outbox"].state is HealthState.DEGRADED
    assert "damaged" in told["outbox"].cause


async def test_a_picture_is_kept_when_an_incident_opens_though_nobody_looks() -> None:
    sink = RecordingSink(wants=lambda item: not isinstance(item, Overlay))
    source = ScriptedSource("cam", paced(bright(24)))
    async with a_monitor([source], sinks=[sink]) as (monitor, _):
        await monitor.run(asyncio.Event())
    opened: Alert = of(sink, Alert)[0]
    jpeg = monitor.status.snapshot(opened.incident_id)
    assert jpeg is not None
    assert jpeg[:2] == b"\xff\xd8"
    assert opened.evidence_ref == f"/api/incidents/{opened.incident_id}/snapshot.jpg"


class SlowOutbox(Outbox):
    """On a disk that takes its time."""

    async def append_many(self, alerts: Sequence[AlertRow], *, waits: bool = True) -> list[int]:
        await asyncio.sleep(0.4)
        return await super().append_many(alerts, waits=waits)


async def test_the_picture_of_an_incident_that_is_told_last_is_kept_too() -> None:
    sink = RecordingSink(wants=lambda item: not isinstance(item, Overlay))
    source = ScriptedSource("cam", paced(bright(24)))
    outbox = SlowOutbox(OutboxConfig(), MEMORY, clock=MonotonicClock())
    async with a_monitor([source], sinks=[sink], outbox=outbox) as (monitor, _):
        await monitor.run(asyncio.Event())
    opened: Alert = of(sink, Alert)[0]
    assert monitor.status.snapshot(opened.incident_id) is not None


async def test_overlays_go_to_a_sink_that_wants_them_and_show_scored_frames() -> None:
    sink = RecordingSink()
    source = ScriptedSource("cam", paced(dark(12)))
    async with a_monitor([source], sinks=[sink]) as (monitor, _):
        await monitor.run(asyncio.Event())
    overlays: list[Overlay] = of(sink, Overlay)
    scored = {(result.epoch, result.end_s) for result in of(sink, DetectionResult)}
    assert overlays
    for overlay in overlays:
        assert overlay.results
        assert all((result.epoch, result.end_s) in scored for result in overlay.results)


class Crashing(Brightness):
    """A detector with a defect."""

    def score(self, batch: Sequence[Any]) -> Sequence[DetectionResult]:
        raise ZeroDivisionError("a defect in the model")


async def test_a_detector_with_a_defect_fails_loudly_and_alone() -> None:
    sink = RecordingSink()
    source = ScriptedSource("cam", paced(dark(30)))
    detectors = [Crashing("crashing"), Brightness("fine")]
    async with a_monitor([source], detectors=detectors, sinks=[sink]) as (monitor, _):
        assert await monitor.run(asyncio.Event())
        health = {item.component: item for item in monitor.status.health()}
    assert health["detector:crashing"].state is HealthState.FAILED
    assert {result.detector for result in of(sink, DetectionResult)} == {"fine"}


async def test_an_incident_on_a_stream_that_is_gone_is_closed_with_the_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(tending.GONE_AFTER_S, HealthState.RETRYING, 0.1)
    monkeypatch.setattr(supervise.Backoff, "delay_s", lambda self, attempt: 60.0)
    sink = RecordingSink()
    opened = Turn(lambda: of(sink, Alert))
    source = ScriptedSource("cam", [*paced(bright(24)), opened, Retryable("connection refused")])
    async with a_monitor([source], sinks=[sink]) as (monitor, _):
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(monitor.run(stop))
            await until(lambda: of(sink, Alert))
            await until(lambda: not monitor.status.open_incidents())
            stop.set()
    alerts: list[Alert] = of(sink, Alert)
    assert alerts[0].state is AlertState.OPENED
    assert alerts[-1].state is AlertState.CLOSED
    assert "lost" in alerts[-1].why


async def test_the_metrics_count_what_the_parts_did() -> None:
    metrics = Metrics()
    source = ScriptedSource("cam", paced(bright(24)))
    async with a_monitor([source], sinks=[RecordingSink()], metrics=metrics) as (monitor, _):
        await monitor.run(asyncio.Event())
    page, _ = metrics.render()
    text = page.decode()
    assert 'streammon_items_total{modality="video",stream="cam"} 24.0' in text
    assert 'streammon_alerts_total{kind="brightness",state="opened"} 1.0' in text
    batches = metrics.registry.get_sample_value(
        "streammon_batches_total", {"detector": "brightness"}
    )
    assert batches is not None
    assert 1 <= batches <= 24
    assert 'streammon_cache_lookups_total{outcome="miss"} 0.0' in text, "it may not be asked"
    assert 'streammon_model_resident_bytes{detector="brightness"} 0.0' in text


async def test_views_show_streams_detectors_and_readiness() -> None:
    source = ScriptedSource("cam", paced(dark(4)))
    async with a_monitor([source]) as (monitor, _):
        assert monitor.status.not_ready() == "loading models"
        await monitor.run(asyncio.Event())
        assert monitor.status.not_ready() == ""
        (view,) = monitor.status.streams()
    assert view.detectors == ("brightness",)
    assert view.media_s == 1.5
    assert not view.can_clip
