"""Alerts kept until every durable sink has accepted them, and a while longer for resuming.

One thread owns the SQLite file. Rows that arrive while it commits share the next commit, so a
lone alert waits for one commit and a flood for few. `append` returns when the row is durable:
from then on a killed process (with `durable: power`, also a power cut) does not lose it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from streammon.config import OutboxConfig
from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import Clock, DurableSink, StoredAlert
from streammon.core.types import HealthState, StreamId
from streammon.flow.channel import Channel, WhenFull
from streammon.flow.supervise import Backoff, Report
from streammon.sinks.outbox_store import MEMORY, AlertRow, NewAlert, OutboxStore
from streammon.sinks.outbox_writer import Answers, Inbox, Notice, OutboxStats, Request, Writer

log = logging.getLogger(__name__)

T = TypeVar("T")

KEPT_S = 86_400.0
"""Accepted alerts stay this long, for clients that resume and for the incident list."""
PUMP_ROWS = 2000

__all__ = ["MEMORY", "NewAlert", "Outbox", "OutboxStats", "pump"]


class Outbox:
    """The durable list of alerts; an async context manager.

    Every method may be called from any task of one event loop. A cancelled `append` may or may
    not have stored its alert; appending it again gives the number it already has.
    """

    def __init__(
        self,
        settings: OutboxConfig,
        path: Path | str,
        *,
        clock: Clock,
        report: Report | None = None,
        kept_s: float = KEPT_S,
    ) -> None:
        self._settings = settings
        self._path = path
        self._clock = clock
        self._report = report
        self._untold: Notice | None = None
        self._kept_s = kept_s
        self._inbox = Inbox()
        self._turned = asyncio.Event()
        self._finished = asyncio.Event()
        self._stats = OutboxStats()
        self.session = ""
        """Names this outbox file: numbers and ids of another session mean nothing here."""

    async def __aenter__(self) -> Self:
        """Open the file. A damaged one is set aside, and the report says so.

        Raises `Permanent` when another process has it, `Retryable` when the disk refuses it now.
        """
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Any] = loop.create_future()
        writer = Writer(
            self._path,
            self._inbox,
            settings=self._settings,
            clock=self._clock,
            kept_s=self._kept_s,
            opened=lambda answer: _to_loop(loop, _settle, opened, answer),
            turned=lambda *round_: _to_loop(loop, self._learn, *round_),
        )
        self._thread = threading.Thread(target=writer.run, name="outbox", daemon=True)
        self._thread.start()
        try:
            self.session = await asyncio.shield(opened)
        except BaseException:
            self._inbox.close(Retryable("the outbox is closed"))
            if opened.done():
                self._thread.join()
            raise
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Store what is waiting if there is room, then free the file."""
        self._inbox.close(Retryable("the outbox is closed"))
        await self._finished.wait()
        self._thread.join()

    def report_to(self, report: Report) -> None:
        """Tell this from now on when alerts wait or are given up; and now, what nobody was told."""
        self._report, untold = report, self._untold
        if untold is not None:
            report(*untold)

    @property
    def last_seq(self) -> int:
        """The newest alert's number; 0 before the first."""
        return self._stats.last_seq

    def stats(self) -> OutboxStats:
        return self._stats

    async def append(self, alert: AlertRow) -> int:
        """Store one alert; its number when it is durable. An id that is known keeps its number.

        Waits while the outbox is full of alerts that a consumer has not accepted, or the disk
        is: nothing is dropped. The outbox reports that it waits.
        """
        (seq,) = await self.append_many((alert,))
        return seq

    async def append_many(self, alerts: Sequence[AlertRow], *, waits: bool = True) -> list[int]:
        """Store alerts in this order, all in one commit; their numbers when they are durable.

        Without `waits` it raises `Retryable` where there is no room now.
        """
        if not alerts:
            return []
        numbers: list[int] = await self._ask(rows=alerts, waits=waits)
        return numbers

    async def join(self, consumer: str) -> int:
        """Register a consumer and return its cursor; a new one begins after the newest alert.

        Join before the first `append` whose alert the consumer must see.
        """
        return await self.change(lambda store: store.join(consumer))

    async def keep_only(self, consumers: Collection[str]) -> None:
        """Forget consumers of earlier runs that are no longer configured: they hold rows back."""
        gone = await self.change(lambda store: store.keep_only(list(consumers)))
        for name, count in gone.items():
            log.warning("outbox_consumer_forgotten", extra={"consumer": name, "unaccepted": count})

    async def read(self, consumer: str, limit: int) -> list[StoredAlert]:
        """The oldest alerts that the consumer has not accepted, in order."""
        return await self.look(lambda store: store.after(store.acked(consumer), limit))

    async def ack(self, consumer: str, seq: int) -> None:
        """The consumer has accepted everything up to `seq`."""
        await self.change(lambda store: store.ack(consumer, seq))

    async def after(self, mark: int | str, limit: int) -> list[StoredAlert]:
        """The alerts that follow a number or an alert's id, in order.

        Raises `LookupError` when no alert with that id is kept.
        """

        def found(store: OutboxStore) -> list[StoredAlert]:
            seq = store.seq_of(mark) if isinstance(mark, str) else mark
            if seq is None:
                raise LookupError("no alert with that id is kept")
            return store.after(seq, limit)

        return await self.look(found)

    async def position(self, mark: int | str) -> int | None:
        """The number to resume after; `None` when what followed `mark` is gone or unknown."""

        def found(store: OutboxStore) -> int | None:
            seq = store.seq_of(mark) if isinstance(mark, str) else mark
            kept = seq is not None and store.oldest_seq() - 1 <= seq <= store.last_seq
            return seq if kept else None

        return await self.look(found)

    async def recent(self, limit: int) -> list[StoredAlert]:
        """The newest alerts, oldest of them first."""
        return await self.look(lambda store: store.recent(limit))

    async def grown_beyond(self, seq: int) -> None:
        """Wait until an alert with a number above `seq` is durable."""
        while self._stats.last_seq <= seq:
            await self._turned.wait()

    async def settled(self) -> None:
        """Wait until every consumer has accepted every alert."""
        while min(self._stats.cursors.values(), default=self.last_seq) < self.last_seq:
            await self._turned.wait()

    async def changed_outside(self, known: int) -> int:
        """Wait until another process has changed letters since `stats().outside` was `known`."""
        while self._stats.outside == known:
            await self._turned.wait()
        return self._stats.outside

    async def change(self, change: Callable[[OutboxStore], T]) -> T:
        """Do it on the thread, inside the next commit; its answer once that is durable."""
        answer: T = await self._ask(change=change)
        return answer

    async def look(self, read: Callable[[OutboxStore], T]) -> T:
        """Read on the thread, after what was asked before."""
        answer: T = await self._ask(read=read)
        return answer

    async def _ask(self, **question: Any) -> Any:
        answer = asyncio.get_running_loop().create_future()
        self._inbox.put(Request(answer, **question))
        return await answer

    def _learn(
        self, answers: Answers, stats: OutboxStats | None, notices: Sequence[Notice]
    ) -> None:
        """Called on the loop after each round of the thread; the last one has no figures."""
        if stats is None:
            self._finished.set()
        else:
            self._stats = stats
        for answer, value in answers:
            _settle(answer, value)
        self._turned.set()
        self._turned = asyncio.Event()
        for notice in notices:
            if self._report is None:
                self._untold = notice
            else:
                self._report(*notice)


def _settle(answer: asyncio.Future[Any], value: object) -> None:
    if answer.done():
        return  # whoever asked was cancelled
    if isinstance(value, Exception):
        answer.set_exception(value)
    else:
        answer.set_result(value)


def _to_loop(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *arguments: Any) -> None:
    """Called on the thread. A loop that was closed under it has nobody left to tell."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(call, *arguments)


async def pump(
    outbox: Outbox,
    consumer: str,
    sink: DurableSink,
    *,
    clock: Clock,
    report: Report,
    backoff: Backoff = Backoff(),
) -> None:
    """Give `sink` every alert in order, for ever; what it accepted is not offered again.

    `Retryable` reports retrying and offers the same alerts after a pause; `Permanent` leaves.
    Dead letters that a person sends again are offered between the others. May be cancelled at
    any point: what was in flight is offered again by the next run.
    """
    ahead: Channel[list[StoredAlert]] = Channel(f"{consumer}.alerts", 4, WhenFull.BLOCK)
    turn = asyncio.Lock()
    failure: Permanent | None = None

    async def offer(alerts: Sequence[StoredAlert]) -> None:
        async with turn:
            await _offer(
                outbox, alerts, sink, consumer, clock=clock, report=report, backoff=backoff
            )

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_read_ahead(outbox, consumer, ahead), name=f"{consumer}:read")
            group.create_task(_offer_letters(outbox, consumer, offer), name=f"{consumer}:again")
            async for alerts in ahead:
                while len(ahead) and len(alerts) < PUMP_ROWS:
                    alerts = alerts + await ahead.recv()
                await offer(alerts)
                await outbox.ack(consumer, alerts[-1].seq)
    except* Permanent as permanent:
        (failure, *_) = (each for each in permanent.exceptions if isinstance(each, Permanent))
    if failure is not None:
        raise failure


async def _offer_letters(
    outbox: Outbox, consumer: str, offer: Callable[[Sequence[StoredAlert]], Awaitable[None]]
) -> None:
    """What a person sends again, whenever that is."""
    while True:
        known = outbox.stats().outside
        for stream in await outbox.look(lambda store: store.letters.streams(consumer)):
            await _offer_stream(outbox, consumer, stream, offer)
        await outbox.changed_outside(known)


async def _offer_stream(
    outbox: Outbox, consumer: str, stream: StreamId, offer: Callable[..., Awaitable[None]]
) -> None:
    letters = await outbox.look(lambda store: store.letters.of(consumer, stream, PUMP_ROWS))
    if letters:
        alerts = [letter.alert for letter in letters]
        await offer(alerts)
        await outbox.change(lambda store: store.letters.done(consumer, alerts))


async def _read_ahead(outbox: Outbox, consumer: str, ahead: Channel[list[StoredAlert]]) -> None:
    """Have the next alerts ready while the ones before them are being delivered."""
    position = await outbox.join(consumer)
    while True:
        await outbox.grown_beyond(position)
        newest, cursor = outbox.last_seq, outbox.stats().cursors.get(consumer, 0)
        position = max(position, cursor)  # what became a dead letter is passed over
        alerts = await outbox.after(position, PUMP_ROWS)
        position = alerts[-1].seq if alerts else newest
        if alerts:
            await ahead.send(alerts)


async def _offer(
    outbox: Outbox,
    alerts: Sequence[StoredAlert],
    sink: DurableSink,
    name: str,
    *,
    clock: Clock,
    report: Report,
    backoff: Backoff,
) -> None:
    """Until the sink has accepted them."""
    attempt = 0
    while True:
        try:
            await sink.deliver_alerts(alerts)
            break
        except Retryable as error:
            cause = str(error)
        log.warning("sink_retrying", extra={"sink": name, "cause": cause})
        report(HealthState.RETRYING, cause)
        delay_s = backoff.delay_s(attempt)
        attempt += 1
        await _note(outbox, name, tries=attempt, after_s=delay_s, error=cause)
        await clock.sleep(delay_s)
    if attempt:
        await _note(outbox, name, tries=0, after_s=None, error="")
        report(HealthState.UP, "")


async def _note(
    outbox: Outbox, name: str, *, tries: int, after_s: float | None, error: str
) -> None:
    """For `streammon outbox list`."""
    at = None if after_s is None else time.time_ns() / 1e9 + after_s
    await outbox.change(
        lambda store: store.letters.note(name, tries=tries, next_try_at=at, error=error)
    )
