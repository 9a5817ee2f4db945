"""One WebSocket client as the hub sees it: what it asked for, and what waits to be sent."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Annotated, Literal, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from streammon.core.types import StreamId
from streammon.sinks.websocket_packets import MOST_STREAMS, PacketViews, PictureWish

Message: TypeAlias = str | bytes
EventKind: TypeAlias = Literal["alert", "result", "health", "overlay", "meter"]

ALL_STREAMS = "*"
MOST_MESSAGE_BYTES = 16 * 1024
MOST_SLOTS = 4096
"""Different (event, stream, ...) that may wait for one client; more drop the oldest."""
DEPTH = {"overlay": 1, "health": 1, "meter": 4, "result": 16}
"""Messages of one slot that wait for a slow client; the newest win."""
_REASON_BYTES = 120


class PeerGone(Exception):
    """Raised by a `Connection` whose other side has left, or that was lost."""


class Connection(Protocol):
    """An accepted WebSocket, whatever library serves it."""

    def send_now(self, message: Message) -> bool:
        """Send if that needs no waiting. False: nothing was sent, and sending may wait."""

    async def send_text(self, text: str) -> None:
        """Waits while the other side is slow. Raises `PeerGone`."""

    async def send_bytes(self, data: bytes) -> None:
        """Waits while the other side is slow. Raises `PeerGone`."""

    async def receive(self) -> Message:
        """The next message: text as `str`, binary as `bytes`. Raises `PeerGone`."""

    async def close(self, code: int, reason: str) -> None:
        """Close with this code; nothing happens when it is closed already."""


class Leave(Exception):
    """Ends the conversation with one client, with the code and the reason it is given."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason.encode()[:_REASON_BYTES].decode(errors="ignore")


StreamName = Annotated[str, Field(max_length=200)]


class Subscribe(BaseModel):
    """What a client asks for; each one replaces the one before. Unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Literal["subscribe"]
    streams: frozenset[StreamName] = Field(frozenset({ALL_STREAMS}), max_length=1000)
    events: frozenset[EventKind] = frozenset({"alert", "result", "health", "overlay", "meter"})
    alerts_after: Annotated[str, Field(max_length=200)] | int | None = None
    """Resume: the `alert_id` or `seq` of the last alert seen."""
    recent_alerts: int = Field(200, ge=0, le=10_000)
    """Without `alerts_after`: begin with at most so many alerts of the past."""

    pictures: dict[StreamName, PictureWish] = Field({}, max_length=MOST_STREAMS)
    """How pictures come, with `overlay` among the events; as overlays unless it says otherwise."""

    def wants(self, kind: str, stream: StreamId | None) -> bool:
        """Whether an event is to be sent; one that belongs to no stream goes to all."""
        if kind not in self.events:
            return False
        if kind == "overlay" and stream is not None and self._mode(stream) != "jpeg":
            return False
        return self._chooses(stream)

    def wants_packets(self) -> dict[StreamId, PictureWish]:
        """The streams whose pictures are to come encoded."""
        if "overlay" not in self.events:
            return {}
        return {
            StreamId(stream): wish
            for stream, wish in self.pictures.items()
            if wish.mode == "packets" and self._chooses(StreamId(stream))
        }

    def _chooses(self, stream: StreamId | None) -> bool:
        return stream is None or stream in self.streams or ALL_STREAMS in self.streams

    def _mode(self, stream: StreamId) -> str:
        wish = self.pictures.get(stream)
        return "jpeg" if wish is None else wish.mode


def parse_subscribe(message: Message) -> Subscribe:
    """What the client sent. Raises `Leave` for anything that is not a subscribe message."""
    if isinstance(message, bytes):
        raise Leave(1008, "binary messages are not understood")
    if len(message) > MOST_MESSAGE_BYTES:
        raise Leave(1009, f"a message has at most {MOST_MESSAGE_BYTES} bytes")
    try:
        return Subscribe.model_validate_json(message)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in problem["loc"]) or "message"
        raise Leave(1008, f"{where}: {problem['msg']}") from None


class Mailbag:
    """Live events that wait for one client; bounded, the newest win, streams in turn."""

    def __init__(self) -> None:
        self._slots: dict[Hashable, deque[Message]] = {}
        self.dropped = 0

    def put(self, slot: Hashable, message: Message, *, depth: int) -> None:
        """A slot keeps its place in the turn however often it is overwritten."""
        waiting = self._slots.get(slot)
        if waiting is None:
            if len(self._slots) >= MOST_SLOTS:
                self.dropped += len(self._slots.pop(next(iter(self._slots))))
            waiting = self._slots[slot] = deque(maxlen=depth)
        self.dropped += len(waiting) == depth
        waiting.append(message)

    def take(self) -> list[Message]:
        """All of the slot whose turn it is; empty when nothing waits."""
        for slot in self._slots:
            return list(self._slots.pop(slot))
        return []

    def clear(self) -> None:
        self._slots.clear()


class RateLimit:
    """A token bucket: `burst` at once, `per_s` in the long run."""

    def __init__(self, burst: int, per_s: float, *, now_s: float) -> None:
        self._burst = burst
        self._per_s = per_s
        self._tokens = float(burst)
        self._at_s = now_s

    def allows(self, now_s: float) -> bool:
        refilled = self._tokens + (now_s - self._at_s) * self._per_s
        self._tokens = min(float(self._burst), refilled)
        self._at_s = now_s
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


@dataclass(slots=True, eq=False)
class Client:
    """The hub's record of one connection. Only the event loop touches it."""

    connection: Connection
    opened_s: float
    """Loop time."""
    packets: PacketViews
    subscription: Subscribe | None = None
    requested: Subscribe | None = None
    """A newer subscription that the sender has not taken up yet."""
    cursor: int | None = None
    """Number of the newest alert that was sent or passed over; `None`: wants no alerts."""
    bag: Mailbag = field(default_factory=Mailbag)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    sending_since_s: float | None = None
    """Loop time at which the send that is under way began."""
    resting: bool = False
    """Whether the sender waits to be woken."""

    def hand_over(self, alert: str, stream: StreamId) -> bool:
        """Send an alert at once, or nothing if it is not wanted. False: the sender has to do it.

        Sent past the sender, so only while that has nothing to do and the other side has room.
        """
        if not self.resting or self.wake.is_set():
            return False
        return not self.wants("alert", stream) or self.connection.send_now(alert)

    def wants(self, kind: str, stream: StreamId | None) -> bool:
        return self.subscription is not None and self.subscription.wants(kind, stream)

    def offer(self, slot: Hashable, message: Message, *, depth: int) -> None:
        self.bag.put(slot, message, depth=depth)
        self.wake.set()

    async def rest(self) -> None:
        """Until it is woken, or it is time to look for packets again."""
        loop, timer = asyncio.get_running_loop(), None
        due_s = self.packets.next_look_s(loop.time())
        if due_s is not None:
            timer = loop.call_at(due_s, self.wake.set)
        self.resting = True
        try:
            await self.wake.wait()
        finally:
            if timer is not None:
                timer.cancel()
        self.resting = False
        self.wake.clear()

    async def send(self, message: Message) -> None:
        """Send one message; how long it waits can be seen in `sending_since_s`."""
        if self.connection.send_now(message):
            return
        self.sending_since_s = asyncio.get_running_loop().time()
        if isinstance(message, str):
            await self.connection.send_text(message)
        else:
            await self.connection.send_bytes(message)
        self.sending_since_s = None
