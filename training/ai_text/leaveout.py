"""Scores of texts by models that saw neither their domain nor their generator.

Everything that is chosen (blend, calibration, thresholds) is chosen on these, and the figures of
the card are of these. They are kept in a file without any text.
"""

from __future__ import annotations

import json
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from streammon.detectors.ai_text_canonical import Reading
from streammon.detectors.ai_text_gates import Gates
from training.ai_text.fit import Settings, fit, measured, tell
from training.ai_text.folds import chosen_folds
from training.ai_text.styles import EVERY, SOUP
from training.ai_text.texts import Piece, Row, pieces_to_judge, training_pieces

SIZES = (100, 250, 500, 1_000)
STYLED_SIZE = 500
MOST_CHAT, MOST_PROSE = 1_500, 300
"""Texts of one domain and generator that are tested at each size."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One window that was scored by a model that could not know it."""

    fold: str
    size: int
    """Characters asked for; the window may be a little shorter once it is read."""
    style: str
    machine: bool
    generator: str
    domain: str
    kind: str
    typed: int
    refusal: str
    """Why the gates would not judge it at this length; empty: they would."""
    gram: float
    tree: float


@dataclass(frozen=True, slots=True)
class Training:
    """What is cut from the texts to train on."""

    families: tuple[str, ...]
    restyled_machine: float = 0.5
    restyled_people: float = 1.6
    per_row: float = 0.7
    seed: int = 0

    def pieces(self, rows: Sequence[Row]) -> list[Piece]:
        return training_pieces(
            rows,
            seed=self.seed,
            families=self.families,
            restyled={True: self.restyled_machine, False: self.restyled_people},
            per_row=self.per_row,
        )


def leave_out_scores(rows: Sequence[Row], training: Training, settings: Settings) -> list[Scored]:
    """Every fold fitted and tested: plain windows of all sizes, and rewritten ones of 500."""
    folds = chosen_folds(rows)
    pieces = training.pieces(rows)
    tell(f"{len(pieces)} windows to train on; measuring them")
    features = measured(pieces)
    asked = _asked(rows, seed=training.seed)
    found: list[Scored] = []
    for number, fold in enumerate(folds):
        trains = np.array([fold.trains(one.row) for one in pieces])
        tests = [each for each in asked if fold.tests(each[2].row)]
        if not tests:
            continue
        tell(f"fold {number + 1}/{len(folds)}, {fold.name}: {trains.sum()} windows")
        kept = [one for one, chosen in zip(pieces, trains, strict=True) if chosen]
        fitted = fit(features.rows(trains), kept, settings)
        grams, trees = fitted.scores(measured([one for _, _, one in tests]))
        found += [
            _scored(fold.name, size, style, one, gram=float(gram), tree=float(tree))
            for (size, style, one), gram, tree in zip(tests, grams, trees, strict=True)
        ]
    return found


def _asked(rows: Sequence[Row], *, seed: int) -> list[tuple[int, str, Piece]]:
    """Size, style and window of everything that is tested."""
    some = _some(rows, seed=seed)
    asked = [
        (size, "", one) for size in SIZES for one in pieces_to_judge(some, size=size, seed=seed)
    ]
    retold = [row for row in some if row.machine or row.kind == "chat"]
    rng = random.Random(seed)
    styles = {**EVERY, **SOUP}
    for style in styles:
        chosen = rng.sample(retold, 1 + len(retold) // 5)
        styled = pieces_to_judge(chosen, size=STYLED_SIZE, seed=seed, style=style, styles=styles)
        asked += [(STYLED_SIZE, style, one) for one in styled]
    return asked


def _some(rows: Sequence[Row], *, seed: int) -> list[Row]:
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.domain, row.generator].append(row)
    some: list[Row] = []
    for key, group in sorted(groups.items()):
        most = MOST_CHAT if group[0].kind == "chat" else MOST_PROSE
        random.Random(f"{seed}:{key}").shuffle(group)
        some += group[:most]
    return some


def _scored(fold: str, size: int, style: str, one: Piece, *, gram: float, tree: float) -> Scored:
    row = one.row
    refusal = Gates(least_characters=0).refusal(Reading(one.typed, one.text)) or ""
    return Scored(fold, size, style, row.machine, row.generator, row.domain, row.kind, one.typed,
                  refusal, round(gram, 6), round(tree, 6))  # fmt: skip


def write_scores(scores: Sequence[Scored], path: Path) -> None:
    lines = [json.dumps(asdict(one)) for one in scores]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def read_scores(path: Path) -> list[Scored]:
    with path.open(encoding="utf-8") as file:
        return [Scored(**json.loads(line)) for line in file]
