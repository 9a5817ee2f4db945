"""Events to Kafka: alerts without loss, live events as long as there is room.

Alerts and live events have a producer each, so that a flood of frames never delays an alert.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from confluent_kafka import KafkaError, KafkaException

from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import StoredAlert
from streammon.core.types import Alert, DetectionResult, Health, Meter, Outgoing, Overlay, StreamId
from streammon.sinks.kafka import KafkaConfig
from streammon.sinks.kafka_alerts import ACCEPTED_WITHIN_S, AlertLane
from streammon.sinks.kafka_events import (
    Record,
    health_record,
    overlay_record,
    result_record,
)
from streammon.sinks.kafka_frames import FrameGate
from streammon.sinks.kafka_link import Link, Report
from streammon.sinks.kafka_topics import ensure_topics, failure
from streammon.sinks.wire import WallClock

log = logging.getLogger(__name__)

ROOM_PAUSE_S = 0.01
LIVE_TIMEOUT_MS = 10_000
LIVE_QUEUE_RECORDS = 10_000
LIVE_QUEUE_KB = 65_536


@dataclass(frozen=True, slots=True)
class KafkaStats:
    frames_delivered: int
    frames_dropped: int
    live_dropped: int
    """Results and health that no broker took in time."""
    producers: int
    """Producers made for alerts so far: more than one after fatal errors."""


@dataclass(frozen=True, slots=True)
class _FrameToken:
    stream: StreamId


class KafkaSink:
    """Satisfies `ports.Sink` and `ports.DurableSink`."""

    def __init__(
        self, name: str, config: KafkaConfig, *, accepted_within_s: float = ACCEPTED_WITHIN_S
    ) -> None:
        self.name = name
        self._config = config
        self._accepted_within_s = accepted_within_s
        self._wall = WallClock(MonotonicClock())
        self._gate = FrameGate(most_fps=config.overlay_fps, most_bytes=config.max_frame_kb * 1024)
        self._live: Link | None = None
        self._alerts: AlertLane | None = None
        self._live_dropped = 0
        self._live_failing = False

    async def __aenter__(self) -> Self:
        """Raises `Permanent` for a topic or a right that is missing, `Retryable` without broker."""
        await self._ensure_topics()
        try:
            self._live = Link(
                f"{self.name}:live", self._live_properties(), reported=self._live_reported
            )
        except KafkaException as error:
            raise Permanent(f"{self.name}: {error.args[0].str()}") from error
        if self._config.alerts:
            self._alerts = AlertLane(
                self.name,
                self._config.topic("alerts"),
                self._alert_properties(),
                ensure_topics=self._ensure_topics,
                accepted_within_s=self._accepted_within_s,
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Flush for at most 5 s; alerts that do not get out stay in the outbox."""
        links = [link for link in (self._live, self._alerts) if link is not None]
        self._live = self._alerts = None
        async with asyncio.TaskGroup() as group:
            for link in links:
                group.create_task(link.close())

    def stats(self) -> KafkaStats:
        return KafkaStats(
            frames_delivered=self._gate.delivered,
            frames_dropped=self._gate.dropped,
            live_dropped=self._live_dropped,
            producers=0 if self._alerts is None else self._alerts.producers,
        )

    def wants(self, item: Outgoing) -> bool:
        """Live events that are switched on; alerts come from the outbox."""
        match item:
            case DetectionResult():
                return self._config.results
            case Health():
                return self._config.health
            case Overlay():
                return self._config.overlays
            case Alert() | Meter():
                return False

    async def deliver(self, item: Outgoing) -> None:
        """Queue one live event. Frames never wait; results and health wait for room."""
        match item:
            case Overlay():
                frame = self._gate.offer(item)
                if frame is not None:
                    self._send_frame(frame)
            case DetectionResult():
                await self._send("results", result_record(item, self._wall))
            case Health():
                await self._send("health", health_record(item, self._wall))
            case Alert() | Meter():
                raise AssertionError(f"{self.name} does not want {type(item).__name__}")

    async def deliver_alerts(self, batch: Sequence[StoredAlert]) -> None:
        if self._config.alerts:
            assert self._alerts is not None
            await self._alerts.deliver(batch)

    async def _send(self, events: str, record: Record) -> None:
        waited_s = 0.0
        while True:
            assert self._live is not None
            try:
                self._live.send(self._config.topic(events), record, events)
                return
            except BufferError as error:
                if waited_s >= self._accepted_within_s:
                    raise Retryable(f"{self._config.bootstrap} takes nothing") from error
            except KafkaException as error:
                raise failure(error.args[0], doing=f"sending {events}") from error
            await asyncio.sleep(ROOM_PAUSE_S)
            waited_s += ROOM_PAUSE_S

    def _send_frame(self, frame: Overlay) -> None:
        if self._live is None:
            self._gate.refused(frame)
            return
        record = overlay_record(frame, self._wall)
        try:
            self._live.send(self._config.topic("frames"), record, _FrameToken(frame.stream))
        except (BufferError, KafkaException):
            self._gate.refused(frame)

    def _live_reported(self, reports: Sequence[Report]) -> None:
        for token, error in reports:
            if isinstance(token, _FrameToken):
                frame = self._gate.arrived(token.stream, delivered=error is None)
                if frame is not None:
                    self._send_frame(frame)
            elif token is not None:
                self._note_live(error)
            elif error is not None:
                log.warning("kafka_client", extra={"sink": self.name, "cause": error.str()})

    def _note_live(self, error: KafkaError | None) -> None:
        """Count what was lost; log where losing begins and ends."""
        if error is not None:
            self._live_dropped += 1
        if (error is not None) == self._live_failing:
            return
        self._live_failing = error is not None
        if error is not None:
            log.warning("kafka_live_dropping", extra={"sink": self.name, "cause": error.str()})
        else:
            log.info("kafka_live_delivering", extra={"sink": self.name})

    async def _ensure_topics(self) -> None:
        await asyncio.to_thread(ensure_topics, self._config, self._properties())

    def _properties(self) -> dict[str, str | int | bool]:
        own = {key: value.get_secret_value() for key, value in self._config.properties.items()}
        return {
            "bootstrap.servers": self._config.bootstrap,
            "client.id": f"streammon-{self.name}",
            "topic.metadata.refresh.interval.ms": 30_000,
            **own,
        }

    def _alert_properties(self) -> dict[str, str | int | bool]:
        return {
            "linger.ms": 2,
            "compression.type": self._config.compression,
            "queue.buffering.max.kbytes": LIVE_QUEUE_KB,
            **self._properties(),
            "enable.idempotence": True,
            "enable.gapless.guarantee": True,
            "acks": "all",
            "message.timeout.ms": 0,
            "partitioner": "murmur2_random",
        }

    def _live_properties(self) -> dict[str, str | int | bool]:
        return {
            "linger.ms": 2,
            "compression.type": "none",
            "queue.buffering.max.messages": LIVE_QUEUE_RECORDS,
            "queue.buffering.max.kbytes": LIVE_QUEUE_KB,
            "message.max.bytes": self._config.max_frame_kb * 1024 + 100_000,
            **self._properties(),
            "message.timeout.ms": LIVE_TIMEOUT_MS,
            "partitioner": "murmur2_random",
        }
