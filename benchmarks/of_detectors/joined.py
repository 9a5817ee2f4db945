"""Detectors that hold detectors, against their members asked directly; and one elsewhere.

The bare model of `remote` is the remote service itself: the same requests, with bodies that are
ready, sent to the same process by a plain client of httpx over connections that are kept open, as
many at a time as the detector sends. Both are taken in wall time, which is that of the other side
for the most part. What asking another process costs over asking the same detector in this one is
told apart, as `remote_over_local`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from benchmarks.of_detectors.contestants import (
    MOST,
    Contestant,
    Thunk,
    a_detector,
    of_onnx,
)
from benchmarks.of_detectors.reels import DEMO, Reel, recorded
from streammon.core.ports import Detector
from streammon.core.types import Modality, Window
from streammon.detectors.remote import RemoteConfig
from streammon.detectors.remote_content import media_of
from streammon.registry import DETECTORS, adapter_class
from tests.e2e.program import streammon


def combinators(folder: Path, device: str) -> list[Contestant]:
    """`ensemble` and `cascade` of two detectors of speech, `multimodal` of speech and picture.

    The cascade asks its second member about every window here, so that its own work is what is
    left; what it saves is measured apart.
    """
    voice = a_detector("voice_spoof", device=device, name="voice", max_batch=MOST)
    other = of_onnx(folder, device).detector
    picture = a_detector(
        "torchscript", device=device, name="picture", model=folder / "look.pt", trusted=True,
        modality="image", scores={"synthetic": 1}, max_batch=MOST,
    )  # fmt: skip
    two = {"voice": voice, "onnx": other}
    speech = recorded("studio_clean.mp4", voice).judged_by(voice)
    both = {"voice": voice, "picture": picture}
    return [
        _joined("ensemble", {"members": tuple(two)}, two, speech, device),
        _joined(
            "cascade", {"first": "voice", "then": "onnx", "band": (0.0, 1.0)}, two, speech, device
        ),
        _joined("multimodal", {"members": tuple(both)}, both, None, device),
    ]


def _joined(
    tag: str,
    settings: Mapping[str, Any],
    members: Mapping[str, Detector],
    reel: Reel | None,
    device: str,
) -> Contestant:
    made: Any = adapter_class(DETECTORS, tag)(**{"type": tag, **settings})
    detector: Detector = made.build(tag, members)
    detector.load(device)
    windows = recorded("studio_clean.mp4", detector) if reel is None else reel

    def bare(count: int) -> Thunk:
        asked = [
            (member, windows.deal(modality, count, 0))
            for member in members.values()
            for modality in member.inputs
        ]
        return lambda: [member.score(batch) for member, batch in asked]

    return Contestant(tag, detector, windows, bare, about=f"of {' and '.join(members)}")


CHAT = {"type": "chat_jsonl", "path": str(DEMO / "chat_clean.jsonl"), "loop": True}
CONFIG = {
    "name": "elsewhere",
    "sources": {"chat": CHAT},
    "detectors": {"voice_spoof": {}},
    "outbox": {"path": ":memory:"},
    "scheduler": {"cpu_threads": 1},
}


LOCAL = "remote_local"
"""Who is asked to compare it with the same detector in this process."""


class PlainClient:
    """The service as anyone would call it: bytes out, bytes back, nothing made of them."""

    def __init__(self, url: str, places: int) -> None:
        self._runner = asyncio.Runner()
        limits = httpx.Limits(max_connections=places, max_keepalive_connections=places)
        self._client = httpx.AsyncClient(
            base_url=url, limits=limits, timeout=httpx.Timeout(30.0), trust_env=False
        )

    def post(self, bodies: Sequence[bytes]) -> list[bytes]:
        return self._runner.run(self._post(bodies))

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    async def _post(self, bodies: Sequence[bytes]) -> list[bytes]:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._one(body)) for body in bodies]
        return [task.result() for task in tasks]

    async def _one(self, body: bytes) -> bytes:
        answer = await self._client.post(
            "/detect?modality=audio", content=body, headers={"Content-Type": "audio/wav"}
        )
        answer.raise_for_status()
        return answer.content


@contextmanager
def elsewhere(folder: Path) -> Iterator[list[Contestant]]:
    """`remote` with `voice_spoof` in another streammon on this machine, twice: against the service
    called plainly, and against the same detector in here.
    """
    settings = folder / "elsewhere.yaml"
    settings.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    local = a_detector("voice_spoof", device="cpu", max_batch=MOST)
    speech = recorded("studio_clean.mp4", local).judged_by(local)
    with streammon(folder, "run", str(settings), "--port", "0", "--device", "cpu") as program:
        asked = RemoteConfig.model_validate({
            "url": program.url(), "modality": "audio", "window": {"length": 2.0, "overlap": 0.5},
            "max_batch": MOST, "timeout_s": 30.0,
        })  # fmt: skip
        remote: Any = asked.build("remote")
        remote.load("cpu")
        client = PlainClient(asked.url, asked.concurrency)
        remote.score(speech.deal(Modality.AUDIO, 1, 0))  # the other side loads its models now

        def body(window: Window) -> bytes:
            quality = asked.jpeg_quality
            return media_of(window, "audio", frames=asked.frames, jpeg_quality=quality).data

        def plainly(count: int) -> Thunk:
            bodies = [body(window) for window in speech.deal(Modality.AUDIO, count, 0)]
            return lambda: client.post(bodies)

        def in_here(count: int) -> Thunk:
            batch = speech.deal(Modality.AUDIO, count, 0)
            return lambda: local.score(batch)

        about = "voice_spoof in another process of this machine, wall time, against"
        try:
            yield [
                Contestant(
                    "remote", remote, speech, plainly, about=f"{about} plain HTTP",
                    in_wall_time=True,
                ),
                Contestant(
                    LOCAL, remote, speech, in_here, about=f"{about} the same in here",
                    in_wall_time=True,
                ),
            ]  # fmt: skip
        finally:
            remote.close()
            client.close()
