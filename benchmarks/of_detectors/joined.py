"""Detectors that hold detectors, against their members asked directly; and one elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

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
from streammon.core.types import Modality
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


@contextmanager
def elsewhere(folder: Path) -> Iterator[Contestant]:
    """`remote`: `voice_spoof` in another streammon on this machine, against the same in here."""
    settings = folder / "elsewhere.yaml"
    settings.write_text(yaml.safe_dump(CONFIG), encoding="utf-8")
    local = a_detector("voice_spoof", device="cpu", max_batch=MOST)
    with streammon(folder, "run", str(settings), "--port", "0", "--device", "cpu") as program:
        remote = a_detector(
            "remote", device="cpu", url=program.url(), modality="audio",
            window={"length": 2.0, "overlap": 0.5}, max_batch=MOST, timeout_s=30.0,
        )  # fmt: skip
        speech = recorded("studio_clean.mp4", local).judged_by(local)

        def bare(count: int) -> Thunk:
            batch = speech.deal(Modality.AUDIO, count, 0)
            return lambda: local.score(batch)

        about = "voice_spoof in another process of this machine, wall time"
        yield Contestant("remote", remote, speech, bare, about=about, in_wall_time=True)
        remote_any: Any = remote
        remote_any.close()
