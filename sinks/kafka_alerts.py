"""Alerts to their topic: each batch is accepted whole, in order, or offered again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException

from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import StoredAlert
from streammon.sinks.kafka_events import alert_record
from streammon.sinks.kafka_link import Link, Report
from streammon.sinks.kafka_topics import failure

log = logging.getLogger(__name__)

ACCEPTED_WITHIN_S = 10.0
"""Alerts that no broker took for so long are reported as retrying; they stay queued."""
STUCK_TIMES = 2
"""After so often without progress, while the broker answers, the producer is replaced."""
PRODUCED_IN_TURN = 200
"""Records queued before other tasks of the loop get their turn."""


class AlertLane:
    """The idempotent producer for alerts, replaced by a new one when it is past hope.

    An alert that is on its way is not queued a second time when its batch is offered again: the
    lane goes on waiting for it.
    """

    def __init__(
        self,
        name: str,
        topic: str,
        properties: Mapping[str, str | int | bool],
        *,
        ensure_topics: Callable[[], Awaitable[None]],
        accepted_within_s: float = ACCEPTED_WITHIN_S,
    ) -> None:
        """`ensure_topics` is awaited after trouble: before a new producer, and when alerts wait."""
        self._name = name
        self._topic = topic
        self._properties = properties
        self._ensure_topics = ensure_topics
        self._accepted_within_s = accepted_within_s
        self._link: Link | None = None
        self._on_way: set[int] = set()
        """Numbers of the alerts that are queued and not accepted yet."""
        self._accepted: set[int] = set()
        """Of the batch that is being delivered."""
        self._broken: KafkaError | None = None
        self._stuck = 0
        """How often in a row the time was up without a single alert accepted."""
        self._changed = asyncio.Event()
        self._cause = "no broker answers"
        self.producers = 0

    async def deliver(self, batch: Sequence[StoredAlert]) -> None:
        """Return once a broker has accepted every alert.

        Raises `Retryable` when it takes long, or after an error of the producer, and `Permanent`
        when a person has to change something at the broker.
        """
        if self._broken is not None or self._stuck:
            await self._ensure_topics()  # also: the broker answers
        if self._broken is not None or self._stuck >= STUCK_TIMES:
            await self._begin_again()
        if self._link is None:
            self._link = self._connect()
        wanted = {alert.seq for alert in batch}
        try:
            async with asyncio.timeout(self._accepted_within_s):
                await self._queue(self._link, batch)
                while self._broken is None and not wanted <= self._accepted:
                    await self._next_report()
        except TimeoutError as error:
            if waiting := wanted - self._accepted:  # none: we were held up, the broker was not
                self._stuck += 1
                raise Retryable(
                    f"{self._topic}: {len(waiting)} alerts wait: {self._cause}"
                ) from error
        if self._broken is not None:
            raise failure(self._broken, doing=f"sending to {self._topic}")
        self._stuck = 0
        self._accepted = {seq for seq in self._accepted if seq > batch[-1].seq}

    async def close(self) -> None:
        """Give what is queued 5 s; the rest is still in the outbox."""
        if self._link is not None:
            await self._link.close()

    async def _queue(self, link: Link, batch: Sequence[StoredAlert]) -> None:
        for count, alert in enumerate(batch):
            if alert.seq in self._on_way or alert.seq in self._accepted:
                continue
            while not self._taken(link, alert):
                await self._next_report()
            if count % PRODUCED_IN_TURN == PRODUCED_IN_TURN - 1:
                await asyncio.sleep(0)
            if self._broken is not None:
                return

    async def _next_report(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _taken(self, link: Link, alert: StoredAlert) -> bool:
        """Whether the producer had room for it."""
        self._on_way.add(alert.seq)
        try:
            link.send(self._topic, alert_record(alert), alert.seq)
        except BufferError:
            self._on_way.discard(alert.seq)
            return self._broken is not None
        except KafkaException as raised:
            self._on_way.discard(alert.seq)
            error: KafkaError = raised.args[0]
            if error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                raise Permanent(
                    f"{self._topic}: alert {alert.alert_id} has {len(alert.body)} bytes, more "
                    "than may be sent: raise `message.max.bytes` in `properties` and at the topic"
                ) from raised
            self._broken = error
        return True

    def _connect(self) -> Link:
        self.producers += 1
        try:
            return Link(f"{self._name}:alerts", self._properties, reported=self._reported)
        except KafkaException as error:
            raise Permanent(f"{self._name}: {error.args[0].str()}") from error

    async def _begin_again(self) -> None:
        """Leave the broken producer behind with all that it holds."""
        link, self._link = self._link, None
        cause = "stuck" if self._broken is None else self._broken.str()
        log.error("kafka_producer_replaced", extra={"sink": self._name, "cause": cause})
        if link is not None:
            await link.close(flush_s=0.0)
        self._on_way.clear()
        self._broken = None
        self._stuck = 0

    def _reported(self, reports: Sequence[Report]) -> None:
        for token, error in reports:
            if isinstance(token, int):
                self._on_way.discard(token)
                if error is None:
                    self._accepted.add(token)
                    self._stuck = 0
                    continue
            if error is not None:
                self._cause = error.str()
                if isinstance(token, int) or error.fatal():
                    self._broken = self._broken or error
        self._changed.set()
