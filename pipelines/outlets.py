"""Each sink behind its own channel: a dead one stops neither detection nor its siblings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from streammon.core.moderation import Moderating
from streammon.core.ports import Clock, DurableSink, Sink, StoredAlert
from streammon.core.types import Alert, HealthState, Outgoing, Overlay, StreamId
from streammon.flow.channel import Channel, ChannelClosed, WhenFull
from streammon.flow.supervise import Report, keep_running
from streammon.sinks.outbox import Outbox, pump
from streammon.sinks.outbox_post import Post, PostalSink
from streammon.sinks.websocket_hub import Hub, Live
from streammon.telemetry.metrics import Metrics

log = logging.getLogger(__name__)

CAPACITY = 1024
"""Events waiting for one sink. Full, the oldest is dropped and counted. Alerts of durable sinks
do not pass here: they wait in the outbox. Those of the console do: it shows people how things
stand, and what it could not show in time is in the outbox and on the wall."""

ACCEPTED_CHECK_S = 0.02

_ANY_PICTURE = Overlay(StreamId(""), 0, 0.0, 0, b"", 0, 0)


class Outlet:
    """One sink, the events waiting for it, and the task that serves it."""

    def __init__(
        self,
        sink: Sink,
        outbox: Outbox,
        *,
        clock: Clock,
        report: Report,
        metrics: Metrics,
    ) -> None:
        self.sink = sink
        self.durable = isinstance(sink, DurableSink | PostalSink)
        self.events: Channel[Outgoing] = Channel(
            f"sink:{sink.name}", CAPACITY, WhenFull.DROP_OLDEST
        )
        self._outbox = outbox
        self._clock = clock
        self._report = report
        self._metrics = metrics
        self._in_hand: Outgoing | None = None

    def tell(self, item: Outgoing) -> None:
        """Queue an event, if the sink wants it. Never waits."""
        if self.durable and isinstance(item, Alert):
            return
        if not self.events.closed and self.sink.wants(item):
            self.events.offer(item)

    async def run(self) -> None:
        """Serve the sink until its events are closed and delivered; supervised."""
        await keep_running(
            f"sink:{self.sink.name}", self._serve, clock=self._clock, report=self._report
        )

    async def _serve(self) -> None:
        async with self.sink:
            self._report(HealthState.UP, "")
            if isinstance(self.sink, PostalSink):
                await self._deliver_and_post(self.sink)
            elif isinstance(self.sink, DurableSink):
                await self._deliver_and_pump(self.sink)
            else:
                await self._deliver()

    async def _deliver_and_pump(self, sink: DurableSink) -> None:
        """Events from the channel, alerts from the outbox, until both are empty at the end."""
        name = self.sink.name
        async with asyncio.TaskGroup() as group:
            pumping = group.create_task(
                pump(self._outbox, name, sink, clock=self._clock, report=self._report)
            )
            await self._deliver()
            await self._until_accepted(name)
            pumping.cancel()

    async def _deliver_and_post(self, sink: PostalSink) -> None:
        """The same where alerts are posted one by one; what waits for its next try stays there."""
        name = self.sink.name
        post = Post(self._outbox, name, sink, clock=self._clock, report=self._report)
        async with asyncio.TaskGroup() as group:
            posting = group.create_task(post.run())
            await self._deliver()
            while not post.resting:
                await self._clock.sleep(ACCEPTED_CHECK_S)
            posting.cancel()

    async def _until_accepted(self, name: str) -> None:
        """Until the sink has accepted every alert there is."""
        while self._outbox.stats().cursors.get(name, 0) < self._outbox.last_seq:
            await self._clock.sleep(ACCEPTED_CHECK_S)

    async def _deliver(self) -> None:
        """Deliver in order. An item that could not be delivered is offered again next time."""
        while True:
            if self._in_hand is None:
                try:
                    self._in_hand = await self.events.recv()
                except ChannelClosed:
                    return
            await self.sink.deliver(self._in_hand)
            self._metrics.sink_delivered(self.sink.name, type(self._in_hand).__name__.lower())
            self._in_hand = None


class Outlets:
    """Everyone who is told: the viewers of the hub and each sink. Event loop only."""

    def __init__(self, hub: Hub, outlets: Sequence[Outlet], metrics: Metrics) -> None:
        self._hub = hub
        self._outlets = tuple(outlets)
        self._metrics = metrics
        self.want_pictures = any(outlet.sink.wants(_ANY_PICTURE) for outlet in outlets)
        """Whether a sink takes overlays, whoever else looks."""

    def looked_at(self, stream: StreamId) -> bool:
        """Whether somebody wants pictures of this stream now."""
        return self.want_pictures or self._hub.viewers(stream)

    def listened_to(self, stream: StreamId) -> bool:
        """Whether somebody wants meters of this stream now."""
        return self.want_pictures or self._hub.viewers(stream, "meter")

    async def join(self, outbox: Outbox) -> None:
        """Have the outbox keep alerts for each durable sink; before the first alert."""
        durable = [outlet.sink.name for outlet in self._outlets if outlet.durable]
        await outbox.keep_only(durable)
        for name in durable:
            await outbox.join(name)

    def tell(self, item: Live) -> None:
        """Tell of anything but an alert."""
        self._hub.publish(item)
        for outlet in self._outlets:
            outlet.tell(item)

    def tell_alert(self, stored: StoredAlert, alert: Alert) -> None:
        """Tell of an alert that the outbox has."""
        self._metrics.alert(alert.kind, alert.state.value)
        self._hub.publish_alert(stored)
        for outlet in self._outlets:
            outlet.tell(alert)

    async def settle(self, *, within_s: float) -> None:
        """Have sources act no more for sinks that moderate, and those at work answer, if they do
        within `within_s`: after that, what a platform did may not be known.
        """
        try:
            async with asyncio.timeout(within_s), asyncio.TaskGroup() as group:
                for outlet in self._outlets:
                    if isinstance(outlet.sink, Moderating):
                        group.create_task(outlet.sink.settle())
        except TimeoutError:
            log.warning("platforms_did_not_answer", extra={"within_s": within_s})

    def close(self) -> None:
        """No more events: each outlet ends once it has delivered what waits."""
        for outlet in self._outlets:
            outlet.events.close()

    async def run(self) -> None:
        """Serve every sink until closed and delivered."""
        async with asyncio.TaskGroup() as group:
            for outlet in self._outlets:
                group.create_task(outlet.run(), name=f"sink:{outlet.sink.name}")

    def dropped(self) -> dict[str, int]:
        """Events, by sink, that gave way to newer ones so far."""
        return {outlet.sink.name: outlet.events.dropped for outlet in self._outlets}

    def undelivered(self) -> dict[str, int]:
        """Events, by sink, that are still waiting."""
        return {
            outlet.sink.name: len(outlet.events) for outlet in self._outlets if len(outlet.events)
        }
