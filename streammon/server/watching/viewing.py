"""One viewer: its connection, what it is sent, and how it ends."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import TYPE_CHECKING

from streammon.core.ports import Clock
from streammon.core.types import Modality
from streammon.flow.supervise import to_its_end
from streammon.ingest.webrtc.offer import Fragment, Offer, Unacceptable, finish_viewers_answer
from streammon.ingest.webrtc.peer import Peer, known_servers
from streammon.sections import WhepConfig
from streammon.server.watching.broadcast import Broadcast
from streammon.server.watching.coding import VIDEO_HZ, VideoCodec
from streammon.server.watching.feed import Feed

if TYPE_CHECKING:
    from aiortc import RTCRtpTransceiver

LIKED: tuple[VideoCodec, ...] = ("H264", "VP8")
"""What is sent where a viewer takes both, unless others are sent the second already."""
OPUS_HZ = 48_000
PAUSE_S = 2.0
"""Where nothing was sent for so long, silence says nothing: then ICE's consent alone counts."""


class Viewing:
    """Lives from an offer to its end. On the event loop only.

    Whoever owns it calls `tend` now and then and, once `over` says why, `close`.
    """

    def __init__(
        self,
        broadcast: Broadcast,
        modalities: Sequence[Modality],
        settings: WhepConfig,
        clock: Clock,
    ) -> None:
        self.id = secrets.token_urlsafe(16)
        self.etag = f'"{secrets.token_hex(8)}"'
        """Names this session's ICE credentials, which never change."""
        self.broadcast = broadcast
        self.over: str | None = None
        """Why it has ended, in words; `None` while it lives."""
        self._modalities = modalities
        self._settings = settings
        self._clock = clock
        self._peer: Peer | None = None
        self._feed: Feed | None = None
        self._began_s = self._heard_s = self._now_s()
        self._answered = self._connected = self._closed = False

    async def answer(self, offer: Offer, *, addresses: tuple[str, ...]) -> str:
        """Begin to wait for the viewer at `addresses`; returns the SDP to answer with.

        Raises `Malformed`, `Unacceptable`, `Retryable` or `Permanent`; then it is closed.
        """
        try:
            self._peer = Peer(known_servers(self._settings.ice_servers))
            text = await self._peer.answer(offer, addresses=addresses, choose=self._choose)
        except BaseException:
            await self.close("the offer was refused")
            raise
        self._began_s = self._heard_s = self._now_s()
        self._answered = True
        return finish_viewers_answer(text, offer)

    def is_restart(self, fragment: Fragment) -> bool:
        """Whether a trickled fragment asks for other ICE credentials than the session has."""
        return self._peer is not None and self._peer.is_restart(fragment)

    async def trickle(self, fragment: Fragment) -> None:
        """More addresses of the viewer. Raises `Malformed`."""
        if self._peer is not None:
            await self._peer.trickle(fragment)

    @property
    def answered(self) -> bool:
        """Whether its offer was; until then only `answer` ends it."""
        return self._answered

    def tend(self) -> None:
        """See whether it is over."""
        if self.over is None:
            self.over = self._why_over()

    async def close(self, cause: str) -> None:
        """End it, if it has not ended. Every port and task of it is gone then."""
        self.over = self.over or cause
        if not self._closed:
            self._closed = True
            await to_its_end(self._let_go())

    async def _let_go(self) -> None:
        if self._feed is not None:
            self.broadcast.leave(self._feed)
        if self._peer is not None:
            await self._peer.close()

    def _why_over(self) -> str | None:
        state, now_s = "new" if self._peer is None else self._peer.state, self._now_s()
        if state == "connected" and not self._connected:
            self._connected, self._heard_s = True, now_s
        if state == "failed":
            return "the connection failed" if self._connected else "no connection came about"
        if state == "closed":
            return "the viewer closed the connection"
        if not self._connected:
            waited_s = self._settings.connect_timeout_s
            late = now_s - self._began_s > waited_s
            return f"not connected within {waited_s:g} s" if late else None
        live_s = self.broadcast.live.at_s(self._clock.now_ns())
        if live_s - self.broadcast.sent_s > PAUSE_S:
            self._heard_s = now_s  # nothing is sent: there is nothing to be reported of
        silent_s = self._settings.silent_s
        return f"not heard of for {silent_s:g} s" if now_s - self._heard_s > silent_s else None

    def _choose(self, media: Sequence[RTCRtpTransceiver]) -> None:
        """Say of each media what it is sent; what is not there is declined."""
        by_kind = {item.kind: item for item in media}
        video = by_kind.get("video") if Modality.VIDEO in self._modalities else None
        sound = by_kind.get("audio") if Modality.AUDIO in self._modalities else None
        codec = None if video is None else self._pick(video)
        if sound is not None and not _keep(sound, "OPUS"):
            sound = None
        for item in media:
            item.direction = "sendonly" if item in (video, sound) else "inactive"
        if codec is None and (video is not None or sound is None):
            raise Unacceptable(f"nothing of what is offered can be sent: {self._sent()}")
        self._feed = self.broadcast.join(codec, sound=sound is not None)
        if video is not None:
            self._send(video, self._feed)
        if sound is not None:
            self._send(sound, self._feed)

    def _sent(self) -> str:
        """What this stream is sent in."""
        codecs = {Modality.VIDEO: "H.264 or VP8", Modality.AUDIO: "Opus"}
        there = [words for kind, words in codecs.items() if kind in self._modalities]
        return " and ".join(there) + " is"

    def _pick(self, video: RTCRtpTransceiver) -> VideoCodec | None:
        """The codec that others have already, if this viewer takes it."""
        offered = {codec.name.upper() for codec in video._codecs}
        for name in (*self.broadcast.codecs, *LIKED):
            if name in offered:
                _keep(video, name)
                return name
        return None

    def _send(self, item: RTCRtpTransceiver, feed: Feed) -> None:
        from streammon.server.watching import outgoing

        video = item.kind == "video"
        track = outgoing.LiveTrack(
            item.kind,
            VIDEO_HZ if video else OPUS_HZ,
            feed.pictures if video else feed.sound,
            feed.start,
        )
        began = outgoing.began_ntp(self.broadcast.live.at_s(self._clock.now_ns()))
        outgoing.attach(item.sender, track, began_ntp=began, lost=feed.lost, heard=self._heard)

    def _heard(self) -> None:
        self._heard_s = self._now_s()

    def _now_s(self) -> float:
        return self._clock.now_ns() / 1e9


def _keep(item: RTCRtpTransceiver, name: str) -> bool:
    """Leave one codec of this name, and what it is retransmitted by; whether there is one."""
    chosen = next((codec for codec in item._codecs if codec.name.upper() == name), None)
    if chosen is None:
        return False
    again = [
        codec
        for codec in item._codecs
        if codec.name.upper() == "RTX" and codec.parameters.get("apt") == chosen.payloadType
    ]
    item._codecs = [chosen, *again]
    return True
