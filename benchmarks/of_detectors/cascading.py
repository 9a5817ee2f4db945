"""What a cascade saves at equal recall, on scores that follow a stated law.

No pair of trained detectors of one kind, one cheap and one deep, comes with this project, so
confidences are drawn, not found. 300 streams of 40 windows; one stream in ten turns synthetic
half-way. For a window of label y (0 or 1), the latent of each stage is d * (y - 1/2) plus noise of
unit variance: half of that variance belongs to the stream, half to the window, and the stages'
noise correlates at 0.5. d is 1.8 for the cheap stage (AUC 0.90) and 3.3 for the deep one (0.99).
A confidence is the logistic of d times the latent: calibrated at even odds. The cascade is the
real one, its time is that of real networks: `voice_spoof`'s, and a wav2vec2 of 6 layers. What it
saves is for the share of deep looks over all windows; costs are measured on some of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.of_detectors.contestants import Network
from benchmarks.of_detectors.speed import Clock
from streammon.core.types import (
    AudioChunk,
    DetectionResult,
    Modality,
    StreamId,
    Window,
    WindowSpec,
)
from streammon.detectors.cascade import Cascade, CascadeConfig

STREAMS, WINDOWS, SYNTHETIC_SHARE = 300, 40, 0.1
APART = {"first": 1.8, "then": 3.3}
OF_STREAM, ALIKE = 0.5, 0.5
FPR = 0.01
BANDS = ((0.3, 0.7), (0.3, 1.0), (0.2, 1.0), (0.1, 1.0), (0.05, 1.0), (0.02, 1.0))
EQUAL = 0.99
"""A recall of at least this share of the deep stage's counts as equal."""


@dataclass(frozen=True, slots=True)
class Law:
    """(streams, windows): labels, and each stage's confidences."""

    labels: NDArray[np.bool_]
    confidences: Mapping[str, NDArray[np.float64]]


def drawn(seed: int = 7) -> Law:
    rng = np.random.default_rng(seed)
    labels = np.zeros((STREAMS, WINDOWS), dtype=bool)
    labels[: round(STREAMS * SYNTHETIC_SHARE), WINDOWS // 2 :] = True

    def noise() -> NDArray[np.float64]:
        stream, window = rng.normal(size=(STREAMS, 1)), rng.normal(size=(STREAMS, WINDOWS))
        return math.sqrt(OF_STREAM) * stream + math.sqrt(1 - OF_STREAM) * window

    shared = noise()
    latents = {
        name: apart * (labels - 0.5) + math.sqrt(ALIKE) * shared + math.sqrt(1 - ALIKE) * noise()
        for name, apart in APART.items()
    }
    sure = {name: 1 / (1 + np.exp(-APART[name] * latent)) for name, latent in latents.items()}
    return Law(labels, sure)


class Stage:
    """A detector that says what the law says, after asking a real network if it has one."""

    kind = "drawn"
    on_device = False
    max_batch = 64
    inputs: Mapping[Modality, WindowSpec] = {Modality.AUDIO: WindowSpec(2.0, 0.0)}

    def __init__(self, name: str, law: Law, ask: Callable[[int], object]) -> None:
        self.name = name
        self._sure = law.confidences[name]
        self._ask = ask

    def load(self, device: str) -> None:
        """Nothing to load."""

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        self._ask(len(batch))
        return [
            DetectionResult.of(
                window,
                detector=self.name,
                kind=self.kind,
                model_used="law",
                confidence=float(self._sure[int(window.stream), round(window.start_s / 2)]),
            )
            for window in batch
        ]


def windows_at(streams: Sequence[int], number: int) -> list[Window]:
    pcm = np.zeros(32_000, np.float32)
    found = []
    for each in streams:
        name, start_s = StreamId(str(each)), 2.0 * number
        chunk = AudioChunk(name, number, start_s, 0, pcm, 16_000, 16_000)
        found.append(Window(name, Modality.AUDIO, 0, start_s, start_s + 2.0, (chunk,)))
    return found


def a_cascade(first: Stage, then: Stage, band: tuple[float, float]) -> Cascade:
    made = CascadeConfig(first="first", then="then", band=band, most_streams=STREAMS).build(
        "cascade", {"first": first, "then": then}
    )
    made.load("cpu")
    return made


def recall(sure: NDArray[np.float64], labels: NDArray[np.bool_]) -> float:
    """Share of synthetic windows above the threshold that 1 % of the others reach."""
    return float((sure[labels] > np.quantile(sure[~labels], 1 - FPR)).mean())


def measure(
    cheap: Network, deep: Network, *, streams: int, turns: int
) -> tuple[dict[str, float], dict[str, Any]]:
    """The cheapest band of equal recall, and the time it saves on the middle of some streams."""
    law = drawn()
    alone = recall(law.confidences["then"], law.labels)
    bands: dict[str, dict[str, float]] = {}
    for band in BANDS:
        share, found = _offline(law, band)
        bands[_named(band)] = {"deep_share": share, "recall_ratio": found / alone}
    equal = [band for band in BANDS if bands[_named(band)]["recall_ratio"] >= EQUAL]
    chosen = min(equal, key=lambda band: bands[_named(band)]["deep_share"])
    name = _named(chosen)
    timing = _timed(law, chosen, cheap, deep, streams=streams, turns=turns)
    deep_ms = timing["deep_ms_per_window"]
    rest_ms = timing["cascade_ms_per_window"] - timing["timed_deep_share"] * deep_ms
    saved = 1 - bands[name]["deep_share"] - rest_ms / deep_ms
    usual = bands["0.3-0.7"]
    figures = {
        "cascade_time_saved": saved,
        "cascade_recall_ratio": bands[name]["recall_ratio"],
        "cascade_deep_share": bands[name]["deep_share"],
        "cascade_recall_ratio_default_band": usual["recall_ratio"],
        "cascade_deep_share_default_band": usual["deep_share"],
    }
    cheap_recall = recall(law.confidences["first"], law.labels)
    details = {
        "band": name, "bands": bands, "recall_deep_alone": alone, "recall_cheap": cheap_recall,
        **timing,
    }  # fmt: skip
    return figures, details


def _named(band: tuple[float, float]) -> str:
    return f"{band[0]:g}-{band[1]:g}"


def _offline(law: Law, band: tuple[float, float]) -> tuple[float, float]:
    """Share of windows that the second stage saw, and the recall; no network is asked."""
    stages = [Stage(name, law, lambda _: None) for name in APART]
    cascade = a_cascade(stages[0], stages[1], band)
    sure = np.zeros_like(law.confidences["first"])
    for number in range(WINDOWS):
        for at, result in enumerate(cascade.score(windows_at(range(STREAMS), number))):
            assert result.confidence is not None
            sure[at, number] = result.confidence
    return cascade.stats().escalated_share, recall(sure, law.labels)


def _timed(
    law: Law,
    band: tuple[float, float],
    cheap: Network,
    deep: Network,
    *,
    streams: int,
    turns: int,
) -> dict[str, float]:
    """What a window costs the cascade and the deep stage alone, both asked in turn."""
    first = Stage("first", law, _asks(cheap, streams))
    then = Stage("then", law, _asks(deep, streams))
    cascade, clock = a_cascade(first, then, band), Clock("cpu")
    some = range(0, STREAMS, STREAMS // streams)
    middle = (WINDOWS - turns) // 2
    calls = [windows_at(some, middle + number) for number in range(turns)]
    both_s = [
        (clock.of(partial(cascade.score, each)), clock.of(partial(then.score, each)))
        for each in calls
    ]
    spent_s, alone_s = (sum(each) for each in zip(*both_s, strict=True))
    return {
        "timed_windows": float(streams * turns),
        "timed_deep_share": cascade.stats().escalated_share,
        "cascade_ms_per_window": 1000 * spent_s / (streams * turns),
        "deep_ms_per_window": 1000 * alone_s / (streams * turns),
    }


def _asks(network: Network, most: int) -> Callable[[int], object]:
    """Asks a bare network about so many windows."""
    import torch

    ready = {count: network.inputs(count) for count in range(1, most + 1)}

    def ask(count: int) -> object:
        with torch.inference_mode():
            return network.ask(network.module, ready[count])

    ask(1)
    return ask
