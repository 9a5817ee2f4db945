"""What a viewer of the wall costs the server: packets as they came in, against JPEGs it draws.

`streammon run` reads files in real time, with nobody looking; then a viewer looks at every stream
in one way for some seconds, and in the next. What the server's process took more than with nobody
looking, over streams and seconds, is what a viewed stream costs. No detector looks at pictures:
what is decoded is decoded for the viewer. Where detectors look as often, a JPEG costs `paint_ms`.

    packets_over_jpeg    processor time of a stream that is viewed as packets, over one as JPEGs
    packets_ms_per_s     that processor time, milliseconds a second of a stream
    keyframes_ms_per_s   the same with one keyframe a second at most
    jpeg_ms_per_s        the same with JPEGs, two a second
    packets_kbit_s       what is sent of a stream, headers included
    keyframes_kbit_s
    jpeg_kbit_s
    paint_ms             processor time to draw upon and encode one picture

More viewers of the same stream share its JPEGs. Packets are handed on for each viewer anew.

    python -m benchmarks.pictures [--quick] [--json OUT]
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
from websockets.asyncio.client import connect

from benchmarks import report
from benchmarks.of_program import streammon_run
from streammon.config import OverlayConfig
from streammon.core.types import DetectionResult, Modality, Region, StreamId, VideoFrame
from streammon.overlay.painter import Painter

STREAMS = 8
SETTLE_S = 3.0
"""After a change of what is viewed, before it is measured."""
JPEGS_PER_S = 2.0
PAINTED = 40
TICKS_PER_S = os.sysconf("SC_CLK_TCK")

WAYS: dict[str, Mapping[str, object] | None] = {
    "nobody": None,
    "packets": {"mode": "packets"},
    "keyframes": {"mode": "packets", "every_s": 1.0},
    "jpeg": {"mode": "jpeg"},
}


@dataclass(frozen=True, slots=True)
class Look:
    """One stretch in which every stream was viewed in one way."""

    cpu_share: float
    """Seconds of processor time a second, of the whole server."""
    kbit_s: float
    """Received, of one stream."""
    pictures_per_s: float
    """Of one stream."""


@contextmanager
def server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A monitor of so many files that are read in real time for ever; its process and address."""
    clip = files("streammon.demo") / "camera_clean.mp4"
    source = {"type": "av_url", "url": str(clip), "loop": True, "audio": False}
    config = {
        "name": "pictures",
        "sources": {f"cam-{number}": source for number in range(STREAMS)},
        "detectors": {"chat_flood": {}},
        "overlay": {"fps": JPEGS_PER_S},
        "outbox": {"path": ":memory:"},
        "server": {"port": 0, "detect": False},
    }
    with streammon_run(config, folder) as (process, url):
        yield process, url.replace("http://", "ws://") + "/ws"


def cpu_s(process: subprocess.Popen[str]) -> float:
    """Processor time of a process, all its threads, so far."""
    text = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


async def look(
    process: subprocess.Popen[str], url: str, wish: Mapping[str, object] | None, seconds: float
) -> Look:
    """View every stream in one way, or none, for so long."""
    names = [f"cam-{number}" for number in range(STREAMS)]
    events = [] if wish is None else ["overlay"]
    pictures = {} if wish is None else dict.fromkeys(names, wish)
    ask = {"type": "subscribe", "streams": names, "events": events, "pictures": pictures}
    got_bytes = got = 0
    async with connect(url, compression=None, max_size=None) as socket:
        await socket.recv()
        await socket.send(json.dumps(ask))

        async def read() -> None:
            nonlocal got_bytes, got
            async for message in socket:
                got_bytes += len(message)
                got += isinstance(message, bytes)

        reading = asyncio.ensure_future(read())
        await asyncio.sleep(SETTLE_S)
        before_bytes, before, before_s = got_bytes, got, cpu_s(process)
        await asyncio.sleep(seconds)
        took_s = cpu_s(process) - before_s
        reading.cancel()
    per_stream = STREAMS * seconds
    return Look(
        cpu_share=took_s / seconds,
        kbit_s=8 * (got_bytes - before_bytes) / 1000 / per_stream,
        pictures_per_s=(got - before) / per_stream,
    )


def paint_ms() -> float:
    """Processor time of one picture: drawn upon with two results, encoded."""
    noise = np.random.default_rng(1).integers(0, 255, (360, 640, 3), np.uint8)
    image = np.asarray(cv2.GaussianBlur(noise, (0, 0), 4), np.uint8)  # as smooth as pictures are
    painter = Painter(OverlayConfig())
    results = [
        DetectionResult(
            StreamId("cam"), kind, kind, Modality.VIDEO, 0, 0.0, 2.0, 0, 0.7, "model-1",
            regions=(Region(0.2, 0.2, 0.5, 0.6, kind, 0.7),),
        )
        for kind in ("freeze", "face_forgery")
    ]  # fmt: skip
    took_s = []
    for number in range(PAINTED):
        frame = VideoFrame(StreamId("cam"), number, number / 2, 0, image, False, False, 0)
        began_s = time.thread_time()
        painter.paint(frame, results=results, incidents=())
        took_s.append(time.thread_time() - began_s)
    return 1000 * median(took_s)


async def measure(args: argparse.Namespace) -> tuple[dict[str, float], dict[str, Any]]:
    rounds, seconds = (1, 8.0) if args.quick else (5, 20.0)
    taken: dict[str, list[Look]] = {way: [] for way in WAYS}
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as (process, url):
        await look(process, url, WAYS["jpeg"], SETTLE_S)  # what is loaded and begun once
        for number in range(rounds):
            for way in reversed(WAYS) if number % 2 else WAYS:
                taken[way].append(await look(process, url, WAYS[way], seconds))
            print(f"round {number + 1} of {rounds}", file=sys.stderr)
    cost = {
        way: [
            1000 * (one.cpu_share - idle.cpu_share) / STREAMS
            for one, idle in zip(looks, taken["nobody"], strict=True)
        ]
        for way, looks in taken.items()
    }
    pairs = zip(cost["packets"], cost["jpeg"], strict=True)
    figures = {"packets_over_jpeg": median(packets / jpeg for packets, jpeg in pairs)}
    viewed = [way for way in WAYS if way != "nobody"]
    figures |= {f"{way}_ms_per_s": median(cost[way]) for way in viewed}
    figures |= {f"{way}_kbit_s": median(one.kbit_s for one in taken[way]) for way in viewed}
    figures["paint_ms"] = paint_ms()
    details = {
        "streams": STREAMS,
        "seconds": seconds,
        "cpu_share": {way: [one.cpu_share for one in looks] for way, looks in taken.items()},
        "pictures_per_s": {
            way: median(one.pictures_per_s for one in looks) for way, looks in taken.items()
        },
    }
    return figures, details


def main() -> None:
    args = report.parse_args(__doc__.splitlines()[0] if __doc__ else "")
    report.write(*asyncio.run(measure(args)), args)


if __name__ == "__main__":
    main()
