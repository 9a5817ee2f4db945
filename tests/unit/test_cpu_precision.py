"""bfloat16 on the CPU: chosen by the configuration; refused or passed over where it is not."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from streammon.config import CacheConfig, SchedulerConfig
from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Health, Modality, StreamId, Window
from streammon.detectors.huggingface import HuggingFaceConfig
from streammon.detectors.mesonet import MesonetConfig
from streammon.detectors.torchscript import TorchScriptConfig
from streammon.detectors.voice_spoof import VoiceSpoofConfig
from streammon.flow.channel import Channel, WhenFull
from streammon.ingest.finite import Finite
from streammon.pipelines.examine import Examiner
from streammon.scheduler.cache import ResultCache
from streammon.scheduler.device import autocast, settle_cpu_precision
from streammon.scheduler.runner import Scheduler
from tests.fakes import CAM, Brightness, a_chunk, a_frame, a_window
from tests.keras_files import mesonet_file
from tests.speech import speech
from tests.tiny_models import Small, a_vit, a_wav2vec2, heard, seen, traced

BOUND = 0.03
"""How far a confidence may lie from that in float32."""


def has_bfloat16(monkeypatch: pytest.MonkeyPatch, there: bool) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: there)


# --- what is settled -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "there", "settled"),
    [
        ("float32", True, "float32"),
        ("float32", False, "float32"),
        ("bfloat16", True, "bfloat16"),
        ("auto", True, "bfloat16"),
        ("auto", False, "float32"),
    ],
)
def test_what_is_wanted_and_what_is_there_settle_it(
    wanted: Any, there: bool, settled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_bfloat16(monkeypatch, there)
    assert settle_cpu_precision(wanted) == settled


def test_a_processor_without_it_refuses_and_says_what_to_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has_bfloat16(monkeypatch, False)
    with pytest.raises(Permanent, match=r"scheduler\.cpu_precision.*float32, or to auto"):
        settle_cpu_precision("bfloat16")


def test_a_torch_that_cannot_tell_counts_as_without(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    with caplog.at_level(logging.INFO, "streammon"):
        assert settle_cpu_precision("auto") == "float32"
    assert [record.message for record in caplog.records] == ["cpu_precision"]


def test_only_matrices_are_multiplied_in_it_and_only_where_it_was_settled() -> None:
    ones = torch.ones(4, 4)
    with autocast("cpu", cpu="bfloat16"):
        assert (ones @ ones).dtype == torch.bfloat16
        assert (ones + ones).dtype == torch.float32
    with autocast("cpu"):
        assert (ones @ ones).dtype == torch.float32


# --- what detectors say in it --------------------------------------------------------------------


def voice(folder: Path) -> tuple[Detector, list[Window]]:
    pieces = [speech()[at : at + 32_000] for at in range(16_000, 16_000 * 9, 32_000)]
    windows = [a_window(replace(a_chunk(), pcm=piece), end_s=2.0) for piece in pieces]
    return VoiceSpoofConfig().build("d"), windows


def vit(folder: Path) -> tuple[Detector, list[Window]]:
    return HuggingFaceConfig(model=str(a_vit(folder))).build("d"), [seen(n) for n in range(4)]


def wav2vec2(folder: Path) -> tuple[Detector, list[Window]]:
    return HuggingFaceConfig(model=str(a_wav2vec2(folder))).build("d"), [heard(n) for n in range(4)]


def meso(folder: Path) -> tuple[Detector, list[Window]]:
    weights = mesonet_file(folder / "m.h5", "Meso4")
    settings = MesonetConfig(weights=weights, variant="Meso4", region="whole")
    return settings.build("d"), [seen(n, frames=2, height=90, width=160) for n in range(4)]


def script(folder: Path) -> tuple[Detector, list[Window]]:
    model = traced(Small(), torch.zeros(2, 3, 32, 32), folder / "s.pt")
    settings = TorchScriptConfig.model_validate({
        "model": model, "modality": "image", "trusted": True, "scores": {"synthetic": 1},
        "picture": {"size": (32, 32)},
    })  # fmt: skip
    return settings.build("d"), [seen(n) for n in range(4)]


@pytest.mark.parametrize("made", [voice, vit, wav2vec2, meso, script])
def test_confidences_agree_with_those_in_float32(
    made: Callable[[Path], tuple[Detector, list[Window]]], tmp_path: Path
) -> None:
    """Also on a processor that has to emulate it, as torch can."""
    detector, windows = made(tmp_path)
    detector.load("cpu")
    exact = [result.confidence for result in detector.score(windows)]
    with autocast("cpu", cpu="bfloat16"):
        coarse = [result.confidence for result in detector.score(windows)]
    assert None not in exact
    assert coarse == pytest.approx(exact, abs=BOUND)
    assert coarse != exact, "it was computed in another precision"


# --- who uses it ---------------------------------------------------------------------------------


class Multiplies(Brightness):
    """Says in which precision it was asked."""

    fingerprint = "multiplies@1"

    def __init__(self, name: str = "multiplies", *, on_device: bool = True) -> None:
        super().__init__(name)
        self.on_device = on_device
        self.seen: list[torch.dtype] = []

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        self.seen.append((torch.ones(2, 2) @ torch.ones(2, 2)).dtype)
        return super().score(batch)


@pytest.mark.parametrize("wanted", ["float32", "bfloat16"])
async def test_the_scheduler_asks_models_in_it_and_leaves_other_detectors_alone(
    wanted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    has_bfloat16(monkeypatch, True)
    model, other = Multiplies(), Multiplies("other", on_device=False)
    detectors = {each.name: each for each in (model, other)}
    none = CacheConfig(entries=0)  # both say the same of the same content
    settings = SchedulerConfig(device="cpu", cpu_precision=wanted, cpu_threads=1, cache=none)
    scheduler = Scheduler(detectors, settings, clock=MonotonicClock(), report=_ignored)
    scheduler.add_stream(StreamId("cam"), frozenset({Modality.VIDEO}))
    out: Channel[DetectionResult] = Channel("results", 8, WhenFull.BLOCK)
    await scheduler.load()
    async with asyncio.timeout(10.0), asyncio.TaskGroup() as group:
        group.create_task(scheduler.run(out))
        for name in detectors:
            scheduler.submit(name, a_window(a_frame(captured_ns=time.monotonic_ns())))
        for _ in detectors:
            await out.recv()
        scheduler.close()
    assert model.seen == [getattr(torch, wanted)]
    assert other.seen == [torch.float32]


async def test_the_scheduler_does_not_begin_where_it_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    has_bfloat16(monkeypatch, False)
    model = Multiplies()
    settings = SchedulerConfig(device="cpu", cpu_precision="bfloat16")
    scheduler = Scheduler({model.name: model}, settings, clock=MonotonicClock(), report=_ignored)
    with pytest.raises(Permanent, match="does not compute in bfloat16"):
        await scheduler.load()


def _ignored(health: Health) -> None:
    """What is told of health is not what is tested here."""


@pytest.mark.parametrize("wanted", ["float32", "bfloat16"])
def test_what_looks_at_recordings_uses_it_too(wanted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    has_bfloat16(monkeypatch, True)
    model = Multiplies()
    settings = SchedulerConfig(cpu_precision=wanted)
    examiner = Examiner({model.name: model}, device="cpu", limits=settings)
    source = Finite(CAM, Modality.VIDEO, lambda demand: iter([a_frame()]))
    assert len(list(examiner.examine(source).results())) == 1
    assert model.seen == [getattr(torch, wanted)]


def test_results_in_one_precision_are_not_taken_for_those_in_another() -> None:
    cache, model = ResultCache(CacheConfig()), Multiplies()
    model.load("cpu")
    windows = [a_window(a_frame())]

    def fresh(form: str) -> int:
        return cache.answer(model, "m", model.kind, windows, model.score, form=form).fresh

    assert [fresh(""), fresh("bfloat16"), fresh("bfloat16"), fresh("")] == [1, 1, 0, 0]
