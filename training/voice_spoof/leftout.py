"""What detectors said of systems and corpora left out of their training, as `compare` kept it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from streammon.detectors.scale import Scale
from streammon.evaluation.measures import Floats
from training.voice_spoof.calibration import Calibration, counted, platt
from training.voice_spoof.folds import FOLDS
from training.voice_spoof.rows import Row, read_rows, windows

CONTESTANTS = ("cnn-first", "cnn", "lfcc-resnet", "whisper", "aasist-small")


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a contestant's log-odds counts."""

    times: float = 1.0
    above: float | None = None
    """Only what is above this, and that less this; unset: all of them, for either side."""

    def of(self, log_odds: Floats) -> Floats:
        heard = log_odds if self.above is None else np.maximum(log_odds - self.above, 0.0)
        return self.times * heard


THIRD, QUARTER = Share(1 / 3), Share(1 / 4)
FUSIONS: Mapping[str, Mapping[str, Share]] = {
    "fusion": {"cnn": THIRD, "lfcc-resnet": THIRD, "whisper": THIRD},
    "fusion-with-raw": {
        "cnn": QUARTER, "lfcc-resnet": QUARTER, "whisper": QUARTER, "aasist-small": QUARTER,
    },
    "shipped": {"whisper": Share(), "cnn": Share(1.5, above=0.0)},
    "raw-for-bands": {"whisper": Share(), "aasist-small": Share(1.5, above=0.0)},
    "raw-and-bands": {
        "whisper": Share(), "cnn": Share(0.75, above=0.0), "aasist-small": Share(0.75, above=0.0),
    },
}  # fmt: skip
"""Whose log-odds are added, and how much of each. `shipped` is what the detector does; the last two
ask whether the network on raw waveforms should take the place of the one in bands, or half of it.
"""
EVENLY = 20_000  # windows of each part, taken in turn
Parts = dict[str, list[Row]]
"""`known`: the clips to check on; `held`: what was left out; `telephone`: the same by telephone."""


def calibrated(parts: Parts) -> Parts:
    """Log-odds instead of logits, by a calibration on the systems that this fold heard."""
    law = platt(windows(parts["known"], fake=False), windows(parts["known"], fake=True))
    return {
        part: [replace(row, logits=tuple(law.log_odds(np.array(row.logits)))) for row in rows]
        for part, rows in parts.items()
    }


def fused(members: Sequence[Parts], shares: Sequence[Share]) -> Parts:
    """The log-odds of several contestants in one fold, as much as counts of each, added."""

    def added(same: Sequence[Row]) -> Row:
        heard = [share.of(np.array(r.logits)) for r, share in zip(same, shares, strict=True)]
        return replace(same[0], logits=tuple(np.sum(heard, axis=0).tolist()))

    return {
        part: [added(same) for same in zip(*(member[part] for member in members), strict=True)]
        for part in members[0]
    }


def contestants(out: Path, folds: Sequence[str] = tuple(FOLDS)) -> dict[str, list[Parts]]:
    """Calibrated rows of those that ran in each of these folds, and of their fusions."""
    found = {}
    for name in CONTESTANTS:
        files = [out / f"{name}-{fold}.json" for fold in folds]
        if all(path.exists() for path in files):
            found[name] = [calibrated(read_rows(path)) for path in files]
    for name, shares in FUSIONS.items():
        if all(member in found for member in shares):
            each = zip(*(found[member] for member in shares), strict=True)
            found[name] = [fused(members, list(shares.values())) for members in each]
    return found


def pooled(folds: Sequence[Parts], part: str) -> list[Row]:
    return [row for parts in folds for row in parts[part]]


def left_out_law(folds: Sequence[Parts]) -> Calibration:
    """What log-odds by systems that were heard are worth on systems and corpora that were not."""
    held = pooled(folds, "held")
    return platt(windows(held, fake=False), windows(held, fake=True))


def mixed_law(folds: Sequence[Parts]) -> Calibration:
    """The same where it is as likely as not that system and corpus were heard in training."""
    real, fake = (
        np.concatenate(
            [
                np.resize(windows(pooled(folds, part), fake=kind), EVENLY)
                for part in ("known", "held")
            ]
        )
        for kind in (False, True)
    )
    return platt(real, fake)


def counted_law(folds: Sequence[Parts]) -> Scale:
    """What log-odds are worth where genuine speech is of corpora that were not heard.

    What speaks for genuine is read by `mixed_law`; what speaks for synthetic is counted: genuine
    clips left out, each of the same weight, against windows of systems that were heard and of
    systems that were not, half of each. One more genuine clip is taken to lie above all scores.
    """
    line, held = mixed_law(folds), pooled(folds, "held")
    genuine = [row for row in held if not row.fake]
    clip = 1.0 / (1 + len(genuine))
    real_weight = np.concatenate([np.full(len(r.logits), clip / len(r.logits)) for r in genuine])
    fakes = [windows(part, fake=True) for part in (held, pooled(folds, "known"))]
    found = counted(
        windows(held, fake=False),
        np.concatenate(fakes),
        real_weight,
        np.concatenate([np.full(len(part), 0.5 / len(part)) for part in fakes]),
    )
    even = -line.offset / line.slope
    low = min(min(row.logits) for row in held) - 1.0
    points = [(low, float(line.log_odds(np.array(low)))), (even, 0.0)]
    points += [(score, nats) for score, nats in found if score > even and nats > 0.0]
    logits, nats = zip(*points, strict=True)
    return Scale(logits, nats)


def genuine_mean(law: Scale, parts: Parts) -> float:
    """The mean of exp(log-odds) over genuine windows left out."""
    return float(np.exp(law.log_odds(windows(parts["held"], fake=False))).mean())


def genuine_means(folds: Sequence[Parts]) -> list[float]:
    """The same of each fold by the law of the others, which never saw its corpora."""
    return [
        genuine_mean(counted_law([other for other in folds if other is not parts]), parts)
        for parts in folds
    ]


def promised_law(folds: Sequence[Parts]) -> Scale:
    """The counted law, lowered until it keeps its promise on corpora that it was not fitted on.

    Rules add up log-odds and promise few false alarms where exp(log-odds) averages one at most over
    genuine windows. It does in each fold by the law of the others, lowered by as much.
    """
    law = counted_law(folds)
    excess = max(0.0, float(np.log(max(genuine_means(folds)))))
    return Scale(law.logits, tuple(nats - excess for nats in law.nats))
