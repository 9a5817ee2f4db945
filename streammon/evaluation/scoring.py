"""Asks detectors about every row of a manifest: each file or text gets one answer of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from streammon.config import SchedulerConfig
from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import Detector, Source
from streammon.core.types import Modality
from streammon.evaluation.answers import Answer, Answers, Failure
from streammon.evaluation.manifest import Row
from streammon.evaluation.timed import Timed
from streammon.pipelines.content import Limits, content_of
from streammon.pipelines.examine import Examiner
from streammon.pipelines.verdict import Pool, Pooling, Verdict

ROW_FAILURES = (Permanent, Retryable, OSError)
"""What may go wrong with one row; a detector that chokes on a window abstains from it."""

LIMITS = Limits(duration_s=7 * 24 * 3600.0, characters=100_000_000)
"""A recording or a chat of a week is the user's own: longer than what strangers may send."""

NOTHING = "holds nothing that this detector looks at"


class Scoring:
    """Loaded detectors and what they have answered so far.

    A detector that looks at more than one modality gives an answer for each.
    """

    def __init__(
        self,
        detectors: Mapping[str, Detector],
        *,
        device: str,
        pool: Pool,
        limits: SchedulerConfig = SchedulerConfig(),
    ) -> None:
        """Loads every detector. Raises `Permanent` for one that cannot be loaded.

        Of `limits`, `hang_s` and `load_hang_s` say how long a detector may take.
        """
        timed = {name: Timed(detector) for name, detector in detectors.items()}
        self._examiner = Examiner(timed, device=device, limits=limits)
        self._pool = pool
        self._answers = {
            (name, modality): Answers(
                name if len(one.inputs) == 1 else f"{name}/{modality}",
                window_s=one.window_s[modality],
            )
            for name, one in timed.items()
            for modality in one.inputs
        }
        self.failures: list[Failure] = []

    @property
    def given_up(self) -> Mapping[str, str]:
        """Detectors that hang, and what is known of it: they abstain from all that is left."""
        return self._examiner.given_up

    @property
    def answers(self) -> list[Answers]:
        """Of every detector that was asked anything."""
        return [answers for answers in self._answers.values() if answers.given]

    def take(self, row: Row) -> list[tuple[str, Answer]]:
        """Ask every detector about it: what each said, also kept in `answers`.

        What goes wrong with this row is kept in `failures`, and nobody has said anything.
        """
        bare = replace(row, text=None)
        try:
            source = source_of(row)
            pooling = Pooling(self._pool)
            for result in self._examiner.examine(source).results():
                pooling.add(result)
        except ROW_FAILURES as error:
            self.failures.append(Failure.of(bare, error))
            return []
        return list(self._noted(bare, source, pooling))

    def _noted(self, row: Row, source: Source, pooling: Pooling) -> Iterator[tuple[str, Answer]]:
        given: dict[tuple[str, Modality], Verdict] = {
            (verdict.detector, verdict.modality): verdict for verdict in pooling.verdicts()
        }
        for key, answers in self._answers.items():
            verdict = given.get(key)
            if verdict is not None:
                answers.add(row, verdict)
            elif key[1] in source.modalities:
                answers.given.append(Answer(row, None, NOTHING))
            else:
                continue
            yield answers.detector, answers.given[-1]


def source_of(row: Row) -> Source:
    """What to read for a row. Raises `Permanent` for what is not there or cannot be read."""
    name = f"line-{row.line}"
    if row.path is None:
        return content_of(row.text or "", "text", name=name, limits=LIMITS).source
    return content_of(row.path, name=name, limits=LIMITS).source
