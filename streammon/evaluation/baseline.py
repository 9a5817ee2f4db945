"""What plain classifiers make of hand-made features: the floor that detectors have to be above.

Each row is scored by a classifier that was fitted without its group (speaker, identity or
source), so no voice is known from the fitting. The classifiers do learn the recordings' habits
of this very manifest, which a detector that never saw it does not: their figures are generous.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streammon.core.errors import ConfigError
from streammon.core.ports import Recording
from streammon.core.types import AudioChunk, Modality
from streammon.evaluation import audio_features
from streammon.evaluation.answers import Answer, Answers, Failure
from streammon.evaluation.manifest import Row
from streammon.evaluation.scoring import NOTHING, ROW_FAILURES, source_of
from streammon.pipelines.examine import FixedDemand

FOLDS = 5
SEED = 0
NAME = "audio_features"


def _logistic() -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=2000)
    )


def _boosting() -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    return HistGradientBoostingClassifier(class_weight="balanced", random_state=SEED)


CLASSIFIERS: Mapping[str, Callable[[], Any]] = {"logistic": _logistic, "boosting": _boosting}


class PlainClassifiers:
    """Features of every row, then an answer of each classifier to each."""

    def __init__(self) -> None:
        """Raises `ConfigError` when what it needs is not installed."""
        try:
            import librosa  # noqa: F401
            import sklearn  # noqa: F401
        except ImportError as error:
            raise ConfigError(
                f"--baseline needs {error.name}, which is not installed; "
                "try: pip install 'streammon[eval]'"
            ) from None
        self._rows: list[Row] = []
        self._features: list[NDArray[np.float32]] = []
        self._without: list[Row] = []
        self.failures: list[Failure] = []

    def take(self, row: Row) -> None:
        """Work out its features; what goes wrong with this row is kept in `failures`."""
        bare = replace(row, text=None)
        try:
            sound = audio_features.joined(_sound(row))
        except ROW_FAILURES as error:
            self.failures.append(Failure.of(bare, error))
            return
        if audio_features.is_sound(sound):
            self._features.append(audio_features.features(sound))
            self._rows.append(bare)
        else:
            self._without.append(bare)

    def answers(self) -> list[Answers]:
        """Of logistic regression and of gradient boosting, each out of fold.

        Where too few groups had sound, they abstain from all of it and say so.
        """
        fake = np.array([row.fake for row in self._rows], dtype=np.bool_)
        groups = [row.group for row in self._rows]
        found = []
        for name in CLASSIFIERS:
            answers = Answers(f"{NAME}/{name}")
            answers.given += [Answer(row, None, NOTHING) for row in self._without]
            try:
                confidence = out_of_fold(self._features, fake, groups, classifier=name)
            except ValueError as error:
                answers.given += [Answer(row, None, str(error)) for row in self._rows]
            else:
                answers.given += map(Answer, self._rows, confidence.tolist())
                answers.models[f"{name} of {len(audio_features.names())}"] = len(self._rows)
            found.append(answers)
        return found


def must_have_groups(rows: Iterable[Row]) -> None:
    """Raises `ConfigError` for a manifest that leaves no group to be fitted without."""
    groups: dict[bool, set[str]] = {False: set(), True: set()}
    for row in rows:
        groups[row.fake].add(row.group)
    if min(map(len, groups.values())) < 2:
        raise ConfigError(f"--baseline: {_too_few(len(groups[False]), len(groups[True]))}")


def _too_few(real: int, fake: int) -> str:
    return (
        "needs reals and fakes of at least two groups each (identity, speaker or source); "
        f"there are {real} of reals and {fake} of fakes"
    )


def _sound(row: Row) -> Iterator[NDArray[np.float32]]:
    """The sound of a row, piece by piece; nothing for content without any."""
    source = source_of(row)
    assert isinstance(source, Recording)
    if Modality.AUDIO in source.modalities:
        for item in source.items(FixedDemand(None, audio=True)):
            if isinstance(item, AudioChunk):
                yield item.pcm


def out_of_fold(
    features: Sequence[NDArray[np.float32]],
    fake: NDArray[np.bool_],
    groups: Sequence[str],
    *,
    classifier: str,
) -> NDArray[np.float64]:
    """Confidence of fake per row, (n,), each from a classifier fitted without the row's group.

    Raises `ValueError` where the groups cannot be divided so that each part leaves both classes.
    """
    from sklearn.model_selection import StratifiedGroupKFold
    from threadpoolctl import threadpool_limits  # of scikit-learn

    held = [len(set(np.array(groups)[fake == kind].tolist())) for kind in (False, True)]
    if min(held) < 2:
        raise ValueError(_too_few(*held))
    folds = StratifiedGroupKFold(min(FOLDS, *held), shuffle=True, random_state=SEED)
    matrix = np.stack(features)
    confidence = np.empty(len(fake), dtype=np.float64)
    for fitted, scored in folds.split(matrix, fake, groups):
        if len(set(fake[fitted].tolist())) < 2:
            raise ValueError("one group holds too many of the rows for the others to be fitted on")
        model = CLASSIFIERS[classifier]()
        with threadpool_limits(1):  # threads that wait for each other crawl on a busy machine
            model.fit(matrix[fitted], fake[fitted])
            confidence[scored] = model.predict_proba(matrix[scored])[:, 1]
    return confidence
