"""What detectors said of systems and corpora left out of their training, as `compare` kept it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.voice_spoof.calibration import Calibration, platt
from training.voice_spoof.folds import FOLDS
from training.voice_spoof.rows import Row, read_rows, windows

CONTESTANTS = ("cnn-first", "cnn", "lfcc-resnet", "whisper", "aasist-small")
FUSIONS: Mapping[str, Mapping[str, float]] = {
    "fusion": {"cnn": 1 / 3, "lfcc-resnet": 1 / 3, "whisper": 1 / 3},
    "shipped": {"whisper": 1.0, "cnn": 0.5},
}
"""Log-odds that are added, each times its share. `shipped` is what the detector does."""
LEAST_NATS, MOST_NATS, DRIFT = -3.0, 3.5, 0.05
"""What a window may count in the rules that ship; the least drift pays for the least nats."""
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


def fused(members: Sequence[Parts], shares: Sequence[float]) -> Parts:
    """The log-odds of several contestants in one fold, each times its share, added."""
    return {
        part: [
            replace(same[0], logits=tuple(np.array(shares) @ np.array([r.logits for r in same])))
            for same in zip(*(member[part] for member in members), strict=True)
        ]
        for part in members[0]
    }


def contestants(out: Path) -> dict[str, list[Parts]]:
    """Calibrated rows of those that ran in every fold, and of their fusions."""
    found = {}
    for name in CONTESTANTS:
        files = [out / f"{name}-{fold}.json" for fold in FOLDS]
        if all(path.exists() for path in files):
            found[name] = [calibrated(read_rows(path)) for path in files]
    for name, shares in FUSIONS.items():
        if all(member in found for member in shares):
            folds = zip(*(found[member] for member in shares), strict=True)
            found[name] = [fused(members, list(shares.values())) for members in folds]
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


def raised(law: Calibration, folds: Sequence[Parts]) -> Calibration:
    """The law as steep as genuine windows left out allow.

    Rules add up log-odds and promise few false alarms where exp(log-odds) averages one at most over
    genuine windows. It still does in the worst fold; a window counts as rules count it.
    """

    def holds(factor: float) -> bool:
        nats = [factor * law.log_odds(windows(parts["held"], fake=False)) for parts in folds]
        means = [np.exp(np.clip(one, LEAST_NATS, MOST_NATS) - DRIFT).mean() for one in nats]
        return bool(max(means) <= 1.0)

    low, high = 1.0, 4.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return Calibration(low * law.slope, low * law.offset)
