"""What is done on a device's thread: models loaded and unloaded, batches scored."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace

from streammon.config import SchedulerConfig
from streammon.core.errors import Permanent
from streammon.core.ports import Clock, Detector, Elsewhere, Evictable, Repeatable
from streammon.core.types import DetectionResult, Window
from streammon.scheduler.batching import Batch, Switch
from streammon.scheduler.cache import Answers, ResultCache, Score, Worth
from streammon.scheduler.device import CPU, Precision, autocast
from streammon.scheduler.thread import DeviceThread, Step

log = logging.getLogger(__name__)

ELSEWHERE_SLACK_S = 5.0
"""A detector that waits for another machine may take so much longer than it said."""


@dataclass(slots=True)
class Job:
    """One task for a device's thread, and what came of it so far: written there."""

    switch: Switch
    batch: Batch | None = None
    sizes: dict[str, int | None] = field(default_factory=dict)
    """Bytes of models that were loaded, `None` for those unloaded."""
    switch_s: float = 0.0
    results: Sequence[DetectionResult] = ()
    fresh: int = 0
    """How many of the results were scored, not known before."""
    took_s: float = 0.0
    """What scoring those took."""
    ended_ns: int = 0
    errors: dict[str, BaseException] = field(default_factory=dict)
    """What went wrong, by the detector whose fault it is."""

    def faults(self) -> Iterator[tuple[str, str, bool]]:
        """Each detector with a fault, its cause, and whether that is the end of it.

        A model that does not come or go is; one that fails at scoring may do better next time.
        """
        for name, error in self.errors.items():
            permanent = isinstance(error, Permanent)
            cause = str(error) if permanent else f"{type(error).__name__}: {error}"
            if name in self.switch.unload:
                yield name, f"cannot be unloaded: {cause}", True
            elif name == self.switch.load and name in self.sizes and self.sizes[name] is None:
                yield name, cause if permanent else f"defect while loading: {cause}", True
            else:
                yield name, cause, permanent


class Work:
    """The hands of one device."""

    def __init__(
        self,
        device: str,
        detectors: Mapping[str, Detector],
        settings: SchedulerConfig,
        *,
        clock: Clock,
        cache: ResultCache | None,
    ) -> None:
        self._device = device
        self._detectors = detectors
        self._settings = settings
        self._clock = clock
        self._cache = cache
        self._worth: dict[str, Worth] = {}
        self.cpu_precision: Precision = "float32"
        """Of models, where this is the CPU; settled once before the first is loaded."""

    def do(self, thread: DeviceThread, job: Job) -> Job:
        """Carry out a job on this thread, which is the one that is running.

        Never raises: what went wrong is in the job. Once the thread was abandoned it does no more.
        """
        began_ns = self._clock.now_ns()
        for name in job.switch.unload:
            self._step(thread, job, name, "unload", self._settings.hang_s, self._unload)
        if job.switch.load is not None:
            limit_s = self._settings.load_hang_s
            self._step(thread, job, job.switch.load, "load", limit_s, self._load)
        job.switch_s = (self._clock.now_ns() - began_ns) / 1e9
        batch = job.batch
        if batch is not None and batch.detector not in job.errors:
            limit_s = longest_s(self._detectors[batch.detector], self._settings)
            self._step(thread, job, batch.detector, "score", limit_s, self._score)
        job.ended_ns = self._clock.now_ns()
        return job

    def _step(
        self,
        thread: DeviceThread,
        job: Job,
        name: str,
        doing: str,
        limit_s: float,
        call: Callable[[Job, str], None],
    ) -> None:
        """One call to a detector, watched while it lasts."""
        if thread.abandoned:
            return
        thread.step = Step(name, doing, self._clock.now_ns(), limit_s)
        try:
            call(job, name)
        except Permanent as error:
            job.errors[name] = error
        except BaseException as error:  # the worker border, also for sys.exit: the lane reports it
            log.exception("detector_failed", extra={"detector": name, "at": doing})
            job.errors[name] = error
        thread.step = None

    def _unload(self, job: Job, name: str) -> None:
        detector = self._detectors[name]
        if isinstance(detector, Evictable):
            detector.unload()
            job.sizes[name] = None

    def _load(self, job: Job, name: str) -> None:
        detector = self._detectors[name]
        job.sizes[name] = None
        detector.load(self._device)
        if isinstance(detector, Evictable):
            job.sizes[name] = detector.resident_bytes
        else:
            del job.sizes[name]

    def _score(self, job: Job, name: str) -> None:
        assert job.batch is not None
        detector, windows = self._detectors[name], job.batch.windows
        began_ns, scoring_ns = self._clock.now_ns(), 0

        def score(asked: Sequence[Window]) -> Sequence[DetectionResult]:
            nonlocal scoring_ns
            from_ns = self._clock.now_ns()
            with self._precision(detector):
                results = detector.score(asked)
            scoring_ns = self._clock.now_ns() - from_ns
            check(name, asked, results)
            each_s = scoring_ns / 1e9 / len(asked)
            return [
                each if each.processing_time_s else replace(each, processing_time_s=each_s)
                for each in results
            ]

        answers = self._answers(detector, name, windows, score)
        looking_ns = self._clock.now_ns() - began_ns - scoring_ns
        job.took_s = (scoring_ns + looking_ns * answers.fresh / len(windows)) / 1e9
        job.results, job.fresh = answers.results, answers.fresh

    def _precision(self, detector: Detector) -> AbstractContextManager[object]:
        """Detectors that have no model of torch are left as they are on the CPU."""
        cpu = self.cpu_precision if detector.on_device else "float32"
        return autocast(self._device, enabled=self._settings.mixed_precision, cpu=cpu)

    def _form(self, detector: Detector) -> str:
        """What tells results apart that were computed in other precisions; empty for full."""
        if self._device == CPU:
            return "bfloat16" if detector.on_device and self.cpu_precision != "float32" else ""
        return "mixed" if self._settings.mixed_precision else ""

    def _answers(
        self, detector: Detector, name: str, windows: Sequence[Window], score: Score
    ) -> Answers:
        """From the cache what it knows, where that is worth asking; else all scored."""
        if self._cache is not None and isinstance(detector, Repeatable):
            worth = self._worth.setdefault(name, Worth())
            if worth.ask():
                answers = self._cache.answer(
                    detector, name, detector.kind, windows, score, form=self._form(detector)
                )
                worth.learn(answers)
                return answers
        return Answers(tuple(score(windows)), len(windows))


def longest_s(detector: Detector, settings: SchedulerConfig) -> float:
    """How long one `score` of it may take before it is taken to hang."""
    if isinstance(detector, Elsewhere):
        return detector.longest_wait_s + ELSEWHERE_SLACK_S
    return settings.hang_s


def check(name: str, windows: Sequence[Window], results: Sequence[DetectionResult]) -> None:
    """Raises `ValueError` unless there is one sound result per window, in the same order."""
    if not isinstance(results, Sequence):
        raise ValueError(f"gave a {type(results).__name__}, not a sequence of results")
    if len(results) != len(windows):
        raise ValueError(f"{len(windows)} windows gave {len(results)} results")
    for window, result in zip(windows, results, strict=True):
        if not isinstance(result, DetectionResult):
            raise ValueError(f"gave a {type(result).__name__} where a result belongs")
        asked = (window.stream, window.participant, window.epoch, window.start_s, window.modality)
        said = (result.stream, result.participant, result.epoch, result.start_s, result.modality)
        if said != asked:
            raise ValueError(f"a result for {result.stream} stands where {window.stream} belongs")
        if result.detector != name:
            raise ValueError(f"gave a result in the name of {result.detector}")
        if not math.isfinite(result.processing_time_s):
            raise ValueError(f"processing_time_s is {result.processing_time_s}")
