"""Small real detectors to put into combinators: what they say is written in the picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from streammon.core.types import (
    DetectionResult,
    Modality,
    StreamId,
    VideoFrame,
    Window,
    WindowSpec,
)
from tests.fakes import CAM, a_chunk, a_frame, a_window

VIDEO = WindowSpec(2.0, 0.0, frame_interval_s=0.5)
Act = Callable[[Sequence[Window]], Sequence[DetectionResult]]


class Panelist:
    """Says the mean brightness of the first frame, or what it is told to; 1.0 is white.

    `act` replaces the whole of `score`; `silent` makes it abstain. What it saw is in `seen`.
    """

    def __init__(
        self,
        name: str,
        *,
        kind: str = "forged",
        inputs: Mapping[Modality, WindowSpec] | None = None,
        act: Act | None = None,
        says: float | None = None,
        silent: str | None = None,
        max_batch: int = 8,
        on_device: bool = False,
    ) -> None:
        self.name = name
        self.kind = kind
        self.inputs: Mapping[Modality, WindowSpec] = inputs or {Modality.VIDEO: VIDEO}
        self.on_device = on_device
        self.max_batch = max_batch
        self.act = act
        self.says = says
        self.silent = silent
        self.loaded: list[str] = []
        self.seen: list[tuple[Window, ...]] = []

    def load(self, device: str) -> None:
        self.loaded.append(device)

    def bucket(self, window: Window) -> str:
        return f"{len(window.items)}"

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        self.seen.append(tuple(batch))
        return self.plainly(batch) if self.act is None else self.act(batch)

    def plainly(self, batch: Sequence[Window]) -> list[DetectionResult]:
        return [self.of(window) for window in batch]

    def of(self, window: Window) -> DetectionResult:
        confidence = None if self.silent else self._level(window)
        return DetectionResult.of(
            window,
            detector=self.name,
            kind=self.kind,
            model_used=f"{self.name}@1",
            confidence=confidence,
            abstained=self.silent,
        )

    def _level(self, window: Window) -> float:
        if self.says is not None:
            return self.says
        frame = window.items[0]
        assert isinstance(frame, VideoFrame)
        return float(frame.image_rgb.mean()) / 255.0


class Weighty(Panelist):
    """One whose weights can leave the device."""

    @property
    def resident_bytes(self) -> int:
        return 1000 if self.loaded and self.loaded[-1] != "out" else 0

    def unload(self) -> None:
        self.loaded.append("out")


class Distant(Panelist):
    """One that waits for another machine."""

    longest_wait_s = 4.0


def shot(
    level: float = 0.0,
    *,
    stream: str = CAM,
    start_s: float = 0.0,
    length_s: float = 2.0,
    captured_s: float | None = None,
    epoch: int = 0,
) -> Window:
    """A window of frames every 0.5 s, all of one brightness."""
    frames = [
        a_frame(
            at,
            media_s=start_s + at / 2,
            stream=StreamId(stream),
            epoch=epoch,
            image_rgb=np.full((4, 4, 3), round(255 * level), np.uint8),
        )
        for at in range(round(2 * length_s))
    ]
    end_s = start_s + length_s
    frames[-1] = replace(
        frames[-1], captured_ns=round(1e9 * (end_s if captured_s is None else captured_s))
    )
    return a_window(*frames, end_s=end_s)


def heard(*, start_s: float = 0.0, length_s: float = 2.0, epoch: int = 0) -> Window:
    """A window of a steady tone on the same stream."""
    chunk = a_chunk(media_s=start_s, duration_s=length_s, epoch=epoch)
    return a_window(chunk, end_s=start_s + length_s)
