"""One publisher: its connection, what it sends, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streammon.core.ports import Clock, LinkStats
from streammon.flow.supervise import to_its_end
from streammon.ingest.webrtc import tap
from streammon.ingest.webrtc.intake import AUDIO_CODECS, VIDEO_CODECS, Intake, sound_format
from streammon.ingest.webrtc.offer import (
    Fragment,
    IceServer,
    Malformed,
    Offer,
    Unacceptable,
    credentials,
    finish_answer,
)
from streammon.ingest.webrtc.samples import Inbox, SoundFormat

if TYPE_CHECKING:
    from aiortc import RTCRtpTransceiver

log = logging.getLogger(__name__)

NOT_UNDERSTOOD = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    RuntimeError,
)
"""What aiortc's parser of SDP raises, depending on where it stumbles."""

CLOSED_WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class SessionRules:
    """How a publisher is received."""

    video: bool
    audio: bool
    start_kbps: int
    least_kbps: int
    most_kbps: int
    connect_s: float
    stall_s: float
    keyframe_s: float
    ice_servers: tuple[IceServer, ...]


class Session:
    """Lives from an offer to its end. On the event loop only.

    Everything that comes goes to `inbox`. Whoever owns it calls `tend` several times a second
    and, once `over` says why, `close`.
    """

    def __init__(self, number: int, rules: SessionRules, inbox: Inbox, clock: Clock) -> None:
        self.id = secrets.token_urlsafe(16)
        self.etag = f'"{secrets.token_hex(8)}"'
        """Names this session's ICE credentials, which never change (RFC 9725 4.3.1)."""
        self.number = number
        self.over: str | None = None
        """Why it has ended, in words; `None` while it lives."""
        self._rules = rules
        self._clock = clock
        self._intake = Intake(number, inbox, clock, keyframe_s=rules.keyframe_s)
        self._began_s = clock.now_ns() / 1e9
        self._connected = self._closed = False
        self._remote = ("", "")
        self._peer: Any = None

    # --- signalling ------------------------------------------------------------------------

    async def answer(self, offer: Offer, *, addresses: tuple[str, ...]) -> str:
        """Begin to listen for the publisher at `addresses`; returns the SDP to answer with.

        Raises `Malformed`, `Unacceptable`, `Retryable` or `Permanent`; then it is closed.
        """
        self._remote = credentials(offer.sdp)
        try:
            self._peer = self._new_peer()
            await self._take_offer(offer, addresses)
            await self._peer.setLocalDescription(await self._peer.createAnswer())
            for transport in self._transports():
                tap.check_gathers(transport)
        except BaseException:
            await self.close("the offer was refused")
            raise
        self._began_s = self._now_s()
        self._intake.begin(self._agreed_sound(), offer.parameter_sets)
        rules = self._rules
        return finish_answer(
            self._peer.localDescription.sdp,
            offer,
            start_kbps=rules.start_kbps,
            least_kbps=rules.least_kbps,
            most_kbps=rules.most_kbps,
        )

    def is_restart(self, fragment: Fragment) -> bool:
        """Whether a trickled fragment asks for other ICE credentials than the session has."""
        said = (fragment.ufrag, fragment.password)
        return any(new not in {None, old} for new, old in zip(said, self._remote, strict=True))

    async def trickle(self, fragment: Fragment) -> None:
        """More addresses of the publisher. Raises `Malformed`."""
        from aiortc.sdp import candidate_from_sdp

        try:
            for mid, text in fragment.candidates:
                candidate = candidate_from_sdp(text)
                candidate.sdpMid = mid
                candidate.sdpMLineIndex = None if mid is not None else 0
                await self._peer.addIceCandidate(candidate)
        except (ValueError, LookupError, AssertionError) as error:
            raise Malformed("a candidate cannot be understood") from error

    # --- life ------------------------------------------------------------------------------

    async def tend(self, interval_s: float | None) -> None:
        """Look after it; pictures are wanted every `interval_s`."""
        if self.over is not None:
            return
        now_s = self._now_s()
        self.over = self._why_over(now_s)
        if self.over is None and self._connected:
            await self._intake.ask_if_due(interval_s)

    async def close(self, cause: str) -> None:
        """End it, if it has not ended. Every port, task and thread of it is gone then."""
        self.over = self.over or cause
        if not self._closed:
            self._closed = True
            await to_its_end(self._let_go())

    async def _let_go(self) -> None:
        self._intake.end()
        if self._peer is None:
            return
        try:
            async with asyncio.timeout(CLOSED_WITHIN_S):
                await self._peer.close()
        except TimeoutError:
            log.error("session_not_closed", extra={"within_s": CLOSED_WITHIN_S})

    def need_keyframe(self) -> None:
        """What comes cannot be decoded without one. Safe from any thread."""
        self._intake.need_keyframe()

    def link(self) -> LinkStats:
        """Its figures now."""
        return self._intake.link()

    def _why_over(self, now_s: float) -> str | None:
        state = self._peer.connectionState
        if state == "connected":
            self._connected = True
        if state == "failed":
            return "the media connection failed" if self._connected else "no media connection"
        if state == "closed":
            return "the publisher closed the connection"
        if not self._connected:
            waited_s = self._rules.connect_s
            if now_s - self._began_s > waited_s:
                return f"no media came within {waited_s:g} s: can its UDP packets reach us?"
            return None
        if now_s - self._intake.packet_s > self._rules.stall_s:
            return f"no packets for {self._rules.stall_s:g} s"
        return None

    # --- inside ----------------------------------------------------------------------------

    def _new_peer(self) -> Any:
        from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection

        servers = [
            RTCIceServer(server.url, server.username or None, server.credential or None)
            for server in self._rules.ice_servers
        ]
        return RTCPeerConnection(RTCConfiguration(iceServers=servers))

    async def _take_offer(self, offer: Offer, addresses: tuple[str, ...]) -> None:
        """Have the peer know the offer, with its media tapped and its ports confined."""
        from aiortc import RTCSessionDescription
        from aiortc.exceptions import InternalError, InvalidStateError, OperationError

        try:
            await self._peer.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        except OperationError:
            raise Unacceptable("no codec of the offer can be received") from None
        except NOT_UNDERSTOOD as error:
            raise Malformed("the offer cannot be understood") from error
        except (InternalError, InvalidStateError) as error:
            raise Malformed("the offer cannot be taken") from error
        wanted = {"video": self._rules.video, "audio": self._rules.audio}
        for transceiver in self._peer.getTransceivers():
            if wanted[transceiver.kind]:
                self._tap(transceiver)
            else:
                transceiver.direction = "inactive"
        if not self._intake.kinds:
            raise Unacceptable("nothing of what is offered is wanted here")
        for transport in self._transports():
            tap.only_at(transport, addresses)
            tap.mend(transport)

    def _tap(self, transceiver: RTCRtpTransceiver) -> None:
        kind = transceiver.kind
        known = {"RTX", *(VIDEO_CODECS if kind == "video" else AUDIO_CODECS)}
        codecs = [codec for codec in transceiver._codecs if codec.name.upper() in known]
        if all(codec.name.upper() == "RTX" for codec in codecs):
            raise Unacceptable(f"no {kind} codec of the offer can be received: {_wanted(kind)}")
        transceiver._codecs = codecs
        self._intake.attach(kind, transceiver.receiver)

    def _agreed_sound(self) -> SoundFormat | None:
        """The sound that is most wanted by both: the publisher is free to send another."""
        for transceiver in self._peer.getTransceivers():
            if transceiver.kind == "audio" and "audio" in self._intake.kinds:
                return sound_format(transceiver._codecs[0])
        return None

    def _transports(self) -> Sequence[Any]:
        found = {item.receiver.transport.transport for item in self._peer.getTransceivers()}
        return tuple(found)

    def _now_s(self) -> float:
        return self._clock.now_ns() / 1e9


def _wanted(kind: str) -> str:
    return "H.264 or VP8 is" if kind == "video" else "Opus, PCMU or PCMA is"
