"""How late a stream is that is watched live over WHEP, and what one viewer and four cost.

    python -m benchmarks.whep [--quick] [--json OUT]

A publisher in a process of its own sends 720p25 in H.264 and noise by WHIP to `streammon run`,
which looks for frozen pictures twice a second as it does anyway. aiortc, in this process, watches
by WHEP: its first viewer decodes the pictures and reads from each when it was taken; further ones
take the packets and drop them, so that their decoding does not hold up the machine.

    whep_delay_p50_s, whep_delay_p95_s    from when a picture was taken by the publisher to when the
                                          viewer has it decoded, drawn upon and coded in between
    whep_delay_of_four_p95_s              the same for one of four viewers
    whep_first_viewer_cpu                 processors that the server takes more with a viewer than
                                          without any
    whep_next_viewer_cpu                  and with each further one of four
    whep_four_over_one                    what four viewers take over what one takes
    whep_first_picture_s                  from asking to the first decoded picture, the median

The delay holds the publisher's coder and both connections; aiortc knows that a picture is whole
when the next one begins, a 25th of a second later, on either connection.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvloop

from benchmarks import report
from benchmarks.of_program import streammon_run
from benchmarks.of_webrtc.timed import taken_s
from benchmarks.pictures import cpu_s
from streammon.ingest.webrtc import tap
from tests.publishers import number_of
from tests.watchers import Watcher, watched_by

ROOT = Path(__file__).parents[1]
STREAM = "studio"
SETTLES_S = 3.0
SDP = {"Content-Type": "application/sdp"}


@contextmanager
def server(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A monitor that waits for a publisher; its process and address."""
    config = {
        "name": "whep",
        "sources": {STREAM: {"type": "webrtc"}},
        "detectors": {"freeze": {"content": "camera"}},
        "outbox": {"path": ":memory:"},
        "server": {"port": 0, "detect": False},
    }
    with streammon_run(config, folder) as running:
        yield running


@contextmanager
def publisher(url: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.of_webrtc.timed", f"{url}/whip/{STREAM}"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "connected", "it could not publish"
        yield
    finally:
        process.communicate(timeout=30)


class TimedWatcher(Watcher):
    """Notes how late each picture is; keeps none."""

    def __init__(self, **wishes: Any) -> None:
        super().__init__(**wishes)
        self.delays_s: list[tuple[float, float]] = []
        """When each picture was decoded, and how late it was."""

    async def see(self, track: Any) -> None:
        while True:
            frame = await track.recv()
            if track.kind == "video":
                now_s = time.monotonic()
                number = number_of(frame.to_ndarray(format="rgb24"))
                self.delays_s.append((now_s, now_s - taken_s(number, now_s)))
                self.news.set()

    def of_the_last(self, seconds: float) -> list[float]:
        """How late the pictures of the last seconds were."""
        since_s = time.monotonic() - seconds
        return [delay_s for at_s, delay_s in self.delays_s if at_s >= since_s]


class IdleWatcher(Watcher):
    """Takes what comes, and decodes none of it."""

    def __init__(self, **wishes: Any) -> None:
        super().__init__(**wishes)
        nothing = tap.Listener(
            frame=lambda codec, frame: None,
            packet=lambda: None,
            lost=lambda: None,
            reported=lambda ntp, rtp: None,
        )
        for receiver in self.peer.getReceivers():
            tap.attach(receiver, nothing)


async def cost(process: subprocess.Popen[str], seconds: float) -> float:
    """Processors that the server takes for so long, from when things have settled."""
    await asyncio.sleep(SETTLES_S)
    before_s, began_s = cpu_s(process), time.monotonic()
    await asyncio.sleep(seconds)
    return (cpu_s(process) - before_s) / (time.monotonic() - began_s)


async def measure(process: subprocess.Popen[str], url: str, seconds: float) -> dict[str, Any]:
    """Nobody watches, then one, then four; what that costs, and how late pictures are."""
    async with httpx.AsyncClient(base_url=url, timeout=20.0) as web:

        async def watch(offer: str) -> str:
            answer = await web.post(f"/whep/{STREAM}", content=offer, headers=SDP)
            assert answer.status_code == 201, answer.text
            return answer.text

        alone = await cost(process, seconds)
        async with AsyncExitStack() as viewers:
            asked_s = time.monotonic()
            first = TimedWatcher()
            await viewers.enter_async_context(watched_by(first, watch))
            await first.until(lambda: bool(first.delays_s))
            began_s = time.monotonic() - asked_s
            one = await cost(process, seconds)
            of_one_s = first.of_the_last(seconds)
            for _ in range(3):
                await viewers.enter_async_context(watched_by(IdleWatcher(), watch))
            four = await cost(process, seconds)
            of_four_s = first.of_the_last(seconds)
    return {
        "nobody_cpu": alone,
        "one_cpu": one,
        "four_cpu": four,
        "first_picture_s": began_s,
        "pictures_per_s": len(of_one_s) / seconds,
        "delay_p50_s": float(np.percentile(of_one_s, 50)),
        "delay_p95_s": float(np.percentile(of_one_s, 95)),
        "delay_of_four_p95_s": float(np.percentile(of_four_s, 95)),
    }


def run_once(seconds: float) -> dict[str, Any]:
    with (
        tempfile.TemporaryDirectory() as folder,
        server(Path(folder)) as (process, url),
        publisher(url),
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        found: dict[str, Any] = runner.run(measure(process, url, seconds))
    print("  ".join(f"{name} {value:.3g}" for name, value in found.items()), flush=True)
    return found


def main() -> None:
    args: argparse.Namespace = report.parse_args("How late a stream watched over WHEP is.")
    seconds, rounds = (5.0, 1) if args.quick else (20.0, 3)
    runs = [run_once(seconds) for _ in range(rounds)]

    def middle(name: str) -> float:
        return float(statistics.median(run[name] for run in runs))

    figures = {
        "whep_delay_p50_s": middle("delay_p50_s"),
        "whep_delay_p95_s": middle("delay_p95_s"),
        "whep_delay_of_four_p95_s": middle("delay_of_four_p95_s"),
        "whep_first_viewer_cpu": middle("one_cpu") - middle("nobody_cpu"),
        "whep_next_viewer_cpu": (middle("four_cpu") - middle("one_cpu")) / 3,
        "whep_four_over_one": middle("four_cpu") / middle("one_cpu"),
        "whep_first_picture_s": middle("first_picture_s"),
    }
    report.write(figures, {"runs": runs, "cores": len(os.sched_getaffinity(0))}, args)


if __name__ == "__main__":
    main()
