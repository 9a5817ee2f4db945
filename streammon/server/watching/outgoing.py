"""Hands coded pictures and sound to aiortc's senders, and hears what viewers say of them.

aiortc sends packets that are coded already, but would code a keyframe itself, and says in its
reports that each packet was taken when it was sent. What is reached into here is private to it:
all of it is in this module and looked at before it is used, and the version is pinned (ingest/
webrtc/tap.py). Per sender:

    _send_keyframe          called when the viewer needs a keyframe (PLI, FIR)
    _handle_rtcp_packet     called with each report of the viewer
    _send_rtcp              sends our reports
    __rtp_timestamp         of the newest packet that was sent
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from aiortc import MediaStreamTrack, RTCRtpSender
from aiortc.clock import current_ntp_time
from aiortc.mediastreams import MediaStreamError
from aiortc.rtp import RtcpSrPacket

from streammon.core.errors import Permanent
from streammon.flow.channel import Channel, ChannelClosed
from streammon.media.tracks import MediaPacket
from streammon.server.watching.coding import Coded

RTP_TIME = "_RTCRtpSender__rtp_timestamp"
METHODS = ("_send_keyframe", "_handle_rtcp_packet", "_send_rtcp")
WRAP = 1 << 32
NTP_FRACTION = 1 << 32


class LiveTrack(MediaStreamTrack):
    """What comes out of a channel, as aiortc wants it."""

    def __init__(
        self, kind: str, rate_hz: int, items: Channel[Coded], started: Callable[[], None]
    ) -> None:
        """`rate_hz`: of RTP's clock for it. `started` is called when the first is wanted."""
        super().__init__()
        self.kind = kind
        self.sender_rtp: Callable[[], int] | None = None
        self._rate_hz = rate_hz
        self._items = items
        self._started = started
        self._given: int | None = None
        self._origin: int | None = None

    async def recv(self) -> MediaPacket:
        self._started()
        if self._origin is None and self._given is not None and self.sender_rtp is not None:
            # what was given before is sent by now: aiortc adds a random number to its time
            self._origin = (self.sender_rtp() - self._given) % WRAP
        try:
            coded = await self._items.recv()
        except ChannelClosed:
            self.stop()
            raise MediaStreamError from None
        self._given = round(coded.at_s * self._rate_hz)
        return coded.packet

    def at_s(self, rtp: int) -> float | None:
        """The moment on the live clock that an RTP timestamp of ours stands for, near the newest
        one; `None` before it is known.
        """
        if self._origin is None or self._given is None:
            return None
        ahead = (rtp - self._origin - self._given + WRAP // 2) % WRAP - WRAP // 2
        return (self._given + ahead) / self._rate_hz


def attach(
    sender: RTCRtpSender,
    track: LiveTrack,
    *,
    began_ntp: int,
    lost: Callable[[], None],
    heard: Callable[[], None],
) -> None:
    """Have `sender` send the track, with reports by the live clock, which began then.

    `lost` is called when the viewer needs a keyframe, `heard` with whatever it reports. Raises
    `Permanent` if aiortc is not made as this module knows it.
    """
    missing = [name for name in METHODS if not hasattr(sender, name)]
    missing += [] if RTP_TIME in vars(sender) else [RTP_TIME]
    if missing:
        raise Permanent(f"aiortc {version('aiortc')} is made otherwise: no {', '.join(missing)}")
    inside: Any = sender
    send_rtcp, handle_rtcp = inside._send_rtcp, inside._handle_rtcp_packet

    async def send_reports(packets: list[Any]) -> None:
        for packet in packets:
            if isinstance(packet, RtcpSrPacket):
                at_s = track.at_s(packet.sender_info.rtp_timestamp)
                if at_s is None:
                    return  # nothing was sent: there is nothing to say of it
                packet.sender_info.ntp_timestamp = began_ntp + round(at_s * NTP_FRACTION)
        await send_rtcp(packets)

    async def handle_reports(packet: Any) -> None:
        heard()
        await handle_rtcp(packet)

    track.sender_rtp = lambda: int(vars(sender)[RTP_TIME])
    inside._send_keyframe, inside._send_rtcp = lost, send_reports
    inside._handle_rtcp_packet = handle_reports
    sender.replaceTrack(track)


def began_ntp(live_s: float) -> int:
    """NTP's time (RFC 3550 4) at which a live clock that now shows `live_s` began."""
    return current_ntp_time() - round(live_s * NTP_FRACTION)
