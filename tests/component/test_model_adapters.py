"""Models that misbehave, through the real scheduler: contained, named, and others go on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from streammon.config import SchedulerConfig
from streammon.core.ports import Detector
from streammon.core.types import AudioChunk, HealthState, Modality, StreamId, Window
from streammon.detectors.huggingface import HuggingFaceConfig
from streammon.detectors.onnx import OnnxConfig
from streammon.detectors.torch_export import TorchExportConfig
from tests.fakes import Brightness, a_frame, a_window
from tests.tiny_models import PICTURE, Hears, Small, a_picture, a_vit, exported, heard, onnx_file
from tests.watch import Watch, running, until

STREAMS = [f"s{number}" for number in range(4)]
BOTH = frozenset({Modality.VIDEO, Modality.AUDIO})
LOOK = {"size": (PICTURE, PICTURE)}


def watching(*detectors: Detector) -> Watch:
    """Of several streams with picture and sound."""
    settings = SchedulerConfig(device="cpu", cpu_threads=1)
    return Watch(*detectors, settings=settings, streams=STREAMS, modalities=BOTH)


async def why_failed(watch: Watch, detector: str) -> str:
    """Why the scheduler gives the detector up, once it does."""
    await until(lambda: watch.cause(detector))
    return watch.cause(detector)


def shown(stream: str, number: int = 0, *, black: bool = False) -> Window:
    image = np.zeros((45, 60, 3), np.uint8) if black else a_picture(number)
    frame = a_frame(
        number,
        stream=StreamId(stream),
        image_rgb=image,
        media_s=float(number),
        captured_ns=time.monotonic_ns(),
    )
    return a_window(frame)


def an_export(folder: Path, name: str, model: nn.Module, **more: Any) -> Detector:
    path = exported(model, torch.zeros(2, 3, PICTURE, PICTURE), folder / f"{name}.pt2")
    said = {"model": path, "trusted": True, "modality": "image", "picture": LOOK, **more}
    return TorchExportConfig.model_validate({"scores": {"synthetic": 1}, **said}).build(name)


class NoNumber(Small):
    """Says NaN of black pictures."""

    def forward(self, pictures: Tensor) -> Tensor:
        black = pictures.mean((1, 2, 3))[:, None] < 0.01
        return torch.where(black, torch.nan, super().forward(pictures))


async def test_models_of_several_kinds_judge_batches_of_many_streams(tmp_path: Path) -> None:
    vit = HuggingFaceConfig(model=str(a_vit(tmp_path / "vit")), kind="face_forgery").build("vit")
    small = an_export(tmp_path, "small", Small())
    watch = watching(vit, small)
    async with running(watch):
        for number, stream in enumerate(STREAMS):
            for name in ("vit", "small"):
                watch.scheduler.submit(name, shown(stream, number))
        results = await watch.results(2 * len(STREAMS))
    assert {(str(result.stream), result.kind) for result in results} == {
        (stream, kind) for stream in STREAMS for kind in ("face_forgery", "synthetic_image")
    }
    assert all(result.confidence is not None for result in results)
    assert all(result.details["calibrated"] is False for result in results)


async def test_no_number_for_one_stream_is_an_abstention_for_that_stream(tmp_path: Path) -> None:
    watch = watching(an_export(tmp_path, "nan", NoNumber()))
    async with running(watch):
        for stream in STREAMS:
            watch.scheduler.submit("nan", shown(stream, black=stream == "s2"))
        results = await watch.results(len(STREAMS))
    reasons = {str(result.stream): result.abstained for result in results}
    assert reasons == {
        "s0": None, "s1": None, "s2": "the model gave no number", "s3": None,
    }  # fmt: skip
    assert watch.states("detector:nan")[-1] is HealthState.UP


async def test_a_model_that_lies_about_its_labels_fails_alone_and_names_both(
    tmp_path: Path,
) -> None:
    folder = a_vit(tmp_path / "vit", labels=("cat", "dog"))
    liar = HuggingFaceConfig(model=str(folder), synthetic=("fake",)).build("liar")
    watch = watching(liar, Brightness())
    async with running(watch):
        cause = await why_failed(watch, "liar")
        watch.scheduler.submit("liar", shown("s0"))
        watch.scheduler.submit("brightness", shown("s0"))
        (result,) = await watch.results(1)
    assert "'fake'" in cause
    assert "0 (cat), 1 (dog)" in cause
    assert result.detector == "brightness"


class Misbehaves:
    """An opened model that is fine at first and goes wrong once it is in use."""

    def __init__(self, inner: Any, how: str) -> None:
        self._inner = inner
        self._how = how

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def outputs(self, windows: Sequence[Window]) -> Any:
        found = self._inner.outputs(windows)
        if self._how == "raises":
            raise RuntimeError("CUDA error: device-side assert triggered")
        return {"count": found[:-1], "classes": found[:, :1], "shape": found[None]}[self._how]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("count", r"ValueError: 1 inputs to a model of 2 outputs gave an output of shape (0, 2)"),
        ("classes", "gave an output of shape (1, 1)"),
        ("shape", "the model gave an output of shape (1, 1, 2)"),
        ("raises", "RuntimeError: CUDA error"),
    ],
)
async def test_a_model_that_goes_wrong_in_use_loses_batches_then_fails_alone(
    tmp_path: Path, how: str, said: str
) -> None:
    bad: Any = an_export(tmp_path, "bad", Small(), max_batch=1)
    open_well = bad._open
    bad._open = lambda device: Misbehaves(open_well(device), how)
    watch = watching(bad, Brightness())
    async with running(watch):
        for number in range(8):
            watch.scheduler.submit("bad", shown("s0", number))
            watch.scheduler.submit("brightness", shown("s0", number))
            await watch.results(1)
            if watch.cause("bad"):
                break
        cause = await why_failed(watch, "bad")
        watch.scheduler.submit("brightness", shown("s1"))
        (result,) = await watch.results(1)
    assert said in cause
    assert result.detector == "brightness"


async def test_sound_of_another_rate_is_the_same_sound_to_the_model(tmp_path: Path) -> None:
    path = exported(Hears(), torch.zeros(2, 8_000), tmp_path / "hears.pt2")
    voice = TorchExportConfig.model_validate(
        {
            "model": path,
            "trusted": True,
            "modality": "audio",
            "sound": {"rate_hz": 8_000, "samples": 8_000},
            "scores": {"synthetic": 1},
        }
    ).build("voice")
    wide = heard(1, duration_s=1.0)
    chunk = wide.items[0]
    assert isinstance(chunk, AudioChunk)
    other = replace(chunk, pcm=chunk.pcm[::2], rate_hz=8_000, stream=StreamId("s2"))
    narrow = replace(wide, items=(other,), stream=other.stream)
    watch = watching(voice)
    async with running(watch):
        watch.scheduler.submit("voice", wide)
        watch.scheduler.submit("voice", narrow)
        results = await watch.results(2)
    first, second = (result.confidence for result in results)
    assert first == pytest.approx(second, abs=0.05)


async def test_a_fixed_batch_of_one_serves_many_streams(tmp_path: Path) -> None:
    weights = np.random.default_rng(1).normal(0, 0.1, (192, 2)).astype(np.float32)
    path = onnx_file(tmp_path / "one.onnx", weights=weights, shape=[1, 3, 8, 8])
    said = {"model": path, "modality": "image", "picture": {"size": (8, 8)}}
    one = OnnxConfig.model_validate({**said, "scores": {"synthetic": 1}}).build("one")
    watch = watching(one)
    async with running(watch):
        for number, stream in enumerate(STREAMS):
            watch.scheduler.submit("one", shown(stream, number))
        results = await watch.results(len(STREAMS))
    assert len({result.confidence for result in results}) == len(STREAMS)
