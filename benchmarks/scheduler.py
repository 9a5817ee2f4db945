"""What the scheduler costs and keeps: throughput, age of windows under load, fairness.

64 streams of speech, each looked at by `voice_spoof` and by a larger torch model. The bare loop,
on one thread of the same device in the same run, scores full batches of the same windows with the
same detectors and does nothing else. Load is a share of what the scheduler was measured to do,
reached by how often each stream gives a window.

`--quick` takes throughput from 4 rounds of 3 s, each between two measurements of the bare loop of
0.5 s a detector, and the age of windows from 4 s at 50 and 80 % load, after 1 s to get going, and
from 12 s at 120 %, after 2.5 s in which the plan settles.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import statistics
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from numpy.typing import NDArray

import streammon
from benchmarks.report import parse_args, write
from streammon.config import CacheConfig, SchedulerConfig
from streammon.core.clock import MonotonicClock
from streammon.core.ports import Detector
from streammon.core.types import (
    AudioChunk,
    DetectionResult,
    Health,
    Modality,
    StreamId,
    Window,
    WindowSpec,
)
from streammon.detectors.voice_spoof import VoiceSpoof, VoiceSpoofConfig
from streammon.flow.channel import Channel, WhenFull
from streammon.scheduler.device import choose_device, to_device, tune_threads
from streammon.scheduler.runner import Scheduler
from streammon.scheduler.tally import SchedulerStats, percentiles
from streammon.scheduler.thread import DeviceThread

SPEECH = Path(streammon.__file__).with_name("demo") / "studio_clean.mp4"
STREAMS = [StreamId(f"s{number:02}") for number in range(64)]
RATE_HZ = 16_000
LENGTH_S = 2.0
LOADS = (50, 80, 120)
TICK_S = 0.01


class Spectra(torch.nn.Module):
    """A convolutional network over log spectra: stands for any larger sound model."""

    def __init__(self, width: int) -> None:
        super().__init__()
        sizes = [1, width, 2 * width, 4 * width, 8 * width]
        layers: list[torch.nn.Module] = []
        for taken, given in itertools.pairwise(sizes):
            stride = 4 if taken == 1 else 2
            layers += [
                torch.nn.Conv2d(taken, given, 5, stride=stride, padding=2, bias=False),
                torch.nn.BatchNorm2d(given),
                torch.nn.ReLU(inplace=True),
            ]
        self.body = torch.nn.Sequential(*layers)
        self.head = torch.nn.Linear(sizes[-1], 1)
        self.register_buffer("taper", torch.hann_window(512))

    def forward(self, pcm: torch.Tensor) -> torch.Tensor:
        taper = self.get_buffer("taper")
        spectra = torch.stft(pcm, 512, 256, window=taper, return_complex=True).abs()
        body: torch.Tensor = self.body(spectra.clamp_min(1e-5).log().unsqueeze(1))
        scores: torch.Tensor = self.head(body.mean((2, 3))).squeeze(1)
        return scores


class SpectraDetector:
    """`Spectra` as a detector; untrained, for only its cost matters here."""

    on_device = True
    name = kind = "large"
    max_batch = 32

    def __init__(self) -> None:
        self.inputs: Mapping[Modality, WindowSpec] = {Modality.AUDIO: WindowSpec(LENGTH_S, 0.5)}
        self.model = Spectra(54)
        self._device = ""

    def load(self, device: str) -> None:
        if self._device == device:
            return  # every scheduler loads it again, and warm it is
        self._device = device
        self.model = self.model.eval().to(torch.device(device))
        with torch.inference_mode():
            self.model(torch.zeros((self.max_batch, 2 * RATE_HZ), device=torch.device(device)))

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        pcm = np.stack([pcm_of(window) for window in batch])
        with torch.inference_mode():
            confidences = self.model(to_device(pcm, self._device)).sigmoid().cpu().tolist()
        return [
            DetectionResult(
                stream=window.stream,
                detector=self.name,
                kind=self.kind,
                modality=window.modality,
                epoch=window.epoch,
                start_s=window.start_s,
                end_s=window.end_s,
                captured_ns=window.captured_ns,
                confidence=confidence,
                model_used=self.name,
            )
            for window, confidence in zip(batch, confidences, strict=True)
        ]


def pcm_of(window: Window) -> NDArray[np.float32]:
    chunk = window.items[0]
    assert isinstance(chunk, AudioChunk)
    return chunk.pcm


def speech() -> NDArray[np.float32]:
    """The sound of a bundled recording, 16 kHz mono."""
    resampler = av.AudioResampler(format="fltp", layout="mono", rate=RATE_HZ)
    with av.open(str(SPEECH)) as container:
        pieces = [
            piece.to_ndarray()[0]
            for frame in container.decode(audio=0)
            for piece in resampler.resample(frame)
        ]
    return np.concatenate(pieces).astype(np.float32)


def make_windows(judge: Detector) -> dict[StreamId, Window]:
    """One window of two seconds for each stream, of such speech as `judge` does not refuse."""
    pcm, length, hop = speech(), 2 * RATE_HZ, RATE_HZ // 4
    cuts = [pcm[at : at + length] for at in range(0, len(pcm) - length, hop)]
    candidates = [window_of(STREAMS[0], cut) for cut in cuts]
    results = [result for window in candidates for result in judge.score([window])]
    judged = [cut for cut, result in zip(cuts, results, strict=True) if not result.abstained]
    return {
        stream: window_of(stream, cut)
        for stream, cut in zip(STREAMS, itertools.cycle(judged), strict=False)
    }


def window_of(stream: StreamId, pcm: NDArray[np.float32]) -> Window:
    chunk = AudioChunk(
        stream=stream,
        seq=0,
        media_s=0.0,
        captured_ns=0,
        pcm=pcm,
        rate_hz=RATE_HZ,
        source_rate_hz=RATE_HZ,
    )
    return Window(stream, Modality.AUDIO, 0, 0.0, 2.0, (chunk,))


@dataclass
class Bench:
    voice: VoiceSpoof
    large: SpectraDetector
    windows: dict[StreamId, Window]
    device: str
    threads: int
    bare_hz: dict[str, list[float]] = field(default_factory=dict)

    @property
    def detectors(self) -> dict[str, Detector]:
        return {"voice_spoof": self.voice, "large": self.large}

    def busy_s(self, scored: Mapping[str, int], *, last: int = 0) -> float:
        """How long the bare loop takes for so many windows of each detector.

        By all of its measurements, or by the last ones: those just before and just after.
        """
        return sum(
            count / statistics.mean(self.bare_hz[name][-last:]) for name, count in scored.items()
        )

    def capacity_hz(self, *, last: int = 0) -> float:
        """Windows per second, each looked at by every detector, that the bare loop can do."""
        return 1.0 / self.busy_s(dict.fromkeys(self.detectors, 1), last=last)


@dataclass
class Run:
    """What one run under a given load gave, after its warm-up."""

    seconds: float
    submitted: Counter[str] = field(default_factory=Counter)
    scored: Counter[str] = field(default_factory=Counter)
    by_stream: Counter[tuple[str, StreamId]] = field(default_factory=Counter)
    ages_s: list[float] = field(default_factory=list)
    stats: SchedulerStats | None = None

    def percentiles(self) -> dict[str, float]:
        values = percentiles(self.ages_s, (50, 95, 99))
        return dict(zip(("p50_s", "p95_s", "p99_s"), values, strict=True))

    def fairness(self) -> float:
        """Smallest share of any stream over the largest, of the worse served detector."""
        return min(
            min(counts) / max(counts)
            for name in self.scored
            for counts in [[self.by_stream[name, stream] for stream in STREAMS]]
        )


def bare_loop(bench: Bench, name: str, seconds: float) -> float:
    """Windows per second of one detector in a plain loop over full batches, on its thread."""
    detector = bench.detectors[name]
    batches = itertools.cycle(
        list(bench.windows.values())[at : at + detector.max_batch]
        for at in range(0, len(STREAMS), detector.max_batch)
    )
    count, started_s = 0, time.perf_counter()
    while time.perf_counter() - started_s < seconds:
        count += len(detector.score(next(batches)))
    return count / (time.perf_counter() - started_s)


def measure_bare(bench: Bench, seconds: float) -> None:
    for name in bench.detectors:
        bench.bare_hz.setdefault(name, []).append(bare_loop(bench, name, seconds))


async def feed(scheduler: Scheduler, bench: Bench, run: Run, rate_hz: float, warm_s: float) -> None:
    """Offer windows of all streams at `rate_hz` per stream, the streams in turn."""
    clock = MonotonicClock()
    started_ns, sent = clock.now_ns(), 0
    while (passed_s := (clock.now_ns() - started_ns) / 1e9) < warm_s + run.seconds:
        while sent < passed_s * rate_hz * len(STREAMS):
            number, turn = divmod(sent, len(STREAMS))
            window = at_time(bench.windows[STREAMS[turn]], number / rate_hz, clock.now_ns())
            sent += 1
            for name in bench.detectors:
                scheduler.submit(name, window)
                run.submitted[name] += passed_s >= warm_s
        await clock.sleep(TICK_S)


def at_time(window: Window, start_s: float, now_ns: int) -> Window:
    chunk = window.items[0]
    assert isinstance(chunk, AudioChunk)
    moved = replace(chunk, media_s=start_s, captured_ns=now_ns)
    return replace(window, start_s=start_s, end_s=start_s + LENGTH_S, items=(moved,))


async def collect(out: Channel[DetectionResult], run: Run, warm_s: float) -> None:
    clock = MonotonicClock()
    started_ns = clock.now_ns()
    async for result in out:
        now_ns = clock.now_ns()
        if 0 <= (now_ns - started_ns) / 1e9 - warm_s <= run.seconds:
            run.scored[result.detector] += 1
            run.by_stream[result.detector, result.stream] += 1
            run.ages_s.append((now_ns - result.captured_ns) / 1e9)


async def under_load(bench: Bench, rate_hz: float, *, seconds: float, warm_s: float) -> Run:
    """Run the scheduler with so many windows a second and stream."""
    run, health = Run(seconds), list[Health]()
    for detector in (bench.large, bench.voice):
        length_s = max(LENGTH_S, 1 / rate_hz)
        detector.inputs = {Modality.AUDIO: WindowSpec(length_s, length_s - 1 / rate_hz)}
    settings = SchedulerConfig(
        device=bench.device,
        cpu_threads=bench.threads,
        idle_interval_s=1 / rate_hz,  # all are equals: none has to wait for being calm
        cache=CacheConfig(entries=0),  # the same windows come again here: each is to be scored
    )
    scheduler = Scheduler(bench.detectors, settings, clock=MonotonicClock(), report=health.append)
    for stream in STREAMS:
        scheduler.add_stream(stream, frozenset({Modality.AUDIO}))
    out: Channel[DetectionResult] = Channel("results", 256, WhenFull.BLOCK)
    await scheduler.load()
    async with asyncio.TaskGroup() as group:
        group.create_task(collect(out, run, warm_s))
        running = group.create_task(scheduler.run(out))
        await feed(scheduler, bench, run, rate_hz, warm_s)
        run.stats = scheduler.stats()
        scheduler.close()
        await running
        out.close()
    return run


def details_of(run: Run) -> dict[str, Any]:
    assert run.stats is not None
    return {
        **run.percentiles(),
        "submitted": dict(run.submitted),
        "scored": dict(run.scored),
        "fairness": run.fairness(),
        "degraded": run.stats.degraded,
        "detectors": {
            name: {
                "stretch": each.stretch,
                "mean_batch": each.mean_batch,
                "fixed_s": each.fixed_s,
                "per_window_s": each.per_window_s,
                "replaced": each.replaced,
                "not_due": each.not_due,
            }
            for name, each in run.stats.detectors.items()
        },
        "devices": {
            name: {"asked": each.asked, "planned": each.planned}
            for name, each in run.stats.devices.items()
        },
    }


async def measure(*, quick: bool) -> tuple[dict[str, float], dict[str, Any]]:
    thread = DeviceThread("cpu")
    device = (await thread.start(choose_device, "auto")).device
    threads = await thread.start(tune_threads, None)
    large, voice = SpectraDetector(), VoiceSpoofConfig().build("voice_spoof")
    await thread.start(large.load, device)
    await thread.start(voice.load, device)
    bench = Bench(voice, large, await thread.start(make_windows, voice), device, threads)
    rounds, bare_s, full_s, load_s = (4, 0.5, 3.0, 4.0) if quick else (12, 1.0, 4.0, 20.0)
    ratios, saturated = [], []
    await thread.start(measure_bare, bench, bare_s)
    for _ in range(rounds):
        rate_hz = 2 * bench.capacity_hz(last=1) / len(STREAMS)
        full = await under_load(bench, rate_hz, seconds=full_s, warm_s=0.5)
        await thread.start(measure_bare, bench, bare_s)
        ratios.append(bench.busy_s(full.scored, last=2) / full_s)
        saturated.append(details_of(full))
    figures = {"throughput_over_bare": statistics.median(ratios)}
    details: dict[str, Any] = {"ratios": ratios, "saturated": saturated[-1]}
    for load in LOADS:
        if load > LOADS[0]:  # before the first it was just measured
            await thread.start(measure_bare, bench, bare_s)
        capacity_hz = figures["throughput_over_bare"] * bench.capacity_hz(last=1)
        rate_hz = load / 100 * capacity_hz / len(STREAMS)
        seconds = load_s if load < 100 else 3 * load_s
        warm_s = 2.5 if load > 100 or not quick else 1.0  # below, the plan has nothing to settle
        run = await under_load(bench, rate_hz, seconds=seconds, warm_s=warm_s)
        figures[f"age_p95_s_at_{load}"] = run.percentiles()["p95_s"]
        figures["fairness"] = run.fairness()
        details[f"at_{load}"] = {"capacity_hz": capacity_hz, **details_of(run)}
    await thread.stop()
    details |= {
        "device": device,
        "threads": threads,
        "bare_hz": bench.bare_hz,
        "large_parameters": sum(weight.numel() for weight in large.model.parameters()),
    }
    return figures, details


def main() -> None:
    logging.disable(logging.INFO)
    args = parse_args(__doc__ or "")
    figures, details = asyncio.run(measure(quick=args.quick))
    write(figures, details, args)


if __name__ == "__main__":
    main()
