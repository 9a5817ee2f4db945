"""One publisher: its connection, what it sends, and how it ends."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from streammon.core.ports import Clock, LinkStats
from streammon.flow.supervise import to_its_end
from streammon.ingest.webrtc.intake import AUDIO_CODECS, VIDEO_CODECS, Intake, sound_format
from streammon.ingest.webrtc.offer import (
    Fragment,
    IceServer,
    Offer,
    Unacceptable,
    finish_answer,
)
from streammon.ingest.webrtc.peer import Peer
from streammon.ingest.webrtc.samples import Inbox, SoundFormat

if TYPE_CHECKING:
    from aiortc import RTCRtpTransceiver


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
        self._peer: Peer | None = None

    # --- signalling ------------------------------------------------------------------------

    async def answer(self, offer: Offer, *, addresses: tuple[str, ...]) -> str:
        """Begin to listen for the publisher at `addresses`; returns the SDP to answer with.

        Raises `Malformed`, `Unacceptable`, `Retryable` or `Permanent`; then it is closed.
        """
        try:
            self._peer = Peer(self._rules.ice_servers)
            text = await self._peer.answer(offer, addresses=addresses, choose=self._choose)
        except BaseException:
            await self.close("the offer was refused")
            raise
        self._began_s = self._now_s()
        self._intake.begin(self._agreed_sound(), offer.parameter_sets)
        rules = self._rules
        return finish_answer(
            text,
            offer,
            start_kbps=rules.start_kbps,
            least_kbps=rules.least_kbps,
            most_kbps=rules.most_kbps,
        )

    def is_restart(self, fragment: Fragment) -> bool:
        """Whether a trickled fragment asks for other ICE credentials than the session has."""
        return self._peer is not None and self._peer.is_restart(fragment)

    async def trickle(self, fragment: Fragment) -> None:
        """More addresses of the publisher. Raises `Malformed`."""
        if self._peer is not None:
            await self._peer.trickle(fragment)

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
        if self._peer is not None:
            await self._peer.close()

    def need_keyframe(self) -> None:
        """What comes cannot be decoded without one. Safe from any thread."""
        self._intake.need_keyframe()

    def link(self) -> LinkStats:
        """Its figures now."""
        return self._intake.link()

    def _why_over(self, now_s: float) -> str | None:
        state = "new" if self._peer is None else self._peer.state
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

    def _choose(self, media: Sequence[RTCRtpTransceiver]) -> None:
        """Take what is wanted, before any of it comes."""
        wanted = {"video": self._rules.video, "audio": self._rules.audio}
        for transceiver in media:
            if wanted[transceiver.kind]:
                self._tap(transceiver)
            else:
                transceiver.direction = "inactive"
        if not self._intake.kinds:
            raise Unacceptable("nothing of what is offered is wanted here")

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
        for transceiver in () if self._peer is None else self._peer.media:
            if transceiver.kind == "audio" and "audio" in self._intake.kinds:
                return sound_format(transceiver._codecs[0])
        return None

    def _now_s(self) -> float:
        return self._clock.now_ns() / 1e9


def _wanted(kind: str) -> str:
    return "H.264 or VP8 is" if kind == "video" else "Opus, PCMU or PCMA is"
