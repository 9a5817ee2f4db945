"""Fans events out to WebSocket clients. Knows no network: connections are handed to it.

Each event is encoded once, whoever gets it. Each client has a task of its own that sends, so a
slow one holds up nobody; an alert goes past that task to clients that have room and nothing else
to be sent, which spares a wake-up for each. Live events wait in the client's bounded mailbag,
where the newest win. Alerts do not wait anywhere: each client has a cursor into the outbox, with
the newest alerts at hand in memory, so none is ever left out, however slow the client. Nor do
encoded pictures: each client has a place in the packet ring of each source that it follows.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeAlias

from streammon.core.ports import StoredAlert
from streammon.core.types import DetectionResult, Health, Meter, Overlay, StreamId
from streammon.sinks import wire
from streammon.sinks.outbox import Outbox
from streammon.sinks.websocket_client import (
    DEPTH,
    Client,
    Connection,
    EventKind,
    Leave,
    Message,
    PeerGone,
    RateLimit,
    Subscribe,
    parse_subscribe,
)
from streammon.sinks.websocket_packets import PacketViews, SourceOf

log = logging.getLogger(__name__)

Live: TypeAlias = DetectionResult | Health | Meter | Overlay

SHUTDOWN, PROTOCOL_ERROR, OVERLOADED, BAD_TOKEN = 1001, 1008, 1013, 4401
STALL_S = 30.0
SUBSCRIBE_WITHIN_S = 10.0
CLOSE_WITHIN_S = 2.0
TAIL_ALERTS = 1024
ALERTS_IN_TURN = 64
"""Alerts sent before live events get their turn again."""
COMPONENTS = 4096
"""Components whose newest health is kept for clients that come later."""


@dataclass(frozen=True, slots=True)
class HubStats:
    clients: int
    dropped: int
    """Live events that slow clients of this hub did not get, so far."""
    jumps: int
    """How often slow clients were moved on to a later keyframe, so far."""


@dataclass(frozen=True, slots=True)
class _Numbered:
    """An alert as clients get it."""

    seq: int
    stream: StreamId
    text: str


class _Tail:
    """The newest alerts, in memory, so that live clients need not ask the outbox."""

    def __init__(self) -> None:
        self._alerts: deque[_Numbered] = deque(maxlen=TAIL_ALERTS)

    def add(self, alert: _Numbered) -> None:
        """A number out of turn begins the tail anew: it has no holes."""
        if self._alerts and alert.seq != self._alerts[-1].seq + 1:
            self._alerts.clear()
        self._alerts.append(alert)

    def after(self, seq: int, limit: int) -> list[_Numbered]:
        """The next alerts after `seq`; empty when the tail does not reach back so far."""
        if not self._alerts:
            return []
        first = seq + 1 - self._alerts[0].seq
        last = min(first + limit, len(self._alerts))
        return [self._alerts[at] for at in range(first, last)] if first >= 0 else []


class _Standing:
    """The newest health of every component, for clients that come later."""

    def __init__(self) -> None:
        self._told: dict[str, tuple[StreamId | None, str]] = {}

    def remember(self, item: Health, text: str) -> None:
        self._told.pop(item.component, None)
        if len(self._told) >= COMPONENTS:
            del self._told[next(iter(self._told))]
        self._told[item.component] = (item.stream, text)

    def offer_to(self, client: Client) -> None:
        for component, (stream, text) in self._told.items():
            if client.wants("health", stream):
                client.offer(("health", component), text, depth=DEPTH["health"])


class Hub:
    """All clients of one monitor. Every method runs on one event loop."""

    def __init__(
        self,
        outbox: Outbox,
        *,
        wall: wire.WallClock | None,
        max_clients: int,
        hello: Callable[[], dict[str, Any]],
        stall_s: float = STALL_S,
        subscribe_within_s: float = SUBSCRIBE_WITHIN_S,
    ) -> None:
        """`hello()` gives `monitor` and `streams` for the greeting of each new client."""
        self._outbox = outbox
        self._wall = wall
        self._max_clients = max_clients
        self._hello = hello
        self._stall_s = stall_s
        self._subscribe_within_s = subscribe_within_s
        self._clients: set[Client] = set()
        self._tail = _Tail()
        self._newest_seq = 0
        self._standing = _Standing()
        self._source_of: SourceOf | None = None
        self._closing = asyncio.Event()
        self._dropped_by_gone = self._jumps_of_gone = 0

    def show_packets_of(self, source_of: SourceOf) -> None:
        """From now on clients can have the encoded pictures of these sources."""
        self._source_of = source_of

    def publish(self, item: Live) -> None:
        """Offer a live event to every client that wants it. Never waits; old ones may drop."""
        kind = wire.kind_of(item)
        message: Message | None = None
        if isinstance(item, Health):
            message = text = _text(item, self._wall)
            self._standing.remember(item, text)
        for client in self._clients:
            if client.wants(kind, item.stream):
                if message is None:
                    message = _encode(item, self._wall)
                client.offer(_slot(item), message, depth=DEPTH[kind])

    def publish_alert(self, stored: StoredAlert) -> None:
        """Tell clients of an alert that is in the outbox; in any order, never waits.

        A client that has all before it, and room, gets it at once; for others the sender wakes.
        """
        alert = _numbered(stored)
        self._tail.add(alert)
        self._newest_seq = max(self._newest_seq, alert.seq)
        for client in self._clients:
            if client.cursor == alert.seq - 1 and client.hand_over(alert.text, alert.stream):
                client.cursor = alert.seq
            elif client.cursor is not None:
                client.wake.set()

    def viewers(self, stream: StreamId, kind: EventKind = "overlay") -> bool:
        """Whether someone is looking at this stream's overlays, or at another kind of event."""
        return any(client.wants(kind, stream) for client in self._clients)

    def stats(self) -> HubStats:
        dropped = self._dropped_by_gone + sum(client.bag.dropped for client in self._clients)
        jumps = self._jumps_of_gone + sum(client.packets.jumps for client in self._clients)
        return HubStats(clients=len(self._clients), dropped=dropped, jumps=jumps)

    async def serve(self, connection: Connection) -> None:
        """Talk to one client until it leaves, misbehaves, or the hub closes; then close it.

        The connection must be accepted and its token checked.
        """
        left: Leave | None
        if self._closing.is_set():
            left = Leave(SHUTDOWN, "shutting down")
        elif len(self._clients) >= self._max_clients:
            left = Leave(OVERLOADED, f"{self._max_clients} clients are connected already")
        else:
            now_s = asyncio.get_running_loop().time()
            client = Client(connection, now_s, PacketViews(self._source_of))
            self._clients.add(client)
            try:
                left = await self._converse(client)
            finally:
                self._clients.discard(client)
                self._dropped_by_gone += client.bag.dropped
                self._jumps_of_gone += client.packets.jumps
        if left is None:
            return
        log.info("client_closed", extra={"code": left.code, "reason": left.reason})
        with contextlib.suppress(PeerGone, TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN_S):
                await connection.close(left.code, left.reason)

    def close(self) -> None:
        """Close every client with 1001, and any that come from now on."""
        self._closing.set()

    async def _converse(self, client: Client) -> Leave | None:
        """Until the end; `None` when the other side has gone by itself."""
        left: Leave | None = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._listen(client), name="websocket:listen")
                group.create_task(self._send(client), name="websocket:send")
                group.create_task(self._watch(client), name="websocket:watch")
        except* PeerGone:
            pass
        except* Leave as leaving:
            (left, *_) = [error for error in leaving.exceptions if isinstance(error, Leave)]
        return left

    async def _listen(self, client: Client) -> None:
        """Take up what the client asks for."""
        loop = asyncio.get_running_loop()
        limit = RateLimit(burst=20, per_s=2.0, now_s=loop.time())
        while True:
            message = await client.connection.receive()
            if not limit.allows(loop.time()):
                raise Leave(PROTOCOL_ERROR, "too many messages")
            client.requested = parse_subscribe(message)
            client.wake.set()

    async def _watch(self, client: Client) -> None:
        """End the conversation on shutdown, and with a client that does nothing."""
        loop = asyncio.get_running_loop()
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(self._stall_s, self._subscribe_within_s) / 4):
                    await self._closing.wait()
                    raise Leave(SHUTDOWN, "shutting down")
            since_s = client.sending_since_s
            if since_s is not None and loop.time() - since_s > self._stall_s:
                raise Leave(OVERLOADED, f"nothing was read for {self._stall_s:g} s")
            silent = client.subscription is None and client.requested is None
            if silent and loop.time() - client.opened_s > self._subscribe_within_s:
                raise Leave(PROTOCOL_ERROR, "no subscribe message came")

    async def _send(self, client: Client) -> None:
        """Everything that the client gets, in turn: alerts first, then one live slot."""
        await client.send(_greeting(self._outbox, self._hello()))
        now_s = asyncio.get_running_loop().time
        while True:
            await client.rest()
            if client.requested is not None:
                await self._begin(client, client.requested)
            busy = True
            while busy and client.requested is None:
                alerts = await self._next_alerts(client)
                live = (*client.bag.take(), *client.packets.take(now_s()))
                for message in (*alerts, *live):
                    await client.send(message)
                busy = bool(live) or self._behind(client)
                if busy:
                    await asyncio.sleep(0)  # sending need not wait; others have their turn

    async def _begin(self, client: Client, request: Subscribe) -> None:
        """Take up a subscription: where its alerts begin, and how things stand now."""
        client.requested = None
        client.subscription = request
        client.bag.clear()
        client.packets.choose(request.wants_packets())
        client.cursor = None
        self._standing.offer_to(client)
        if "alert" not in request.events:
            return
        last_seq = self._outbox.last_seq  # before it is asked: what comes meanwhile is to be sent
        if request.alerts_after is None:
            past = await self._outbox.recent(request.recent_alerts)
            client.cursor = past[0].seq - 1 if past else last_seq
        else:
            client.cursor = await self._outbox.position(request.alerts_after)
            if client.cursor is None:
                oldest = await self._outbox.after(0, 1)
                client.cursor = oldest[0].seq - 1 if oldest else last_seq
                await client.send(_gap(client.cursor + 1))
        self._newest_seq = max(self._newest_seq, self._outbox.last_seq)
        client.wake.set()

    async def _next_alerts(self, client: Client) -> list[Message]:
        """The next alerts after the client's cursor, which moves past them."""
        cursor, newest = client.cursor, self._newest_seq
        if cursor is None or cursor >= newest:
            return []
        messages: list[Message] = []
        alerts = self._tail.after(cursor, ALERTS_IN_TURN)
        if not alerts:
            stored = await self._outbox.after(cursor, ALERTS_IN_TURN)
            alerts = [_numbered(alert) for alert in stored]
            if not alerts or alerts[0].seq > cursor + 1:
                messages.append(_gap(alerts[0].seq if alerts else newest + 1))
        client.cursor = alerts[-1].seq if alerts else newest
        messages += [alert.text for alert in alerts if client.wants("alert", alert.stream)]
        return messages

    def _behind(self, client: Client) -> bool:
        return client.cursor is not None and client.cursor < self._newest_seq


def _greeting(outbox: Outbox, names: dict[str, Any]) -> str:
    message = {
        "v": wire.VERSION,
        "type": "hello",
        "session": outbox.session,
        "last_alert_seq": outbox.last_seq,
        **names,
    }
    return wire.dumps(message).decode()


def _encode(item: Live, wall: wire.WallClock | None) -> Message:
    if isinstance(item, Overlay):
        return wire.overlay_frame(item, wall)
    return _text(item, wall)


def _text(item: Live, wall: wire.WallClock | None) -> str:
    return wire.dumps(wire.to_wire(item, wall=wall)).decode()


def _slot(item: Live) -> Hashable:
    """Events of one slot replace each other when a client is slow."""
    match item:
        case DetectionResult():
            return ("result", item.stream, item.detector, item.participant)
        case Health():
            return ("health", item.component)
        case Overlay():
            return ("overlay", item.stream)
        case Meter():
            return ("meter", item.stream, item.modality)


def _numbered(stored: StoredAlert) -> _Numbered:
    text = wire.with_seq(stored.body, stored.seq).decode()
    return _Numbered(stored.seq, stored.stream, text)


def _gap(oldest_seq: int) -> str:
    """Alerts are missing between the last one sent and this one."""
    message = {"v": wire.VERSION, "type": "gap", "oldest_alert_seq": oldest_seq}
    return wire.dumps(message).decode()
