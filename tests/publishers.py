"""Publishers for tests: aiortc's own sender on 127.0.0.1, with what networks do to packets."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)

from streammon.ingest.webrtc.tap import mend, only_at, stop_for_good

HERE = ("127.0.0.1",)
WIDTH, HEIGHT, FPS = 320, 180, 25
BITS = 12
"""Of a frame's number, drawn as black and white columns along the top."""

SOUND_HZ = 48_000
SOUND_S = 0.02


def picture(number: int, *, width: int = WIDTH, height: int = HEIGHT) -> av.VideoFrame:
    """A moving picture that carries its own number."""
    y, x = np.mgrid[0:height, 0:width]
    luma = (60 + (x + 3 * number) % 97 + (y * 2) % 61).astype(np.uint8)
    cell = width // BITS
    for bit in range(BITS):
        luma[: height // 4, bit * cell : (bit + 1) * cell] = 235 if number >> bit & 1 else 16
    colour = np.full((height // 2, width), 128, np.uint8)
    return av.VideoFrame.from_ndarray(np.concatenate((luma, colour)), format="yuv420p")


def number_of(image_rgb: np.ndarray[Any, np.dtype[np.uint8]]) -> int:
    """The number that was drawn into a picture, also when it was scaled."""
    height, width = image_rgb.shape[:2]
    row = image_rgb[height // 8].mean(axis=1)
    cells = [row[round((bit + 0.5) * width / BITS - width * 0.01)] for bit in range(BITS)]
    return sum(1 << bit for bit, level in enumerate(cells) if level > 128)


class Pictures(MediaStreamTrack):
    """Numbered pictures in real time."""

    kind = "video"

    def __init__(self, *, size: tuple[int, int] = (WIDTH, HEIGHT), fps: int = FPS) -> None:
        super().__init__()
        self.sent = 0
        self.size = size
        self.running = asyncio.Event()
        self.running.set()
        self._fps = fps
        self._started_s: float | None = None

    async def recv(self) -> av.VideoFrame:
        loop = asyncio.get_running_loop()
        if self._started_s is None:
            self._started_s = loop.time()
        await asyncio.sleep(self._started_s + self.sent / self._fps - loop.time())
        await self.running.wait()
        frame = picture(self.sent % 2**BITS, width=self.size[0], height=self.size[1])
        frame.pts, frame.time_base = self.sent * 90_000 // self._fps, Fraction(1, 90_000)
        self.sent += 1
        return frame


class Sound(MediaStreamTrack):
    """A tone of 440 Hz in real time."""

    kind = "audio"

    def __init__(self, *, rate_hz: int = SOUND_HZ) -> None:
        super().__init__()
        self.sent = 0
        self.running = asyncio.Event()
        self.running.set()
        self._rate_hz = rate_hz
        self.started_s: float | None = None
        """On the loop's clock, when its first sample is."""

    async def recv(self) -> av.AudioFrame:
        loop = asyncio.get_running_loop()
        if self.started_s is None:
            self.started_s = loop.time()
        await asyncio.sleep(self.started_s + self.sent * SOUND_S - loop.time())
        await self.running.wait()
        count = round(self._rate_hz * SOUND_S)
        moments_s = (self.sent * count + np.arange(count)) / self._rate_hz
        pcm = (12_000 * np.sin(2 * np.pi * 440 * moments_s)).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate = self._rate_hz
        frame.pts, frame.time_base = self.sent * count, Fraction(1, self._rate_hz)
        self.sent += 1
        return frame


@dataclass(slots=True)
class Network:
    """What becomes of each RTP packet on its way. Retransmissions are packets, too."""

    loss: float = 0.0
    reorder: float = 0.0
    seed: int = 7
    dropped: int = 0
    swapped: int = 0


class Publisher:
    """One sender of pictures, sound or both."""

    def __init__(
        self,
        *tracks: MediaStreamTrack,
        codecs: Sequence[str] = ("VP8", "opus"),
        network: Network | None = None,
        reports: bool = True,
    ) -> None:
        """Without `reports` it says nothing of its clock before `report` is called."""
        self.peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.tracks = tracks
        for track in tracks:
            self.peer.addTrack(track)
        for transceiver in self.peer.getTransceivers():
            known = RTCRtpSender.getCapabilities(transceiver.kind).codecs
            wanted = {*(name.lower() for name in codecs), "rtx"}
            chosen = [codec for codec in known if codec.name.lower() in wanted]
            transceiver.setCodecPreferences(chosen)
            transceiver.direction = "sendonly"
            stop_for_good(transceiver)
        for transport in self._transports():
            only_at(transport, HERE)
            mend(transport)
        if network is not None:
            for dtls in {item.sender.transport for item in self.peer.getTransceivers()}:
                _disturb(dtls, network)
        if not reports:
            for sender in self._senders():
                sender._send_rtcp = _nothing

    async def offer(self) -> str:
        await self.peer.setLocalDescription(await self.peer.createOffer())
        text: str = self.peer.localDescription.sdp
        return text

    async def accept(self, answer: str) -> None:
        await self.peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    def report(self) -> None:
        """From now on it sends its reports."""
        for sender in self._senders():
            del sender._send_rtcp

    async def connected(self) -> None:
        """Returns once media may flow."""
        changed = asyncio.Event()
        self.peer.on("connectionstatechange", changed.set)
        while self.peer.connectionState != "connected":
            await changed.wait()
            changed.clear()

    def vanish(self) -> None:
        """From now on nothing gets out, as when a cable is pulled."""
        cut_off(self._transports())

    async def close(self) -> None:
        for track in self.tracks:
            track.stop()
        await self.peer.close()

    def _senders(self) -> list[Any]:
        return [item.sender for item in self.peer.getTransceivers()]

    def _transports(self) -> set[Any]:
        return {item.sender.transport.transport for item in self.peer.getTransceivers()}


async def _nothing(packets: Any) -> None:
    return


def cut_off(transports: Iterable[Any]) -> None:
    """From now on nothing gets out of these."""

    async def nowhere(data: bytes) -> None:
        return

    for transport in transports:
        transport._send = nowhere
        for protocol in transport._connection._protocols:
            protocol.send_stun = lambda message, addr: None


def _disturb(dtls: Any, network: Network) -> None:
    """Lose and swap what this transport sends, but for RTCP and the handshake."""
    rng = random.Random(network.seed)
    send = dtls.transport._send
    held: list[bytes] = []

    async def disturbed(data: bytes) -> None:
        is_rtp = 128 <= data[0] < 192 and not 192 <= data[1] <= 208
        if not is_rtp:
            await send(data)
            return
        if rng.random() < network.loss:
            network.dropped += 1
            return
        if not held and rng.random() < network.reorder:
            network.swapped += 1
            held.append(data)
            return
        await send(data)
        while held:
            await send(held.pop())

    dtls.transport._send = disturbed


@asynccontextmanager
async def publishing(
    publish: Callable[[str], Any], *tracks: MediaStreamTrack, **settings: Any
) -> AsyncGenerator[Publisher]:
    """A publisher whose offer was given to `publish` (a coroutine that returns the answer)."""
    publisher = Publisher(*tracks, **settings)
    try:
        await publisher.accept(await publish(await publisher.offer()))
        yield publisher
    finally:
        await publisher.close()
