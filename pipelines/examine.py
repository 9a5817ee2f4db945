"""One recording through detectors: every window, in media order, with no clock and no concurrency.

What `replay`, `eval` and `detect` have in common. The same input gives the same results. What is
shorter than a window of a look is looked at once, as one window of all there is: whether that is
enough to judge is for the detector to say.

A detector that does not come back is given up: that window and all later ones are abstained from.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from streammon.config import SchedulerConfig
from streammon.core.errors import Permanent
from streammon.core.ports import Detector, Recording, Source
from streammon.core.types import DetectionResult, Item, Modality, StreamId, VideoFrame, Window
from streammon.pipelines.streams import Look, Stream, modality_of
from streammon.scheduler.bounded import BoundedCalls, Hangs
from streammon.scheduler.device import Precision, autocast, settle_cpu_precision
from streammon.scheduler.work import longest_s
from streammon.windows.sliding import Windower, make_windower

log = logging.getLogger(__name__)

HANGS = "the detector hangs and was given up"


@dataclass(frozen=True, slots=True)
class FixedDemand:
    """What every detector of an examination wants; satisfies `ports.Demand`."""

    frame_interval_s: float | None
    audio: bool


class Examiner:
    """Loaded detectors, ready to look at one recording after another."""

    def __init__(
        self,
        detectors: Mapping[str, Detector],
        *,
        device: str | Callable[[], str],
        lazily: bool = False,
        limits: SchedulerConfig = SchedulerConfig(),
    ) -> None:
        """Load every detector; `lazily`, each when it first has something to look at.

        `device` is for those that run on one; a function is asked when the first of them loads.
        Of `limits`, `hang_s` is for one window, `load_hang_s` for one model, and `cpu_precision` is
        what models on the CPU compute in.

        Raises `Permanent` for one that cannot be loaded, here or in `examine`.
        """
        self._detectors = dict(detectors)
        self._device = device
        self._limits = limits
        self._calls = BoundedCalls()
        self._precision: Precision | None = None
        self._loaded: set[str] = set()
        self.given_up: dict[str, str] = {}
        """Detectors that hang, and what is known of it."""
        if not lazily:
            self._load(self._detectors)

    def examine(self, source: Source, *, only: Collection[str] | None = None) -> Examination:
        """Begin with one recording, with all detectors or `only` these.

        Raises `Permanent` for a source that is not a recording.
        """
        if not isinstance(source, Recording):
            raise Permanent(f"{source.stream}: only recordings can be replayed, not live sources")
        looks = [
            Look(name, modality, spec)
            for name, detector in self._detectors.items()
            for modality, spec in detector.inputs.items()
            if modality in source.modalities and (only is None or name in only)
        ]
        self._load({look.detector for look in looks})
        items = source.items(_demand(looks))
        return Examination(source, items, looks, self._score, ended=self._calls.close)

    def _load(self, names: Collection[str]) -> None:
        try:
            for name, detector in self._detectors.items():
                if name in names and name not in self._loaded:
                    self._load_one(name, detector)
        finally:
            self._calls.close()

    def _load_one(self, name: str, detector: Detector) -> None:
        if name in self.given_up:
            raise Hangs(self.given_up[name])
        try:
            self._calls.call(
                name,
                "load",
                self._limits.load_hang_s,
                lambda: self._load_here(detector),
            )
        except Hangs as error:
            self.given_up[name] = str(error)
            raise
        self._loaded.add(name)

    def _load_here(self, detector: Detector) -> None:
        if self._precision is None and detector.on_device:
            self._precision = settle_cpu_precision(self._limits.cpu_precision)
        detector.load(self._device_of(detector))

    def _score_here(self, detector: Detector, window: Window) -> Sequence[DetectionResult]:
        """In the precision that the configuration names for the CPU; in full on CUDA."""
        cpu = self._precision or "float32"
        if cpu == "float32" or not detector.on_device:
            return detector.score([window])
        with autocast(self._device_of(detector), enabled=False, cpu=cpu):
            return detector.score([window])

    def _device_of(self, detector: Detector) -> str:
        if not detector.on_device:
            return "cpu"
        return self._device if isinstance(self._device, str) else self._device()

    def _score(self, name: str, window: Window) -> DetectionResult:
        """Each window alone: the same as live, whatever the load. A detector that fails abstains
        from that window, as its other windows and its siblings may still be judged.
        """
        detector = self._detectors[name]
        if name in self.given_up:
            return self._failed(detector, name, window, HANGS)
        limit_s = longest_s(detector, self._limits)
        try:
            (result,) = self._calls.call(
                name, "score", limit_s, partial(self._score_here, detector, window)
            )
        except Hangs as error:
            self.given_up[name] = str(error)
            return self._failed(detector, name, window, HANGS)
        except Exception as error:
            log.error("detector_failed", exc_info=error, extra={"detector": name})
            cause = f"the detector failed: {type(error).__name__}"
            return self._failed(detector, name, window, cause)
        return replace(result, processing_time_s=0.0)

    @staticmethod
    def _failed(detector: Detector, name: str, window: Window, cause: str) -> DetectionResult:
        return DetectionResult.of(
            window, detector=name, kind=detector.kind, model_used="", abstained=cause
        )


class Examination:
    """One recording on its way: `stream` says how far it has come."""

    def __init__(
        self,
        source: Source,
        items: Iterator[Item],
        looks: Sequence[Look],
        score: Callable[[str, Window], DetectionResult],
        *,
        ended: Callable[[], None],
    ) -> None:
        """`ended` is called when nobody asks for more results."""
        due: list[tuple[str, Window]] = []
        begun: set[tuple[str, str, Modality]] = set()

        def submit(name: str, window: Window) -> None:
            begun.add((window.participant, name, window.modality))
            due.append((name, window))

        self.stream = Stream(source, looks, submit=submit)
        self._due = due
        self._begun = begun
        """Participant, detector and modality of every look that has had a window."""
        self._beginnings: dict[tuple[str, Look], _Beginning] = {}
        self._items = items
        self._score = score
        self._ended = ended

    def results(
        self, *, progress: Callable[[float], None] = lambda media_s: None
    ) -> Iterator[DetectionResult]:
        """Of every window, in media order; `progress` is called with the media time reached."""
        try:
            yield from self._results(progress)
        finally:
            self._ended()

    def _results(self, progress: Callable[[float], None]) -> Iterator[DetectionResult]:
        for item in self._items:
            self.stream.take(item)
            self._keep(item)
            yield from self._settle()
            progress(item.media_s)
        self.stream.finish()
        for (participant, look), beginning in self._beginnings.items():
            if (participant, look.detector, look.modality) not in self._begun:
                self._due += [(look.detector, window) for window in beginning.whole()]
        yield from self._settle()

    def _keep(self, item: Item) -> None:
        """Keep what has come of every look that has had no window yet."""
        modality = modality_of(item)
        for look in self.stream.looks:
            key = (item.participant, look)
            if look.modality is not modality:
                continue
            if (item.participant, look.detector, modality) in self._begun:
                self._beginnings.pop(key, None)
                continue
            if key not in self._beginnings:
                self._beginnings[key] = _Beginning(self.stream.stream, look, item.participant)
            self._beginnings[key].push(item)

    def _settle(self) -> Iterator[DetectionResult]:
        for name, window in self._due:
            yield self._score(name, window)
        self._due.clear()


class _Beginning:
    """What has come of one look before its first window: never more than one window holds."""

    def __init__(self, stream: StreamId, look: Look, participant: str) -> None:
        self._make: Callable[[], Windower] = partial(
            make_windower, stream, look.modality, look.spec, participant=participant
        )
        self._windower = self._make()
        self._newest: Item | None = None

    def push(self, item: Item) -> None:
        self._windower.push(item)
        if not (isinstance(item, VideoFrame) and item.damaged):
            self._newest = item

    def whole(self) -> list[Window]:
        """One window of all there is; where a gap has cut that to nothing, of the newest item."""
        windows = self._windower.flush(least=0.0)
        if windows or self._newest is None:
            return windows
        alone = self._make()
        return alone.push(self._newest) or alone.flush(least=0.0)


def _demand(looks: Sequence[Look]) -> FixedDemand:
    intervals = [
        look.spec.frame_interval_s or 0.5 for look in looks if look.modality is Modality.VIDEO
    ]
    audio = any(look.modality is Modality.AUDIO for look in looks)
    return FixedDemand(min(intervals, default=None), audio)
