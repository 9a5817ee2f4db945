"""Clips with the logits of their windows, and how well these tell fakes from reals."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from torch import nn

from streammon.evaluation.bootstrap import Redrawn
from streammon.evaluation.measures import Counts, Floats, Measure, auc, equal_error_rate, hits_at
from training.voice_spoof.clips import RATE_HZ, Clip
from training.voice_spoof.windows import HOP, window_logits

SECONDS = (2, 4, 10, 30)
ROUNDS = 400
MEASURES: Mapping[str, Measure] = {
    "auc": auc,
    "eer": equal_error_rate,
    "tpr_at_5": lambda counts: hits_at(counts, false_alarms=0.05),
}
Figures = dict[str, object]


@dataclass(frozen=True, slots=True)
class Row:
    """A clip, or clips of one kind joined; `logits` of its windows, in order."""

    file: str
    fake: bool
    system: str
    speaker: str
    source: str
    logits: tuple[float, ...]

    @property
    def score(self) -> float:
        return float(np.mean(self.logits))


def rows_of(model: nn.Module, clips: Sequence[Clip]) -> list[Row]:
    return [
        Row(clip.file, clip.fake, clip.system, clip.speaker, clip.source, tuple(logits.tolist()))
        for clip, logits in zip(clips, window_logits(model, clips), strict=True)
    ]


def write_rows(parts: Mapping[str, Sequence[Row]], out: Path) -> None:
    """All or nothing: a file that is there is whole."""
    partial = out.with_suffix(".partial")
    rows = {name: [asdict(row) for row in part] for name, part in parts.items()}
    partial.write_text(json.dumps(rows), encoding="utf-8")
    partial.rename(out)


def read_rows(path: Path) -> dict[str, list[Row]]:
    parts = json.loads(path.read_text(encoding="utf-8"))
    return {
        name: [Row(**{**row, "logits": tuple(row["logits"])}) for row in rows]
        for name, rows in parts.items()
    }


def windows(rows: Sequence[Row], *, fake: bool) -> Floats:
    """The logits of all windows of one class."""
    return np.array([logit for row in rows if row.fake == fake for logit in row.logits])


def figures(rows: Sequence[Row]) -> Figures:
    """AUC, equal error rate, and what is found at 5 % false alarms.

    With 95 % intervals by speaker, a real one together with the copies of it; no interval where one
    class is all of one speaker, and nothing but their number where one is missing.
    """
    fake = np.array([row.fake for row in rows], dtype=bool)
    found: Figures = {"real": int((~fake).sum()), "fake": int(fake.sum())}
    if not all(found.values()):
        return found
    scores = np.array([row.score for row in rows])
    ends = Redrawn(fake, scores, [row.speaker for row in rows], rounds=ROUNDS).intervals(MEASURES)
    counts = Counts.of(scores[~fake], scores[fake])
    for name, measure in MEASURES.items():
        interval = ends[name]
        numbers = [measure(counts), *((interval.low, interval.high) if interval else ())]
        found[name] = [round(float(number), 3) for number in numbers]
    return found


def matched(rows: Sequence[Row]) -> list[Row]:
    """Reals and copies only: the same speakers, recorded the same way."""
    return [row for row in rows if not row.fake or "copy-" in row.system]


def by_system(rows: Sequence[Row]) -> Figures:
    """AUC of each system's clips against all reals."""
    reals = [row for row in rows if not row.fake]
    return {
        system: figures([*reals, *(row for row in rows if row.fake and row.system == system)])[
            "auc"
        ]
        for system in sorted({row.system for row in rows if row.fake})
    }


def lasting(rows: Sequence[Row], seconds: int) -> list[Row]:
    """The rows as streams of so many seconds: windows of one system and source, joined.

    Of 2 and 4 s a stream is (the first window of) a clip. Longer ones join clips, so speakers
    change within a stream; its "speaker" is then itself. What does not fill a stream is left out.
    """
    if seconds == 2:
        return [replace(row, logits=row.logits[:1]) for row in rows]
    if seconds == 4:
        return list(rows)
    count = 1 + int((seconds * RATE_HZ - 2 * RATE_HZ) // HOP)
    kinds: dict[tuple[bool, str, str], list[Row]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: hashlib.sha256(row.file.encode()).digest()):
        kinds[row.fake, row.system, row.source].append(row)
    streams = []
    for kind in kinds.values():
        logits = [logit for row in kind for logit in row.logits]
        for at in range(0, len(logits) - count + 1, count):
            name = f"{kind[0].system}/{kind[0].source}/{at}"
            streams.append(replace(kind[0], speaker=name, logits=tuple(logits[at : at + count])))
    return streams


def by_seconds(rows: Sequence[Row]) -> Figures:
    found: Figures = {}
    for seconds in SECONDS:
        streams = lasting(rows, seconds)
        if {row.fake for row in streams} == {False, True}:
            found[f"{seconds}_s"] = figures(streams)
    return found
