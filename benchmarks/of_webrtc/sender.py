"""Publishers in a process of their own: their cost is not the receiver's.

    python -m benchmarks.of_webrtc.sender CODEC SIZE PUBLISHERS STAY_S

Offers go out on standard output and answers come in on standard input, a JSON line each. With
`STAY_S` above 0 each publisher leaves after so long, by turns politely and by falling silent, and
another takes its place; it ends when standard input is closed.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import uvloop
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCRtpSender,
    RTCSessionDescription,
)

from benchmarks.of_webrtc.film import FPS, SOUND_HZ, SOUND_S, film, tone
from streammon.ingest.webrtc.tap import mend, only_at

FOLDER = Path(__file__).parents[2] / "bench-out"
HERE = ("127.0.0.1",)


class Coded(MediaStreamTrack):
    """Packets that were coded before, in real time, over and over."""

    def __init__(self, kind: str, packets: Sequence[bytes], step: int, rate_hz: int) -> None:
        super().__init__()
        self.kind = kind
        self._packets = packets
        self._step = step
        self._rate_hz = rate_hz
        self._sent = 0
        self._started_s: float | None = None

    async def recv(self) -> Any:
        loop = asyncio.get_running_loop()
        if self._started_s is None:
            self._started_s = loop.time()
        await asyncio.sleep(self._started_s + self._sent * self._step / self._rate_hz - loop.time())
        packet: Any = av.Packet(self._packets[self._sent % len(self._packets)])
        packet.pts = packet.dts = self._sent * self._step
        packet.time_base = Fraction(1, self._rate_hz)
        self._sent += 1
        return packet


class Line:
    """JSON lines to and from whoever receives."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._waiting: dict[int, asyncio.Future[str]] = {}

    async def ask(self, slot: int, offer: str) -> str:
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting[slot] = answer
        print(json.dumps({"slot": slot, "offer": offer}), flush=True)
        return await answer

    async def listen(self) -> None:
        """Until the other side closes."""
        while line := await self._reader.readline():
            message = json.loads(line)
            self._waiting.pop(message["slot"]).set_result(message["answer"])


def peer_of(codec: str, pictures: Sequence[bytes], sound: Sequence[bytes]) -> RTCPeerConnection:
    peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    peer.addTrack(Coded("video", pictures, 90_000 // FPS, 90_000))
    peer.addTrack(Coded("audio", sound, round(SOUND_HZ * SOUND_S), SOUND_HZ))
    for transceiver in peer.getTransceivers():
        transceiver.direction = "sendonly"
        known = RTCRtpSender.getCapabilities(transceiver.kind).codecs
        wanted = {codec.lower(), "opus", "rtx"}
        transceiver.setCodecPreferences([one for one in known if one.name.lower() in wanted])
        only_at(transceiver.sender.transport.transport, HERE)
        mend(transceiver.sender.transport.transport)
    return peer


async def publish(slot: int, line: Line, codec: str, size: str, stay_s: float) -> None:
    pictures, sound = film(codec, FOLDER, size=size), tone()
    turns = 0
    while True:
        peer = peer_of(codec, pictures, sound)
        try:
            await peer.setLocalDescription(await peer.createOffer())
            answer = await line.ask(slot, peer.localDescription.sdp)
            await peer.setRemoteDescription(RTCSessionDescription(answer, "answer"))
            await asyncio.sleep(stay_s or 3600.0)
            turns += 1
        finally:
            if turns % 2 == 0 and stay_s:
                for transceiver in peer.getTransceivers():  # no farewell
                    transceiver.sender.transport._ssl = None
            await peer.close()


async def main(codec: str, size: str, publishers: int, stay_s: float) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    line = Line(reader)
    async with asyncio.TaskGroup() as group:
        tasks = [
            group.create_task(publish(slot, line, codec, size, stay_s))
            for slot in range(publishers)
        ]
        await line.listen()
        for task in tasks:
            task.cancel()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])))
