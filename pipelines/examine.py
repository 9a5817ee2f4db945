"""One recording through detectors: every window, in media order, with no clock and no concurrency.

What `replay`, `eval` and `detect` have in common. The same input gives the same results.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from streammon.core.errors import Permanent
from streammon.core.ports import Detector, Recording, Source
from streammon.core.types import DetectionResult, Item, Modality, Window
from streammon.pipelines.streams import Look, Stream


@dataclass(frozen=True, slots=True)
class FixedDemand:
    """What every detector of an examination wants; satisfies `ports.Demand`."""

    frame_interval_s: float | None
    audio: bool


class Examiner:
    """Loaded detectors, ready to look at one recording after another."""

    def __init__(self, detectors: Mapping[str, Detector], *, device: str) -> None:
        """Load every detector. Raises `Permanent` for one that cannot be loaded."""
        self._detectors = dict(detectors)
        for detector in self._detectors.values():
            detector.load(device if detector.on_device else "cpu")

    def examine(self, source: Source) -> Examination:
        """Begin with one recording. Raises `Permanent` for a source that is not one."""
        if not isinstance(source, Recording):
            raise Permanent(f"{source.stream}: only recordings can be replayed, not live sources")
        looks = [
            Look(name, modality, spec)
            for name, detector in self._detectors.items()
            for modality, spec in detector.inputs.items()
            if modality in source.modalities
        ]
        return Examination(source, source.items(_demand(looks)), looks, self._score)

    def _score(self, name: str, window: Window) -> DetectionResult:
        """Each window alone: the same as live, whatever the load."""
        (result,) = self._detectors[name].score([window])
        return replace(result, processing_time_s=0.0)


class Examination:
    """One recording on its way: `stream` says how far it has come."""

    def __init__(
        self,
        source: Source,
        items: Iterator[Item],
        looks: Sequence[Look],
        score: Callable[[str, Window], DetectionResult],
    ) -> None:
        self._due: list[tuple[str, Window]] = []
        self.stream = Stream(
            source, looks, submit=lambda name, window: self._due.append((name, window))
        )
        self._items = items
        self._score = score

    def results(
        self, *, progress: Callable[[float], None] = lambda media_s: None
    ) -> Iterator[DetectionResult]:
        """Of every window, in media order; `progress` is called with the media time reached."""
        for item in self._items:
            self.stream.take(item)
            yield from self._settle()
            progress(item.media_s)
        self.stream.finish()
        yield from self._settle()

    def _settle(self) -> Iterator[DetectionResult]:
        for name, window in self._due:
            yield self._score(name, window)
        self._due.clear()


def _demand(looks: Sequence[Look]) -> FixedDemand:
    intervals = [
        look.spec.frame_interval_s or 0.5 for look in looks if look.modality is Modality.VIDEO
    ]
    audio = any(look.modality is Modality.AUDIO for look in looks)
    return FixedDemand(min(intervals, default=None), audio)
