"""What detectors answered to the rows of a manifest: kept small, so that many rows fit."""

from __future__ import annotations

from array import array
from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from streammon.evaluation.manifest import Row
from streammon.evaluation.measures import Counts, Floats
from streammon.pipelines.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Answer:
    """One detector's answer to one row: a confidence, or why it has none."""

    row: Row
    """Without its text."""
    confidence: float | None
    abstained: str | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """A row that could not be read or judged at all."""

    row: Row
    cause: str

    @classmethod
    def of(cls, row: Row, error: Exception) -> Failure:
        """What went wrong, without the row's name before it."""
        cause = str(error).removeprefix(f"{row.name}: ") or type(error).__name__
        return cls(row, cause)


@dataclass(slots=True)
class Answers:
    """Everything that one detector answered, in the manifest's order."""

    detector: str
    given: list[Answer] = field(default_factory=list)
    models: Counter[str] = field(default_factory=Counter)
    """How many windows each `model_used` was asked about."""
    window_s: array[float] = field(default_factory=lambda: array("f"))
    """How long each window took to score, but for the first."""
    windows_abstained: int = 0

    def add(self, row: Row, verdict: Verdict) -> None:
        """Note what the detector says of a row."""
        self.given.append(Answer(row, verdict.confidence, verdict.abstained))
        self.models[verdict.model_used] += verdict.windows
        self.windows_abstained += verdict.windows - verdict.scored

    @property
    def scored(self) -> list[Answer]:
        return [answer for answer in self.given if answer.confidence is not None]

    @property
    def reasons(self) -> Counter[tuple[str, bool]]:
        """How many rows had no answer, by reason and by whether they are fake."""
        return Counter(
            (answer.abstained, answer.row.fake)
            for answer in self.given
            if answer.abstained is not None
        )


def table(answers: list[Answer]) -> tuple[NDArray[np.bool_], Floats, list[str]]:
    """Whether it is fake, the confidence and the group of each scored answer."""
    fake = np.array([answer.row.fake for answer in answers], dtype=np.bool_)
    confidence = np.array([answer.confidence for answer in answers], dtype=np.float64)
    return fake, confidence, [answer.row.group for answer in answers]


def counts(answers: list[Answer]) -> Counts:
    """How often each confidence was given to reals and fakes."""
    fake, confidence, _ = table(answers)
    return Counts.of(confidence[~fake], confidence[fake])
