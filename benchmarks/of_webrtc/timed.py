"""A publisher whose pictures carry the time at which they were taken, in a process of its own.

    python -m benchmarks.of_webrtc.timed URL

Pictures are 1280x720 in H.264 (2.5 Mbit/s) at 25 a second, with noise in Opus. Each has a number
drawn in: which 25th of a second of the monotonic clock, which all processes share, it was taken in.
Publishes by WHIP until standard input is closed.
"""

from __future__ import annotations

import asyncio
import sys
import time
from fractions import Fraction
from typing import Any

import av
import httpx
import numpy as np
import uvloop
from aiortc import MediaStreamTrack
from av.video.codeccontext import VideoCodecContext

from tests.publishers import BITS, FPS, Publisher, Sound, picture

SIZE = (1280, 720)
KBPS = 2500


def taken_s(number: int, now_s: float) -> float:
    """The newest moment before `now_s` at which the picture of this number may have been taken."""
    behind: int = (int(now_s * FPS) - number) % 2**BITS
    return float(int(now_s * FPS) - behind) / FPS


class TimedPictures(MediaStreamTrack):
    """Coded pictures in real time, each taken at the time that it shows."""

    kind = "video"

    def __init__(self) -> None:
        super().__init__()
        width, height = SIZE
        coder = av.CodecContext.create("libx264", "w")
        assert isinstance(coder, VideoCodecContext)
        coder.width, coder.height, coder.pix_fmt = width, height, "yuv420p"
        coder.time_base, coder.framerate = Fraction(1, 90_000), Fraction(FPS)
        coder.bit_rate, coder.gop_size, coder.thread_count = KBPS * 1000, 2 * FPS, 1
        coder.options = {"preset": "ultrafast", "tune": "zerolatency", "profile": "baseline"}
        self._coder = coder
        self._ground = picture(0, width=width, height=height).to_ndarray()
        self._next = int(time.monotonic() * FPS) + 1

    async def recv(self) -> Any:
        while True:
            await asyncio.sleep(self._next / FPS - time.monotonic())
            number, self._next = self._next, self._next + 1
            if time.monotonic() - number / FPS > 1 / FPS:
                continue  # too late to have been taken then
            packets = self._coder.encode(self._drawn(number))
            if packets:
                return packets[0]

    def _drawn(self, number: int) -> av.VideoFrame:
        width, height = SIZE
        image = self._ground.copy()
        image[height // 4 : height] = np.roll(image[height // 4 : height], 3 * number, axis=1)
        cell = width // BITS
        for bit in range(BITS):
            light = 235 if number % 2**BITS >> bit & 1 else 16
            image[: height // 4, bit * cell : (bit + 1) * cell] = light
        frame = av.VideoFrame.from_ndarray(image, format="yuv420p")
        frame.pts, frame.time_base = number * 90_000 // FPS, Fraction(1, 90_000)
        return frame


class Noise(Sound):
    """Sound that never repeats itself: a tone would be found stuck."""

    def __init__(self) -> None:
        super().__init__()
        self._random = np.random.default_rng(7)

    async def recv(self) -> av.AudioFrame:
        tone = await super().recv()
        pcm = self._random.normal(0.0, 2000.0, (1, tone.samples)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(pcm, format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = tone.sample_rate, tone.pts, tone.time_base
        return frame


async def main(url: str) -> None:
    publisher = Publisher(TimedPictures(), Noise(), codecs=("H264", "opus"))
    async with httpx.AsyncClient(timeout=20.0) as web:
        offer, answer = await publisher.offer(), None
        while answer is None or answer.status_code == 503:  # its models are being loaded
            await asyncio.sleep(0.2)
            sdp = {"Content-Type": "application/sdp"}
            answer = await web.post(url, content=offer, headers=sdp)
        answer.raise_for_status()
        await publisher.accept(answer.text)
    await publisher.connected()
    print("connected", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await publisher.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(sys.argv[1]))
