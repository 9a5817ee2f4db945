"""Asks detectors about every row of a manifest: each file or text gets one answer of each."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import Detector, Source
from streammon.core.types import DetectionResult
from streammon.evaluation.answers import Answer, Answers, Failure
from streammon.evaluation.manifest import Row
from streammon.evaluation.timed import Timed
from streammon.pipelines.content import Limits, content_of
from streammon.pipelines.examine import Examiner

Pool = Literal["log_odds", "mean", "median", "max"]

ROW_FAILURES = (Permanent, Retryable, OSError, ValueError, RuntimeError)
"""What may go wrong with one row: a file that cannot be read, a model that chokes on it."""

LIMITS = Limits(duration_s=7 * 24 * 3600.0)
"""A recording of a week is the user's own: longer than what strangers may send."""

NOTHING = "holds nothing that this detector looks at, or too little of it"


class Scoring:
    """Loaded detectors and what they have answered so far."""

    def __init__(self, detectors: Mapping[str, Detector], *, device: str, pool: Pool) -> None:
        """Loads every detector. Raises `Permanent` for one that cannot be loaded."""
        timed = {name: Timed(detector) for name, detector in detectors.items()}
        self._examiner = Examiner(timed, device=device)
        self._timed = timed
        self._pool = POOLS[pool]
        self.answers = {name: Answers(name, window_s=one.window_s) for name, one in timed.items()}
        self.failures: list[Failure] = []

    def take(self, row: Row) -> None:
        """Ask every detector about it; what goes wrong with this row is kept in `failures`."""
        bare = replace(row, text=None)
        try:
            self._ask(row, bare)
        except ROW_FAILURES as error:
            self.failures.append(Failure(bare, str(error) or type(error).__name__))

    def _ask(self, row: Row, bare: Row) -> None:
        source = source_of(row)
        results: dict[str, list[DetectionResult]] = {
            name: []
            for name, detector in self._timed.items()
            if source.modalities & set(detector.inputs)
        }
        for result in self._examiner.examine(source).results():
            results[result.detector].append(result)
        for name, found in results.items():
            self._note(self.answers[name], bare, found)

    def _note(self, answers: Answers, row: Row, found: Sequence[DetectionResult]) -> None:
        answers.models.update(result.model_used for result in found)
        answers.windows_abstained += sum(result.confidence is None for result in found)
        said = [result.confidence for result in found if result.confidence is not None]
        reasons = Counter(result.abstained for result in found if result.abstained is not None)
        if said:
            answers.given.append(Answer(row, self._pool(said)))
        else:
            reason = reasons.most_common(1)[0][0] if reasons else NOTHING
            answers.given.append(Answer(row, None, reason))


def mean_log_odds(confidences: Sequence[float]) -> float:
    """The confidence whose log-odds are the mean of theirs; 0 and 1 count as 1e-6 from the end."""
    kept = [min(max(one, 1e-6), 1.0 - 1e-6) for one in confidences]
    mean = math.fsum(math.log(one / (1.0 - one)) for one in kept) / len(kept)
    return 1.0 / (1.0 + math.exp(-mean))


POOLS: Mapping[Pool, Callable[[Sequence[float]], float]] = {
    "log_odds": mean_log_odds,
    "mean": statistics.fmean,
    "median": statistics.median,
    "max": max,
}
"""How the confidences of a row's windows become its one."""


def source_of(row: Row) -> Source:
    """What to read for a row. Raises `Permanent` for what is not there or cannot be read."""
    name = f"line-{row.line}"
    if row.path is None:
        return content_of(row.text or "", "text", name=name, limits=LIMITS).source
    return content_of(row.path, name=name, limits=LIMITS).source
