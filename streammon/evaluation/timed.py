"""Measures how long a detector takes, from outside of it."""

from __future__ import annotations

import time
from array import array
from collections.abc import Mapping, Sequence

from streammon.core.ports import Detector, Elsewhere
from streammon.core.types import DetectionResult, Modality, Window, WindowSpec


class Timed:
    """Satisfies `ports.Detector` by asking another one; `window_s` is what each window took.

    A detector's first answer is not counted: it also warms up.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self.name, self.kind = detector.name, detector.kind
        self.inputs: Mapping[Modality, WindowSpec] = detector.inputs
        self.on_device, self.max_batch = detector.on_device, detector.max_batch
        self.window_s: Mapping[Modality, array[float]] = {
            modality: array("f") for modality in detector.inputs
        }
        self._is_warm = False
        if isinstance(detector, Elsewhere):
            self.longest_wait_s = detector.longest_wait_s

    def load(self, device: str) -> None:
        self._detector.load(device)

    def bucket(self, window: Window) -> str:
        return self._detector.bucket(window)

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        began_s = time.perf_counter()
        results = self._detector.score(batch)
        spent_s = time.perf_counter() - began_s
        if self._is_warm:
            self.window_s[batch[0].modality].extend([spent_s / len(batch)] * len(batch))
        self._is_warm = True
        return results
