"""What a detector says of a stream: cut into its windows as in a monitor, and scored in turn."""

from __future__ import annotations

from collections.abc import Iterable

from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Item, Window
from streammon.pipelines.streams import Look, Stream
from tests.fakes import ScriptedSource


def results_of(detector: Detector, items: Iterable[Item]) -> list[DetectionResult]:
    """One result for each window of a finished stream, in the order in which they are cut."""
    detector.load("cpu")
    windows: list[Window] = []
    stream = Stream(
        ScriptedSource("cam", [], modalities=frozenset(detector.inputs)),
        [Look(detector.name, modality, spec) for modality, spec in detector.inputs.items()],
        submit=lambda _, window: windows.append(window),
    )
    for item in items:
        stream.take(item)
    stream.finish()
    return [result for window in windows for result in detector.score([window])]
