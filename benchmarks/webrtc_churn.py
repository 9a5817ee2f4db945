"""Publishers that come and go for ten minutes, eight at a time: does memory stay flat?

The publishers run in a process of their own; each stays for some seconds and leaves, by turns with
a farewell and without. The receiving process is looked at every few seconds, once its caches are
warm. `--quick` takes half a minute, too short to tell a slow leak.
"""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

from benchmarks import report
from benchmarks.of_webrtc.film import film
from benchmarks.webrtc import FOLDER, HERE, ROOT, Wish
from streammon.core.clock import MonotonicClock
from streammon.core.ports import SourceContext
from streammon.core.types import StreamId
from streammon.ingest.webrtc.config import WebRtcConfig
from streammon.ingest.webrtc.offer import read_offer

PUBLISHERS = 8
STAY_S = 4.0
SIZE = "180p"
"""Small pictures: what is looked for is what is left of a session, not what is kept of its film."""

LOOK_EVERY_S = 5.0
WARM_SHARE = 0.4
"""Of the run: until then caches and allocators fill."""


async def churn(seconds: float) -> dict[str, Any]:
    """Receive whoever comes; what memory, threads and tasks were over time."""
    context = SourceContext(Wish(2.0), MonotonicClock(), lambda state, cause: None)
    sources: list[Any] = [
        WebRtcConfig(stall_s=2.0).build(StreamId(f"s{n}")) for n in range(PUBLISHERS)
    ]
    came, items = [0], [0]
    command = ["-m", "benchmarks.of_webrtc.sender", "VP8", SIZE, str(PUBLISHERS), str(STAY_S)]
    sender = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        limit=2**20,
    )
    assert sender.stdin is not None
    assert sender.stdout is not None
    into, out_of = sender.stdin, sender.stdout

    async def read(source: Any) -> None:
        async with source.open(context) as got:
            async for _ in got:
                items[0] += 1

    async def let_in() -> None:
        while line := await out_of.readline():
            message = json.loads(line)
            source = sources[message["slot"]]
            _, answer = await source.publish(read_offer(message["offer"]), addresses=HERE)
            came[0] += 1
            into.write(json.dumps({"slot": message["slot"], "answer": answer}).encode() + b"\n")

    looks = []
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(read(source)) for source in sources]
        for source in sources:
            await source.opened.wait()
        tasks.append(group.create_task(let_in()))
        started_s = time.monotonic()
        while time.monotonic() - started_s < seconds:
            await asyncio.sleep(LOOK_EVERY_S)
            gc.collect()
            look = {
                "at_s": round(time.monotonic() - started_s, 1),
                "rss_mb": resident_mb(),
                "threads": threading.active_count(),
                "tasks": len(asyncio.all_tasks()),
                "came": came[0],
            }
            looks.append(look)
            print(json.dumps(look), file=sys.stderr, flush=True)
        into.close()
        for task in tasks:
            task.cancel()
    sender.terminate()
    await sender.wait()
    return {"looks": looks, "came": came[0], "items": items[0]}


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return round(pages * 4096 / 2**20, 1)


def main() -> None:
    args = report.parse_args("Memory of a receiver while WebRTC publishers come and go.")
    film("VP8", FOLDER, size=SIZE)
    seconds = 30.0 if args.quick else 600.0
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(churn(seconds))
    warm = [look for look in result["looks"] if look["at_s"] >= WARM_SHARE * seconds]
    at_s = np.array([look["at_s"] for look in warm])
    rss_mb = np.array([look["rss_mb"] for look in warm])
    figures = {
        "churn_connects": float(result["came"]),
        "churn_rss_mb": float(rss_mb[-1]),
        "churn_growth_mb_per_min": 60.0 * float(np.polyfit(at_s, rss_mb, 1)[0]),
        "churn_growth_kb_per_connect": 1024.0
        * float(np.polyfit([look["came"] for look in warm], rss_mb, 1)[0]),
        "churn_threads": float(warm[-1]["threads"]),
        "churn_tasks": float(warm[-1]["tasks"]),
    }
    report.write(figures, result, args)


if __name__ == "__main__":
    main()
