"""Capture to WebSocket alert, on streams whose picture changes at known times.

    python -m benchmarks.latency [--quick] [--json OUT]

Four 720p25 H.264 files with sound, played in real time through the whole monitor beside the
shipped detectors. The picture turns from dark to bright at known media times; a detector of
brightness with a rule that needs one window raises the alert, so what is measured is the
monitor and not the patience of a rule. A client in its own process notes when the alert arrives
over the wall's WebSocket. Latency = arrival minus the moment the first bright frame was due at
the decoder, so it holds the wait for the window's end, decoding, scheduling, scoring, storing
and the network.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.report import parse_args, write
from streammon.config import OutboxConfig, parse_config
from streammon.core.clock import MonotonicClock
from streammon.core.types import (
    DetectionResult,
    Evidence,
    Modality,
    VideoFrame,
    Window,
    WindowSpec,
)
from streammon.pipelines.building import Parts, build_detectors, build_sources
from streammon.pipelines.monitor import Monitor
from streammon.server.app import build_app
from streammon.server.serve import serving
from streammon.sinks.outbox import Outbox
from streammon.sinks.websocket_hub import Hub
from streammon.sinks.wire import WallClock
from streammon.telemetry.metrics import Metrics

STREAMS = 4
FPS, RATE_HZ = 25, 48_000
PERIOD_S = 114 / FPS
"""Dark for the first half of each period, bright for the second; no multiple of the window, so
that changes fall anywhere in one."""
WINDOW_S = 0.5

CLIENT = """
import asyncio, json, sys, time
import websockets

async def main(url, token):
    async with websockets.connect(url, max_size=2**22) as socket:
        await socket.send(json.dumps({"type": "subscribe", "streams": ["*"], "events": ["alert"]}))
        async for message in socket:
            now_ns = time.monotonic_ns()
            event = json.loads(message)
            if event["type"] == "hello":
                print("ready", flush=True)
            if event["type"] == "alert" and event["state"] == "opened":
                print(json.dumps([event["stream"], event["kind"], event["media_s"], now_ns]),
                      flush=True)

try:
    asyncio.run(main(sys.argv[1], ""))
except (websockets.ConnectionClosed, KeyboardInterrupt):
    pass
"""


class Step:
    """Scores mean brightness; remembers when each stream's media clock began."""

    kind = name = "brightness"
    inputs: Mapping[Modality, WindowSpec] = {
        Modality.VIDEO: WindowSpec(WINDOW_S, 0.0, frame_interval_s=WINDOW_S / 5)
    }
    on_device = False
    max_batch = 16

    def __init__(self) -> None:
        self.began_ns: dict[str, int] = {}

    def load(self, device: str) -> None:
        """Nothing to load."""

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        return [self._judge(window) for window in batch]

    def _judge(self, window: Window) -> DetectionResult:
        frame = window.items[-1]
        assert isinstance(frame, VideoFrame)
        began_ns = frame.captured_ns - round(frame.media_s * 1e9)
        known_ns = self.began_ns.get(window.stream, began_ns)
        self.began_ns[window.stream] = min(began_ns, known_ns)  # the least delayed frame
        level = float(frame.image_rgb[::8, ::8].mean()) / 255.0
        return DetectionResult(
            stream=window.stream,
            detector=self.name,
            kind=self.kind,
            modality=window.modality,
            epoch=window.epoch,
            start_s=window.start_s,
            end_s=window.end_s,
            captured_ns=window.captured_ns,
            confidence=min(1.0, level),
            model_used="mean brightness",
        )


class AtOnce:
    """A rule that believes a single window."""

    def advance(self, evidence: Evidence | None, result: DetectionResult) -> Evidence:
        bright = (result.confidence or 0.0) > 0.5 and result.kind == "brightness"
        return Evidence(
            level=1.0 if bright else 0.0,
            log_odds=3.0 if bright else 0.0,
            alarm=bright,
            clear=not bright,
            windows=int(bright),
            since_s=result.start_s,
        )


def main() -> None:
    args = parse_args(__doc__ or "")
    duration_s = 30.0 if args.quick else 120.0
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "steps.mp4"
        make_clip(clip, duration_s=duration_s)
        latencies_s = asyncio.run(measure(clip, duration_s))
    p50, p95, p99 = (float(np.percentile(latencies_s, q)) for q in (50, 95, 99))
    details = {
        "alerts": len(latencies_s),
        "streams": STREAMS,
        "window_hop_s": WINDOW_S,
        "target_p95_s": WINDOW_S + 0.3,
        "largest_s": max(latencies_s),
    }
    print(f"{len(latencies_s)} alerts; target p95 {WINDOW_S + 0.3:.2f} s (hop + 300 ms)")
    write({"p50_s": p50, "p95_s": p95, "p99_s": p99}, details, args)


def make_clip(path: Path, *, duration_s: float) -> None:
    """720p25 H.264 with a keyframe every 2 s, grain, and a tone in AAC."""
    rng = np.random.default_rng(1)
    grain = rng.integers(0, 12, (8, 720, 1280, 3), dtype=np.uint8)
    with av.open(str(path), "w") as out:
        video = out.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "g": "50"})
        video.width, video.height, video.pix_fmt = 1280, 720, "yuv420p"
        audio = out.add_stream("aac", rate=RATE_HZ, layout="mono")
        for number in range(round(duration_s * FPS)):
            bright = (number / FPS) % PERIOD_S >= PERIOD_S / 2
            picture = grain[number % 8] + np.uint8(230 if bright else 10)
            out.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            t = (number * RATE_HZ // FPS + np.arange(RATE_HZ // FPS)) / RATE_HZ
            tone = (0.2 * np.sin(2 * np.pi * 220 * t)).astype(np.float32)[None, :]
            chunk = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            chunk.sample_rate = RATE_HZ
            out.mux(audio.encode(chunk))
        out.mux(video.encode(None))
        out.mux(audio.encode(None))


async def measure(clip: Path, duration_s: float) -> list[float]:
    """Seconds from each change to the arrival of its alert, over all streams."""
    config = parse_config(
        {
            "sources": {
                f"s{n}": {"type": "av_url", "url": str(clip), "pace": "realtime"}
                for n in range(STREAMS)
            },
            "detectors": {"freeze": {}, "voice_spoof": {}},
            "alerts": {"hold_s": 0.0, "clear_s": 0.0, "cool_down_s": 0.0},
            "scheduler": {"device": "cpu", "alert_within_s": 1.0, "batch_wait_s": 0.02},
            "server": {"port": 0},
        }
    )
    step = Step()
    parts = Parts(
        sources=build_sources(config),
        detectors={**build_detectors(config), step.name: step},
        rules={"default": AtOnce()},
        sinks=(),
    )
    clock, metrics = MonotonicClock(), Metrics()
    wall = WallClock(clock)
    async with Outbox(OutboxConfig(), ":memory:", clock=clock) as outbox:
        hub = Hub(
            outbox,
            wall=wall,
            max_clients=4,
            hello=lambda: {"monitor": "latency", "streams": list(config.sources)},
        )
        monitor = Monitor(
            config,
            parts,
            clock=clock,
            outbox=outbox,
            hub=hub,
            metrics=metrics,
            wall=wall,
            origin=str(time.time_ns()),
        )
        app = build_app(monitor.status, hub, metrics, config.server)
        async with serving(app, config.server) as url:
            client = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                CLIENT,
                url.replace("http", "ws", 1).rstrip("/") + "/ws",
                stdout=subprocess.PIPE,
            )
            assert client.stdout is not None
            await client.stdout.readline()  # ready
            await asyncio.wait_for(monitor.run(asyncio.Event()), duration_s + 60)
        lines = (await client.stdout.read()).splitlines()
        await client.wait()
    return [latency_s for line in lines if (latency_s := _latency_s(json.loads(line), step))]


def _latency_s(arrival: list[Any], step: Step) -> float | None:
    stream, kind, media_s, now_ns = arrival
    if kind != step.kind:
        return None
    half_s = PERIOD_S / 2
    changed_s = half_s + PERIOD_S * ((media_s - half_s) // PERIOD_S)
    return float((now_ns - step.began_ns[stream]) / 1e9 - changed_s)


if __name__ == "__main__":
    main()
