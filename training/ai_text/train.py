"""Rebuild the weights of the `ai_text` detector.

    python -m training.ai_text.train --data DIR --scores bench-out/ai_text-leave-out.jsonl

First every fold is left out once, for the calibration and the thresholds; then the model that ships
is fitted on everything. The same data and seed give the same weights on the same machine and
versions. Runs on one core.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

from streammon.detectors.ai_text_model import Blend, Calibration, model_of
from training.ai_text.calibrate import blend_of, calibrated, thresholds
from training.ai_text.fit import Fitted, Settings, fit, measured, tell
from training.ai_text.leaveout import Scored, Training, leave_out_scores, read_scores, write_scores
from training.ai_text.styles import FAMILIES
from training.ai_text.texts import Row, read_rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="train.jsonl.gz or its folder")
    parser.add_argument("--out", type=Path, default=Path("ai_text.safetensors"))
    parser.add_argument(
        "--scores", type=Path, default=Path("bench-out/ai_text-leave-out.jsonl"),
        help="where leave-out scores are kept, for `evaluate`",
    )  # fmt: skip
    parser.add_argument(
        "--keep-scores", action="store_true", help="take them from there instead of fitting folds"
    )
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    training = Training(tuple(FAMILIES), seed=asked.seed)
    settings = Settings(seed=asked.seed)
    rows = read_rows(asked.data)
    if not asked.keep_scores:
        write_scores(leave_out_scores(rows, training, settings), asked.scores)
    print(ship(rows, read_scores(asked.scores), training, settings, out=asked.out))


def ship(
    rows: Sequence[Row],
    scores: Sequence[Scored],
    training: Training,
    settings: Settings,
    *,
    out: Path,
) -> str:
    """Fit on all rows, calibrate on leave-out scores, write; returns hash, name and numbers."""
    blend = blend_of(scores, tree_share=settings.tree_share)
    calibration = calibrated(scores, blend)
    review, strict = thresholds(scores, blend, calibration)
    pieces = training.pieces(rows)
    tell(f"fitting {len(pieces)} windows of {len(rows)} texts")
    fitted = fit(measured(pieces), pieces, settings)
    arrays = arrays_of(fitted, blend, calibration, (review, strict))
    model_of(arrays)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(dict(arrays), out)
    digest = hashlib.sha256(out.read_bytes()).hexdigest()
    return (
        f"{digest}  {out}\n{out.stat().st_size} bytes, {len(pieces)} windows; "
        f"{blend}; {calibration}; review {review:.4f}, strict {strict:.4f}"
    )


def arrays_of(
    fitted: Fitted, blend: Blend, calibration: Calibration, limits: tuple[float, float]
) -> Mapping[str, Any]:
    """What a weight file holds; see `ai_text_model.SHAPES`."""
    trees, numbers = fitted.trees, np.float64
    return {
        "gram_weights": fitted.gram_weights.astype(np.float16),
        "gram_bias": np.array([fitted.gram_bias], numbers),
        "tree_features": trees.features,
        "tree_thresholds": trees.thresholds,
        "tree_left": trees.left,
        "tree_right": trees.right,
        "tree_values": trees.values,
        "tree_roots": trees.roots,
        "tree_depth": np.array([trees.depth], np.int32),
        "tree_bias": np.array([trees.bias], numbers),
        "blend": np.array([blend.gram_scale, blend.tree_scale, blend.tree_share], numbers),
        "calibration": np.array(
            [calibration.slope, calibration.offset, calibration.longer, calibration.steeper],
            numbers,
        ),
        "thresholds": np.array(limits, numbers),
    }


if __name__ == "__main__":
    main()
