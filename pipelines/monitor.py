"""The whole monitor in one process: from sources to sinks, and its shutdown in that order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

from streammon.alerts.incidents import IncidentBook
from streammon.config import MonitorConfig
from streammon.core.moderation import AuthorBook, Moderating
from streammon.core.ports import Clock, Sink
from streammon.core.types import Alert, DetectionResult, Item, StreamId
from streammon.evidence.store import SnapshotStore
from streammon.flow.channel import Channel, WhenFull
from streammon.flow.supervise import until
from streammon.pipelines.attention import Attention
from streammon.pipelines.building import Parts
from streammon.pipelines.figures import Figures
from streammon.pipelines.health import HealthBoard
from streammon.pipelines.ingesting import Ingest
from streammon.pipelines.judging import Judge
from streammon.pipelines.outlets import Outlet, Outlets
from streammon.pipelines.pictures import Pictures
from streammon.pipelines.roster import LiveRoster, watch_all
from streammon.pipelines.routing import Routes
from streammon.pipelines.status import Status
from streammon.pipelines.streams import Stream, source_of
from streammon.pipelines.tending import Tending
from streammon.scheduler.runner import Scheduler
from streammon.sinks.outbox import Outbox
from streammon.sinks.websocket_hub import Hub
from streammon.sinks.wire import WallClock
from streammon.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

SNAPSHOT_BYTES = 64 * 2**20
WAITING = 256
"""Results waiting for the rules, and alerts for the outbox; full, the sender waits."""
FINISH_SHARE = 0.6
"""Of the time to drain, what the detectors may take; the rest is for what their results lead to."""
SETTLE_SHARE = 0.3
"""Of the time to drain, how long platforms that are acting may hold the sources open."""


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
        self._drain_s, self._clock = config.drain_s, clock
        self._outbox = outbox
        self._metrics = metrics
        self._board = HealthBoard(clock)
        self._scheduler = Scheduler(
            parts.detectors, config.scheduler, clock=clock, report=self._board.post
        )
        self._streams, self._entrances = watch_all(parts.sources, self._scheduler), parts.entrances
        _introduce(parts.sinks, self._streams)
        self.attention = Attention()
        self._outlets = _outlets(parts, outbox, self._board, clock=clock, hub=hub, metrics=metrics)
        self._results: Channel[DetectionResult] = Channel("results", WAITING, WhenFull.BLOCK)
        self._alerts: Channel[Alert] = Channel("alerts", WAITING, WhenFull.BLOCK)
        book = IncidentBook(config.alerts, parts.rules, origin=origin, evidence_ref=_snapshot_path)
        snapshots = SnapshotStore(SNAPSHOT_BYTES)
        self._painting = ThreadPoolExecutor(1, thread_name_prefix="paint")
        self._pictures = self._make_pictures(config, book, snapshots)
        self.said_of = self._pictures.said_of
        self._routes = Routes(
            self._streams,
            clock=clock,
            outlets=self._outlets,
            pictures=self._pictures,
            metrics=metrics,
        )
        self._judge = self._make_judge(book, wall)
        self._tending = self._make_tending(config, hub, metrics)
        _spread_health(self._board, self._outlets, outbox)
        hub.show_packets_of(partial(source_of, self._streams))
        self.status = Status(
            config.name,
            config.description,
            streams=self._streams,
            board=self._board,
            book=book,
            snapshots=snapshots,
        )

    async def run(self, stop: asyncio.Event, *, duration_s: float | None = None) -> bool:
        """Watch until `stop` is set or every source has ended, then drain.

        `stop` is set after `duration_s` of watching; loading the models does not count. Returns
        whether everything got out within `drain_s`. Alerts that a durable sink did not take in
        time are not lost: they stay in the outbox. A defect in the core is raised.
        """
        await self._outlets.join(self._outbox)
        try:
            async with asyncio.timeout(None) as deadline, asyncio.TaskGroup() as group:
                group.create_task(self._outlets.run(), name="outlets")
                tending = group.create_task(self._tending.run(), name="tending")
                await self._watch(stop, deadline, duration_s)
                tending.cancel()
                self._outlets.close()
        except TimeoutError:
            return self._undrained()
        finally:
            self._painting.shutdown(wait=True, cancel_futures=True)
        return True

    async def _watch(
        self, stop: asyncio.Event, deadline: asyncio.Timeout, duration_s: float | None
    ) -> None:
        """All stages up to stored alerts and painted pictures; returns when they are empty."""
        async with asyncio.TaskGroup() as group:
            storing = group.create_task(self._judge.store(), name="store")
            group.create_task(self._pictures.paint(), name="paint")
            try:
                await until(stop, self._scheduler.load())
                if not stop.is_set():
                    self.status.busy_with = ""
                    with _set_after(duration_s, stop):
                        await self._ingest_and_judge(stop, deadline)
            finally:
                _start(deadline, self._drain_s)
            for name in tuple(self._streams):
                await self._judge.end_stream(
                    name, captured_ns=self._clock.now_ns(), why="the monitor was stopped"
                )
            self._alerts.close()
            await storing  # whoever is told of an incident last wants its picture, too
            self._pictures.close()

    async def _ingest_and_judge(self, stop: asyncio.Event, deadline: asyncio.Timeout) -> None:
        """Watch until stopped or out of sources; returns when every result is judged."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._infer(), name="infer")
            group.create_task(self._judge.judge(self._results), name="judge")
            try:
                await until(stop, self._ingest(), first=partial(self._settle, deadline))
            finally:
                _start(deadline, self._drain_s)
                for stream in self._streams.values():
                    stream.finish()
                self._scheduler.close(within_s=FINISH_SHARE * self._drain_s)

    async def _settle(self, deadline: asyncio.Timeout) -> None:
        """Deeds that were begun are seen through while their sources are there."""
        _start(deadline, self._drain_s)
        await self._outlets.settle(within_s=SETTLE_SHARE * self._drain_s)

    async def _ingest(self) -> None:
        ingest = Ingest(
            clock=self._clock,
            demand=lambda name: self.attention.demand(name, self._scheduler.demand(name)),
            reporter=lambda name: self._board.reporter(f"stream:{name}", name),
            take=self._take,
            backlog=self._scheduler,
        )
        roster = LiveRoster(
            self._streams,
            scheduler=self._scheduler,
            board=self._board,
            judge=self._judge,
            pictures=self._pictures,
            clock=self._clock,
            metrics=self._metrics,
        )
        await ingest.run(tuple(self._streams.values()), self._entrances, roster)

    def _take(self, stream: Stream, item: Item) -> None:
        if self.attention.usual(item):
            self._routes.take(stream, item)
        self.attention.saw(item)

    async def _infer(self) -> None:
        try:
            await self._scheduler.run(self._results)
        finally:
            self._results.close()

    def _make_pictures(
        self, config: MonitorConfig, book: IncidentBook, snapshots: SnapshotStore
    ) -> Pictures:
        return Pictures(
            config.overlay,
            snapshots,
            executor=self._painting,
            looked_at=self._outlets.looked_at,
            incidents=book.open_incidents,
            tell=self._outlets.tell,
            painted=self._metrics.pictures.painted,
        )

    def _make_judge(self, book: IncidentBook, wall: WallClock) -> Judge:
        return Judge(
            book,
            self._outbox,
            wall=wall,
            tell_result=self._routes.tell_result,
            tell_alert=self._routes.tell_alert,
            set_risk=self._scheduler.set_risk,
            alerts=self._alerts,
        )

    def _make_tending(self, config: MonitorConfig, hub: Hub, metrics: Metrics) -> Tending:
        figures = Figures(
            metrics,
            scheduler=self._scheduler,
            outlets=self._outlets,
            hub=hub,
            outbox=self._outbox,
        )
        self._board.listen(figures.count_health)
        return Tending(
            self._streams,
            config.overlay,
            clock=self._clock,
            board=self._board,
            judge=self._judge,
            scheduler=self._scheduler,
            looked_at=self._outlets.looked_at,
            figures=figures,
            metrics=metrics,
        )

    def _undrained(self) -> bool:
        """What was left after the deadline; alerts in the outbox do not count as lost."""
        waiting = self._outlets.undelivered()
        stored = self._outbox.stats().rows
        log.warning("not_drained", extra={"waiting": waiting, "alerts_in_outbox": stored})
        return not waiting and not len(self._results) and not len(self._alerts)


def _outlets(
    parts: Parts, outbox: Outbox, board: HealthBoard, *, clock: Clock, hub: Hub, metrics: Metrics
) -> Outlets:
    outlets = [
        Outlet(
            sink,
            outbox,
            clock=clock,
            report=board.reporter(f"sink:{sink.name}"),
            metrics=metrics,
        )
        for sink in parts.sinks
    ]
    return Outlets(hub, outlets, metrics)


def _spread_health(board: HealthBoard, outlets: Outlets, outbox: Outbox) -> None:
    """From now on everybody is told how the parts are, the outbox among them."""
    board.listen(outlets.tell)
    outbox.report_to(board.reporter("outbox"))


def _introduce(sinks: Iterable[Sink], streams: Mapping[StreamId, Stream]) -> None:
    """Have sinks that moderate find the source of a stream, if it knows who writes there."""

    def book_of(stream: StreamId) -> AuthorBook | None:
        found = streams.get(stream)
        source = None if found is None else found.source
        return source if isinstance(source, AuthorBook) else None

    for sink in sinks:
        if isinstance(sink, Moderating):
            sink.meet(book_of)


def _start(deadline: asyncio.Timeout, within_s: float) -> None:
    """From now on, what is in flight has so long to get out; what was said first counts."""
    if deadline.when() is None:
        deadline.reschedule(asyncio.get_running_loop().time() + within_s)


@contextmanager
def _set_after(delay_s: float | None, event: asyncio.Event) -> Iterator[None]:
    """Set the event after so long, unless the block is left before."""
    if delay_s is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(delay_s, event.set)
    try:
        yield
    finally:
        timer.cancel()


def _snapshot_path(incident_id: str) -> str:
    return f"/api/incidents/{incident_id}/snapshot.jpg"
