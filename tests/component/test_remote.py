"""Remote detectors in the real scheduler, beside local ones."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from streammon.config import SchedulerConfig
from streammon.core.clock import MonotonicClock
from streammon.core.types import (
    DetectionResult,
    Health,
    HealthState,
    Modality,
    StreamId,
    Window,
)
from streammon.detectors.remote import RemoteConfig
from streammon.detectors.remote_detector import RemoteDetector
from streammon.flow.channel import Channel, WhenFull
from streammon.scheduler.runner import Scheduler
from tests.answering import Answer, Asked, answering, as_json
from tests.fakes import Brightness, a_frame, a_window
from tests.watch import until

CAM = StreamId("cam")
LIMIT_S = 20.0
ABOUT = {"detectors": [{"detector": "face", "modalities": ["video"]}]}
REAL = {"v": 1, "type": "detection", "confidence": 0.1, "is_ai_generated": False}


def seen(number: int) -> Window:
    now_ns = time.monotonic_ns()
    frame = a_frame(number, stream=CAM, media_s=float(number), captured_ns=now_ns)
    return a_window(frame, replace(frame, media_s=number + 0.5), end_s=number + 1.0)


def far(url: str, **settings: Any) -> RemoteDetector:
    given = {
        "timeout_s": LIMIT_S, "longest_wait_s": LIMIT_S, "retries": 0, "rest_s": 0.3, **settings,
    }  # fmt: skip
    config = RemoteConfig.model_validate({"url": url, "modality": "video", **given})
    return RemoteDetector("far", config)


class Watch:
    """A scheduler with a local and a remote detector, what it reports, and the results."""

    def __init__(self, remote: RemoteDetector) -> None:
        self.health: list[Health] = []
        self.scheduler = Scheduler(
            {"near": Brightness("near"), "far": remote},
            SchedulerConfig(device="cpu", batch_wait_s=0.0),
            clock=MonotonicClock(),
            report=self.health.append,
        )
        self.scheduler.add_stream(CAM, frozenset({Modality.VIDEO}))
        self.out: Channel[DetectionResult] = Channel("results", 256, WhenFull.BLOCK)
        self.number = 0

    def told(self) -> list[tuple[HealthState, str]]:
        return [(one.state, one.cause) for one in self.health if one.component == "detector:far"]

    async def result(self, detector: str) -> DetectionResult:
        """Of this detector, and of a window of now; new ones are submitted until one was due."""
        first_s = self.number + 1.0
        while True:
            self.number += 1
            self.scheduler.submit(detector, seen(self.number))
            with suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    while True:
                        result = await self.out.recv()
                        if result.detector == detector and result.start_s >= first_s:
                            return result

    async def until_far(self, *, judges: bool) -> DetectionResult:
        while True:
            result = await self.result("far")
            if (result.confidence is not None) == judges:
                return result


async def test_a_remote_that_hangs_holds_no_local_detector_up() -> None:
    def says(asked: Asked) -> Answer:
        return as_json(ABOUT) if asked.method == "GET" else Answer(hangs=True)

    with answering(says) as server:
        remote = far(server.url, failures=100)
        watch = Watch(remote)
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
            await watch.scheduler.load()
            task = group.create_task(watch.scheduler.run(watch.out))
            watch.scheduler.submit("far", seen(0))
            await until(lambda: [asked.method for asked in server.asked][-1] == "POST")
            for _ in range(20):
                assert (await watch.result("near")).confidence is not None
            assert server.at_once == 1, "twenty windows of the local one within one wait"
            server.end()
            assert (await watch.until_far(judges=False)).abstained
            watch.scheduler.close()
            await task
        remote.close()
    assert HealthState.FAILED not in [state for state, _ in watch.told()]


async def test_a_remote_that_goes_and_comes_back_is_reported_so_and_never_given_up() -> None:
    works = True

    def says(asked: Asked) -> Answer:
        if not works:
            return Answer(status=500)
        return as_json(ABOUT if asked.method == "GET" else REAL)

    with answering(says) as server:
        remote = far(server.url, failures=2)
        watch = Watch(remote)
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
            await watch.scheduler.load()
            task = group.create_task(watch.scheduler.run(watch.out))
            assert (await watch.result("far")).confidence == 0.1
            works = False
            for _ in range(12):
                assert (await watch.result("far")).confidence is None
            works = True
            assert (await watch.until_far(judges=True)).confidence == 0.1
            watch.scheduler.close()
            await task
        remote.close()
    away = "the remote detector is away: it failed (500); windows abstain until it answers"
    assert watch.told() == [
        (HealthState.STARTING, ""),
        (HealthState.UP, ""),
        (HealthState.DEGRADED, away),
        (HealthState.UP, ""),
    ]


async def test_a_remote_that_is_away_at_the_start_is_degraded_and_comes_up_by_itself() -> None:
    with answering(lambda asked: Answer(closes=True)) as server:
        remote = far(server.url)
        watch = Watch(remote)
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
            await watch.scheduler.load()
            task = group.create_task(watch.scheduler.run(watch.out))
            server.answer = lambda asked: as_json(REAL)
            assert (await watch.until_far(judges=True)).confidence == 0.1
            watch.scheduler.close()
            await task
        remote.close()
    states = [state for state, _ in watch.told()]
    assert states == [HealthState.STARTING, HealthState.DEGRADED, HealthState.UP]


async def test_refused_credentials_fail_the_remote_alone() -> None:
    with answering(lambda asked: as_json(ABOUT)) as server:
        remote = far(server.url, token="old")
        watch = Watch(remote)
        async with asyncio.timeout(LIMIT_S), asyncio.TaskGroup() as group:
            await watch.scheduler.load()
            task = group.create_task(watch.scheduler.run(watch.out))
            server.answer = lambda asked: Answer(status=401)
            watch.scheduler.submit("far", seen(0))
            while watch.told()[-1][0] is not HealthState.FAILED:  # noqa: ASYNC110 - it has no event
                await asyncio.sleep(0.01)
            assert (await watch.result("near")).confidence is not None
            watch.scheduler.close()
            await task
        remote.close()
    assert "check `token`" in watch.told()[-1][1]
    assert "old" not in watch.told()[-1][1]
