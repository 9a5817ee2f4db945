"""Takes encoded frames and sender reports out of aiortc, before its decoder.

aiortc decodes every frame that arrives and offers nothing else. What is reached into here is
private to it, so the version is pinned, all of it is in this one module, and `attach` looks at
each seam before it is used. Per receiver, and on the event loop alone:

    __decoder_queue     where complete frames go: they come to us, and its decoder thread, which
                        asks this queue for work, sleeps until the end
    __timestamp_mapper  would make every track begin at 0; sender reports speak of RTP's own times
    __jitter_buffer     says when it gave up on packets; for sound it is another one (`sound_order`)
    __remote_streams    what was received and lost, by SSRC
    _handle_rtp_packet, _handle_rtcp_packet   called with each packet
    _send_rtcp_pli      asks the sender for a keyframe
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from streammon.core.errors import ConfigError, Permanent, Retryable
from streammon.ingest.webrtc.sound_order import SoundOrder

if TYPE_CHECKING:
    from aiortc import RTCRtpReceiver, RTCRtpTransceiver
    from aiortc.jitterbuffer import JitterFrame
    from aiortc.rtcrtpparameters import RTCRtpCodecParameters
    from aiortc.rtp import RtpPacket

WANTED = "1.16"
"""The series of aiortc whose inside this module knows."""
INSTALL = f"pip install 'aiortc=={WANTED}.*'"

MOST_SSRCS = 32
"""Senders that one track may name: some for itself, one for retransmissions, few for restarts."""

PREFIX = "_RTCRtpReceiver__"
SEAMS = ("kind", "decoder_queue", "timestamp_mapper", "jitter_buffer", "remote_streams")
METHODS = ("_handle_rtp_packet", "_handle_rtcp_packet", "_send_rtcp_pli", "getStats")


def check_installed() -> None:
    """Raises `ConfigError` that says what to install, unless a fitting aiortc is there."""
    try:
        found = version("aiortc")
    except PackageNotFoundError:
        raise ConfigError(f"webrtc needs aiortc, which is not installed; try: {INSTALL}") from None
    if not found.startswith(f"{WANTED}."):
        raise ConfigError(f"webrtc needs aiortc {WANTED}, found {found}; try: {INSTALL}")


@dataclass(slots=True)
class Listener:
    """Who is told of what one receiver gets. Called on the event loop; nothing may wait."""

    frame: Callable[[RTCRtpCodecParameters, JitterFrame], None]
    """A whole encoded frame; its timestamp is RTP's own."""
    packet: Callable[[], None]
    """A packet came, of whatever kind it is."""
    lost: Callable[[], None]
    """Packets were given up: what follows builds on something that never came."""
    reported: Callable[[int, int], None]
    """A sender report: NTP time (64 bits) and the RTP time of the same moment."""


@dataclass(frozen=True, slots=True)
class Reception:
    """What has been received of one track so far."""

    packets: int = 0
    lost: int = 0
    jitter_s: float = 0.0


@dataclass(slots=True)
class Tap:
    """The hold on one receiver."""

    receiver: RTCRtpReceiver
    media_ssrc: int | None = None
    """The SSRC of the media themselves, not of retransmissions; `None` before the first packet."""
    ssrcs: set[int] = field(default_factory=set)

    async def ask_keyframe(self) -> None:
        """Send a picture loss indication (RFC 4585 6.3.1), once there is whom to ask."""
        if self.media_ssrc is not None:
            await self.receiver._send_rtcp_pli(self.media_ssrc)

    def reception(self, rate_hz: int) -> Reception:
        """Packets and jitter of the media, by the receiver's own count (RFC 3550 6.4.1, A.8)."""
        streams = getattr(self.receiver, PREFIX + "remote_streams")
        stream = streams.get(self.media_ssrc)
        if stream is None:
            return Reception()
        return Reception(stream.packets_received, stream.packets_lost, stream.jitter / rate_hz)


def attach(receiver: RTCRtpReceiver, listener: Listener) -> Tap:
    """Take what `receiver` gets, from before its first packet on; nothing is decoded by it.

    Raises `Permanent` if aiortc is not made as this module knows it.
    """
    hold = Tap(receiver)
    inside = vars(receiver)
    missing = [name for name in SEAMS if PREFIX + name not in inside]
    missing += [name for name in METHODS if not hasattr(receiver, name)]
    buffer: Any = inside.get(PREFIX + "jitter_buffer")
    if missing or not hasattr(buffer, "add"):
        raise Permanent(
            f"aiortc {version('aiortc')} is made otherwise ({', '.join(missing) or 'add'} "
            f"is not there); try: {INSTALL}"
        )
    inside[PREFIX + "decoder_queue"] = frames = _Frames(listener)
    inside[PREFIX + "timestamp_mapper"] = _AsItIs()
    if inside[PREFIX + "kind"] == "audio":
        buffer = inside[PREFIX + "jitter_buffer"] = SoundOrder()
        frames.more = buffer.more
    _watch_buffer(buffer, hold, listener)
    _watch_packets(receiver, hold, listener)
    return hold


class _Frames(queue.Queue[Any]):
    """In place of the decoder's queue: frames are told of at once, and never queued."""

    def __init__(self, listener: Listener) -> None:
        super().__init__(1)
        self.more: Callable[[], JitterFrame | None] = lambda: None
        """The next of those that became complete with the one that was put."""
        self._listener = listener

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        if item is None:
            super().put(None, block=False)  # ends the thread that waits in `get`
            return
        codec, frame = item
        while frame is not None:
            self._listener.frame(codec, frame)
            frame = self.more()


class _AsItIs:
    """In place of the timestamp mapper."""

    def map(self, timestamp: int) -> int:
        return timestamp


def _watch_buffer(buffer: Any, hold: Tap, listener: Listener) -> None:
    add = buffer.add

    def watched(packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        hold.media_ssrc = packet.ssrc
        gave_up, frame = add(packet)
        if gave_up:
            listener.lost()
        return gave_up, frame

    buffer.add = watched


def _watch_packets(receiver: Any, hold: Tap, listener: Listener) -> None:
    from aiortc.rtp import RtcpSrPacket

    handle_rtp, handle_rtcp = receiver._handle_rtp_packet, receiver._handle_rtcp_packet

    async def rtp(packet: RtpPacket, arrival_time_ms: int) -> None:
        if packet.ssrc not in hold.ssrcs:
            if len(hold.ssrcs) >= MOST_SSRCS:
                return  # each would be remembered for as long as the session lives
            hold.ssrcs.add(packet.ssrc)
        listener.packet()
        await handle_rtp(packet, arrival_time_ms)

    async def rtcp(packet: Any) -> None:
        if isinstance(packet, RtcpSrPacket):
            sender = packet.sender_info
            listener.reported(sender.ntp_timestamp, sender.rtp_timestamp)
        await handle_rtcp(packet)

    receiver._handle_rtp_packet, receiver._handle_rtcp_packet = rtp, rtcp


def only_at(transport: Any, addresses: Sequence[str]) -> None:
    """Have an ICE transport of aiortc use these addresses of the machine and no other.

    aioice would open a port on every address but 127.0.0.1. To be called before candidates are
    gathered.
    """
    connection, here = transport._connection, list(addresses)
    gather = connection.get_component_candidates

    async def gather_here(component: int, addresses: list[str], timeout: int = 5) -> Any:
        return await gather(component, here, timeout)

    connection.get_component_candidates = gather_here


def mend(transport: Any) -> None:
    """Have an ICE transport of aiortc survive strangers, and leave nothing when it ends early.

    Anyone may send an empty datagram, which would end a session. Closed while it connects, the
    transport would raise where nobody listens, and its connection would go on asking for consent
    for ever. To be called before it is started.
    """
    from aiortc.exceptions import InvalidStateError

    connection = transport._connection
    receive, connect, start = transport._recv, connection.connect, transport.start

    async def receive_some() -> bytes:
        while True:
            data: bytes = await receive()
            if data:
                return data

    async def connect_unless_closed() -> None:
        await connect()
        if connection._closing:
            connection._query_consent_task.cancel()
            raise ConnectionError("closed while it was connecting")

    async def start_unless_closed(parameters: Any) -> None:
        with suppress(InvalidStateError):
            await start(parameters)

    transport._recv, transport.start = receive_some, start_unless_closed
    connection.connect = connect_unless_closed


def stop_for_good(transceiver: RTCRtpTransceiver) -> None:
    """Have a transceiver that is stopped before its media began never begin them.

    A connection that is closed while it is being made stops its transceivers one by one, and is
    made meanwhile: one that was stopped already would begin, and its tasks and its thread would go
    on for ever.
    """
    for end, begins in ((transceiver.receiver, "receive"), (transceiver.sender, "send")):
        _stop_for_good(end, begins)


def _stop_for_good(end: Any, begins: str) -> None:
    begin, stop = getattr(end, begins), end.stop
    stopped = False

    async def begin_unless_stopped(parameters: Any) -> None:
        if not stopped:
            await begin(parameters)

    async def stop_once_and_for_all() -> None:
        nonlocal stopped
        stopped = True
        await stop()

    setattr(end, begins, begin_unless_stopped)
    end.stop = stop_once_and_for_all


def check_gathers(transport: Any) -> None:
    """Raises `Retryable` when no port could be opened: then no media would ever come."""
    if not transport.iceGatherer.getLocalCandidates():
        raise Retryable("no UDP port could be opened for the media")
