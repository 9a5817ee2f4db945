"""What detectors said of systems and corpora left out of their training, as `compare` kept it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from training.voice_spoof.calibration import Calibration, platt
from training.voice_spoof.folds import FOLDS
from training.voice_spoof.rows import Row, read_rows, windows

CONTESTANTS = ("cnn-first", "cnn", "lfcc-resnet", "whisper", "aasist-small")
FUSED = ("cnn", "lfcc-resnet", "whisper")
Parts = dict[str, list[Row]]
"""`known`: the clips to check on; `held`: what was left out; `telephone`: the same by telephone."""


def calibrated(parts: Parts) -> Parts:
    """Log-odds instead of logits, by a calibration on the systems that this fold heard."""
    law = platt(windows(parts["known"], fake=False), windows(parts["known"], fake=True))
    return {
        part: [replace(row, logits=tuple(law.log_odds(np.array(row.logits)))) for row in rows]
        for part, rows in parts.items()
    }


def fused(members: Sequence[Parts]) -> Parts:
    """The mean log-odds of several contestants in one fold."""
    return {
        part: [
            replace(same[0], logits=tuple(np.mean([row.logits for row in same], axis=0)))
            for same in zip(*(member[part] for member in members), strict=True)
        ]
        for part in members[0]
    }


def contestants(out: Path) -> dict[str, list[Parts]]:
    """Calibrated rows of those that ran in every fold, and of their fusion."""
    found = {}
    for name in CONTESTANTS:
        files = [out / f"{name}-{fold}.json" for fold in FOLDS]
        if all(path.exists() for path in files):
            found[name] = [calibrated(read_rows(path)) for path in files]
    if all(name in found for name in FUSED):
        folds = zip(*(found[name] for name in FUSED), strict=True)
        found["fusion"] = [fused(members) for members in folds]
    return found


def pooled(folds: Sequence[Parts], part: str) -> list[Row]:
    return [row for parts in folds for row in parts[part]]


def left_out_law(folds: Sequence[Parts]) -> Calibration:
    """What log-odds by systems that were heard are worth on systems and corpora that were not."""
    held = pooled(folds, "held")
    return platt(windows(held, fake=False), windows(held, fake=True))
