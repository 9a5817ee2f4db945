"""One end of a WebRTC connection: it answers an offer, at addresses of this machine alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from streammon.ingest.webrtc import tap
from streammon.ingest.webrtc.offer import (
    Fragment,
    IceServer,
    Malformed,
    Offer,
    Unacceptable,
    credentials,
)
from streammon.sections import IceServerConfig

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


def known_servers(configured: Sequence[IceServerConfig]) -> tuple[IceServer, ...]:
    """The servers of a config, with what is secret in them."""
    return tuple(
        IceServer(server.url, server.username, server.credential.get_secret_value())
        for server in configured
    )


class Peer:
    """Lives from an offer until `close`. On the event loop only."""

    def __init__(self, ice_servers: Sequence[IceServer]) -> None:
        from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection

        servers = [
            RTCIceServer(server.url, server.username or None, server.credential or None)
            for server in ice_servers
        ]
        self._connection: Any = RTCPeerConnection(RTCConfiguration(iceServers=servers))
        self._remote = ("", "")

    @property
    def state(self) -> str:
        """`new`, `connecting`, `connected`, `failed` or `closed`."""
        return str(self._connection.connectionState)

    @property
    def media(self) -> Sequence[RTCRtpTransceiver]:
        """One for each media of the offer."""
        return tuple(self._connection.getTransceivers())

    async def answer(
        self,
        offer: Offer,
        *,
        addresses: tuple[str, ...],
        choose: Callable[[Sequence[RTCRtpTransceiver]], None],
    ) -> str:
        """Begin to listen at `addresses`; returns the SDP to answer with.

        `choose` says for each media what becomes of it, before anything is answered. Raises
        `Malformed`, `Unacceptable`, `Retryable`, and what `choose` raises; then `close` it.
        """
        self._remote = credentials(offer.sdp)
        await self._take(offer)
        for transceiver in self.media:
            tap.stop_for_good(transceiver)
        choose(self.media)
        transports = {item.receiver.transport.transport for item in self.media}
        for transport in transports:
            tap.only_at(transport, addresses)
            tap.mend(transport)
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        for transport in transports:
            tap.check_gathers(transport)
        return str(self._connection.localDescription.sdp)

    def is_restart(self, fragment: Fragment) -> bool:
        """Whether a trickled fragment asks for other ICE credentials than the offer had."""
        said = (fragment.ufrag, fragment.password)
        return any(new not in {None, old} for new, old in zip(said, self._remote, strict=True))

    async def trickle(self, fragment: Fragment) -> None:
        """More addresses of the other side. Raises `Malformed`."""
        from aiortc.sdp import candidate_from_sdp

        try:
            for mid, text in fragment.candidates:
                candidate = candidate_from_sdp(text)
                candidate.sdpMid = mid
                candidate.sdpMLineIndex = None if mid is not None else 0
                await self._connection.addIceCandidate(candidate)
        except (ValueError, LookupError, AssertionError) as error:
            raise Malformed("a candidate cannot be understood") from error

    async def close(self) -> None:
        """Every port, task and thread of it is gone then."""
        try:
            async with asyncio.timeout(CLOSED_WITHIN_S):
                await self._connection.close()
        except TimeoutError:
            log.error("session_not_closed", extra={"within_s": CLOSED_WITHIN_S})

    async def _take(self, offer: Offer) -> None:
        from aiortc import RTCSessionDescription
        from aiortc.exceptions import InternalError, InvalidStateError, OperationError

        try:
            await self._connection.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
        except OperationError:
            raise Unacceptable("no codec of the offer can be received or sent") from None
        except NOT_UNDERSTOOD as error:
            raise Malformed("the offer cannot be understood") from error
        except (InternalError, InvalidStateError) as error:
            raise Malformed("the offer cannot be taken") from error
