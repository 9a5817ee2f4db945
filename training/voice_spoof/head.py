"""Logistic regression on what the frozen layers hear; and which of it is best heard by.

    python -m training.voice_spoof.head --data DIR COPIES --bank BANK [--json OUT]

fits a head for every choice (which layer, which moments, how strongly held back) without each fold
and says how well it tells the clips held out: the table that `CHOSEN` was read from.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from streammon.detectors.models.voice_judge import HEARD, LAYERS
from streammon.evaluation.measures import Floats
from training.voice_spoof.clips import Clip, read_data
from training.voice_spoof.features import Round, draws, read_round
from training.voice_spoof.folds import FOLDS, is_own
from training.voice_spoof.leftout import calibrated, pooled
from training.voice_spoof.rows import Figures, Row, figures

Features = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of the bank's statistics a head reads."""

    layers: tuple[int, ...] = HEARD
    moments: tuple[int, ...] = (0,)
    """0: the mean over time, 1: the deviation."""
    strength: float = 0.0002
    """Of the data against the prior that weights are small (`C` of the regression)."""

    def of(self, one: Round) -> Features:
        """The chosen statistics of a round; (rows, layers * moments * WIDTH)."""
        chosen = one.rows[:, list(self.layers)][:, :, list(self.moments)].astype(np.float32)
        return chosen.reshape(len(chosen), -1)


CHOSEN = Choice()
SHARE = {False: -1.0, True: -0.75}
"""Of n clips of a source of people, of a system: each is worth n to the power of this."""
WHOLE = ("GCompris voices",)
"""Collections that count as one source though the manifest tells their parts apart."""
NETWORK_ONLY = ("copy-hifigan-", "copy-cargan", "copy-fargan", "copy-pwgan")
"""What vocoders say that the network learns from and the head does not: it told others worse. The
older copies by HiFi-GAN, `copy-hifigan`, are not of these."""
ORIGINALS_ONLY = ("GCompris", "Debian ktuberling", "Debian codec2", "AMI,", "watson-")
"""Collections of people of which the head learns what they say and no copy of it, likewise."""


@dataclass(frozen=True, slots=True)
class Head:
    """Weights of the statistics as they come, and what is added; a logit."""

    weight: Floats
    bias: float

    def logits(self, features: Features) -> Floats:
        return features @ self.weight + self.bias


def fit_head(bank: Sequence[Round], clips: Sequence[Clip], choice: Choice = CHOSEN) -> Head:
    """The regression on all draws of what it learns of these clips, both classes equally heavy."""
    clips = [clip for clip in clips if learned(clip)]
    weight_of = weights(clips)
    fake = {clip.file: clip.fake for clip in clips}
    heard, labels, worth = [], [], []
    for one in bank:
        rows = [at for at, file in enumerate(one.files) if file in fake]
        heard.append(choice.of(one)[rows])
        labels += [fake[one.files[at]] for at in rows]
        worth += [weight_of[one.files[at]] for at in rows]
    features = np.concatenate(heard)
    middle, spread = features.mean(axis=0), features.std(axis=0) + 1e-6
    model = LogisticRegression(C=choice.strength, max_iter=300, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        model.fit((features - middle) / spread, labels, sample_weight=worth)
    weight = model.coef_[0] / spread
    return Head(weight, float(model.intercept_[0] - weight @ middle))


def learned(clip: Clip) -> bool:
    """Whether the head learns from it; hibari's everyday sentences are the network's, too."""
    everyday = clip.system == "hibari" and "everyday" in clip.source
    copied = clip.fake and clip.source.startswith(ORIGINALS_ONLY)
    return not everyday and not copied and not clip.system.startswith(NETWORK_ONLY)


def collection(clip: Clip) -> str:
    """The source of a real clip; all languages of one project are one."""
    return next((name for name in WHOLE if clip.source.startswith(name)), clip.source)


def weights(clips: Sequence[Clip]) -> dict[str, float]:
    """Each collection of people's speech weighs the same, a system of n clips n ** 0.25.

    Each class one half; their mean is one.
    """
    group = {
        clip.file: (clip.fake, clip.system if clip.fake else collection(clip)) for clip in clips
    }
    count = Counter(group.values())
    raw = {file: count[kind] ** SHARE[kind[0]] for file, kind in group.items()}
    total = {
        fake: sum(weight for file, weight in raw.items() if group[file][0] == fake)
        for fake in (False, True)
    }
    half = len(group) / 2
    return {file: half * weight / total[group[file][0]] for file, weight in raw.items()}


def rows_by_head(
    head: Head, one: Round, clips: Sequence[Clip], choice: Choice = CHOSEN
) -> list[Row]:
    """As `rows.rows_of`, of clips whose windows are in a round."""
    logits, places = head.logits(choice.of(one)), one.by_file()
    return [
        Row(
            clip.file,
            clip.fake,
            clip.system,
            clip.speaker,
            clip.source,
            tuple(logits[places[clip.file]].tolist()),
        )
        for clip in clips
    ]


def choices() -> Iterator[Choice]:
    """Each layer in the bank, mean, deviation and both, and how strongly held back."""
    layers = [(layer,) for layer in range(LAYERS + 1)]
    for some, moments in product([*layers, HEARD], ((0,), (1,), (0, 1))):
        for strength in (0.0001, 0.0002, 0.0003, 0.001):
            yield Choice(some, moments, strength)


def without_each_fold(bank: Path, clips: Sequence[Clip], choice: Choice) -> Figures:
    """How well heads of this choice tell what their fold held out."""
    training, plain = draws(bank), read_round(bank, "plain")
    folds = []
    for fold in FOLDS.values():
        train, known, held = fold.split(clips)
        head = fit_head(training, train, choice)
        parts = {"known": known, "held": held}
        rows = {name: rows_by_head(head, plain, part, choice) for name, part in parts.items()}
        folds.append(calibrated(rows))
    held_rows = pooled(folds, "held")
    return {
        "held_out": figures(held_rows)["auc"],
        "without_small_vocoders": figures([r for r in held_rows if not is_own(r.system)])["auc"],
        "by_fold": [figures(parts["held"])["auc"] for parts in folds],
        "heard": figures(pooled(folds, "known"))["auc"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, nargs="+")
    parser.add_argument("--bank", type=Path, default=Path("bench-out/voice_spoof-bank"))
    parser.add_argument("--json", type=Path)
    settings = parser.parse_args()
    clips, lines = read_data(settings.data), []
    for choice in choices():
        line = asdict(choice) | without_each_fold(settings.bank, clips, choice)
        lines.append(json.dumps(line))
        print(lines[-1], flush=True)
    if settings.json:
        settings.json.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
