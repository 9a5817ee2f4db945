"""The whole monitor in one process: from sources to sinks, and its shutdown in that order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from streammon.alerts.incidents import IncidentBook
from streammon.config import MonitorConfig
from streammon.core.ports import Clock, StoredAlert
from streammon.core.types import (
    Alert,
    AudioChunk,
    ChatMessage,
    DetectionResult,
    Item,
    Modality,
    StreamId,
    VideoFrame,
)
from streammon.evidence.store import SnapshotStore
from streammon.flow.channel import Channel, WhenFull
from streammon.flow.supervise import until
from streammon.overlay.meter import ChatMeter, audio_meter
from streammon.pipelines.building import Parts
from streammon.pipelines.health import HealthBoard
from streammon.pipelines.ingesting import ingest_all
from streammon.pipelines.judging import Judge
from streammon.pipelines.outlets import Outlet, Outlets
from streammon.pipelines.pictures import Pictures
from streammon.pipelines.status import Status
from streammon.pipelines.streams import Look, Stream, modality_of
from streammon.pipelines.tending import Tending
from streammon.scheduler.runner import Scheduler
from streammon.sinks.outbox import Outbox
from streammon.sinks.websocket_hub import Hub, Live
from streammon.sinks.wire import WallClock
from streammon.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

SNAPSHOT_BYTES = 64 * 2**20
RESULTS_WAITING = 256
ALERTS_WAITING = 256


class Monitor:
    """Watches until stopped. Lives on one event loop; `run` may be awaited once.

    Every alert is in `outbox` before anyone is told of it. `origin` makes incident ids unique to
    this run.
    """

    def __init__(
        self,
        config: MonitorConfig,
        parts: Parts,
        *,
        clock: Clock,
        outbox: Outbox,
        hub: Hub,
        metrics: Metrics,
        wall: WallClock,
        origin: str,
    ) -> None:
        self._drain_s = config.drain_s
        self._clock = clock
        self._outbox = outbox
        self._hub = hub
        self._metrics = metrics
        self._board = HealthBoard(clock, self._tell)
        self._outlets = self._make_outlets(parts)
        self._scheduler = Scheduler(
            parts.detectors, config.scheduler, clock=clock, report=self._board.post
        )
        self._streams = self._make_streams(parts)
        self._chat_meters = {
            name: ChatMeter(name)
            for name, stream in self._streams.items()
            if Modality.TEXT in stream.modalities
        }
        self._results: Channel[DetectionResult] = Channel(
            "results", RESULTS_WAITING, WhenFull.BLOCK
        )
        self._alerts: Channel[Alert] = Channel("alerts", ALERTS_WAITING, WhenFull.BLOCK)
        self._book = IncidentBook(
            config.alerts, parts.rules, origin=origin, evidence_ref=_snapshot_path
        )
        self._judge = Judge(
            self._book,
            outbox,
            wall=wall,
            tell_result=self._tell_result,
            tell_alert=self._tell_alert,
            set_risk=self._scheduler.set_risk,
            alerts=self._alerts,
        )
        snapshots = SnapshotStore(SNAPSHOT_BYTES)
        self._painting = ThreadPoolExecutor(1, thread_name_prefix="paint")
        self._pictures = Pictures(
            config.overlay,
            snapshots,
            executor=self._painting,
            looked_at=self._looked_at,
            incidents=self._incidents_of,
            tell=self._tell,
        )
        self._tending = Tending(
            self._streams,
            config.overlay,
            clock=clock,
            board=self._board,
            judge=self._judge,
            scheduler=self._scheduler,
            looked_at=self._looked_at,
            outbox=outbox,
            metrics=metrics,
        )
        self.status = Status(
            config.name,
            config.description,
            streams=self._streams,
            board=self._board,
            book=self._book,
            snapshots=snapshots,
        )

    async def run(self, stop: asyncio.Event) -> bool:
        """Watch until `stop` is set or every source has ended, then drain.

        Returns whether everything got out within `drain_s`. Alerts that a durable sink did not
        take in time are not lost: they stay in the outbox. A defect in the core is raised.
        """
        await self._outlets.join(self._outbox)
        try:
            async with asyncio.timeout(None) as deadline, asyncio.TaskGroup() as group:
                group.create_task(self._outlets.run(), name="outlets")
                tending = group.create_task(self._tending.run(), name="tending")
                await self._watch(stop, deadline)
                tending.cancel()
                self._outlets.close()
        except TimeoutError:
            return self._undrained()
        finally:
            self._painting.shutdown(wait=True, cancel_futures=True)
        return True

    async def _watch(self, stop: asyncio.Event, deadline: asyncio.Timeout) -> None:
        """All stages up to stored alerts and painted pictures; returns when they are empty."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._judge.store(), name="store")
            group.create_task(self._pictures.paint(), name="paint")
            try:
                await until(stop, self._scheduler.load())
                if not stop.is_set():
                    self.status.busy_with = ""
                    await self._ingest_and_judge(stop, deadline)
            finally:
                self._start_deadline(deadline)
            for name in self._streams:
                await self._judge.end_stream(
                    name, captured_ns=self._clock.now_ns(), why="the monitor was stopped"
                )
            self._alerts.close()
            self._pictures.close()

    async def _ingest_and_judge(self, stop: asyncio.Event, deadline: asyncio.Timeout) -> None:
        """Watch until stopped or out of sources; returns when every result is judged."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._infer(), name="infer")
            group.create_task(self._judge.judge(self._results), name="judge")
            try:
                await until(stop, self._ingest())
            finally:
                self._start_deadline(deadline)
                for stream in self._streams.values():
                    stream.finish()
                self._scheduler.close()

    def _start_deadline(self, deadline: asyncio.Timeout) -> None:
        """From now on, what is in flight has `drain_s` to get out."""
        if deadline.when() is None:
            deadline.reschedule(asyncio.get_running_loop().time() + self._drain_s)

    async def _ingest(self) -> None:
        await ingest_all(
            self._streams.values(),
            clock=self._clock,
            demand=self._scheduler.demand,
            reporter=lambda name: self._board.reporter(f"stream:{name}", name),
            take=self._take,
        )

    async def _infer(self) -> None:
        try:
            await self._scheduler.run(self._results)
        finally:
            self._results.close()

    def _take(self, stream: Stream, item: Item) -> None:
        modality = modality_of(item)
        self._metrics.item(stream.stream, modality.value)
        stream.take(item)
        if isinstance(item, VideoFrame):
            self._pictures.saw_frame(stream, item)
        elif isinstance(item, ChatMessage):
            if meter := self._chat_meters[stream.stream].push(item):
                self._tell(meter)
        elif isinstance(item, AudioChunk) and self._hub.viewers(stream.stream):
            self._tell(audio_meter(item))

    def _tell(self, item: Live) -> None:
        self._outlets.tell(item)

    def _tell_result(self, result: DetectionResult) -> None:
        self._metrics.result(result.detector, abstained=result.confidence is None)
        age_s = (self._clock.now_ns() - result.captured_ns) / 1e9
        self._metrics.window_age(result.detector, max(0.0, age_s))
        self._outlets.tell(result)
        self._pictures.saw_result(self._streams[result.stream], result)

    def _tell_alert(self, stored: StoredAlert, alert: Alert) -> None:
        self._outlets.tell_alert(stored, alert)
        self._pictures.saw_alert(self._streams[alert.stream], alert)

    def _looked_at(self, stream: StreamId) -> bool:
        return self._hub.viewers(stream) or self._outlets.want_pictures

    def _incidents_of(self, stream: StreamId) -> tuple[Alert, ...]:
        return tuple(alert for alert in self._book.open_incidents() if alert.stream == stream)

    def _make_outlets(self, parts: Parts) -> Outlets:
        outlets = [
            Outlet(
                sink,
                self._outbox,
                clock=self._clock,
                report=self._board.reporter(f"sink:{sink.name}"),
                metrics=self._metrics,
            )
            for sink in parts.sinks
        ]
        return Outlets(self._hub, outlets, self._metrics)

    def _make_streams(self, parts: Parts) -> Mapping[StreamId, Stream]:
        streams: dict[StreamId, Stream] = {}
        for source in parts.sources:
            self._scheduler.add_stream(source.stream, source.modalities)
            looks = [Look(*look) for look in self._scheduler.wants(source.stream)]
            streams[source.stream] = Stream(source, looks, submit=self._scheduler.submit)
        return streams

    def _undrained(self) -> bool:
        """What was left after the deadline; alerts in the outbox do not count as lost."""
        waiting = self._outlets.undelivered()
        stored = self._outbox.stats().rows
        log.warning("not_drained", extra={"waiting": waiting, "alerts_in_outbox": stored})
        return not waiting and not len(self._results) and not len(self._alerts)


def _snapshot_path(incident_id: str) -> str:
    return f"/api/incidents/{incident_id}/snapshot.jpg"
