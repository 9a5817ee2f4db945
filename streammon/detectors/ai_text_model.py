"""The `ai_text` model: a linear model of n-grams and boosted trees of stylometry, blended.

Plain numpy. Scores do not depend on what else is in a batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from streammon.core.errors import Permanent
from streammon.detectors.ai_text_features import BLOCKS, BUCKETS, Grams, grams, tokenised
from streammon.detectors.ai_text_style import Stylometry
from streammon.detectors.weights import first_line, read_pinned

Floats64 = NDArray[np.float64]
USUAL_CHARACTERS = 500.0
"""The length at which the terms of length in the calibration are zero."""
SHAPES: Mapping[str, tuple[str, int]] = {
    "gram_weights": ("f2", 1), "gram_bias": ("f8", 1),
    "tree_features": ("i2", 1), "tree_thresholds": ("f4", 1), "tree_left": ("i4", 1),
    "tree_right": ("i4", 1), "tree_values": ("f4", 1), "tree_roots": ("i4", 1),
    "tree_bias": ("f8", 1), "tree_depth": ("i4", 1), "blend": ("f8", 1),
    "calibration": ("f8", 1), "thresholds": ("f8", 1),
}  # fmt: skip
"""What a weight file holds: type and number of dimensions of each array."""


@dataclass(frozen=True, slots=True)
class Trees:
    """Boosted trees, all nodes in a row. A leaf's children are itself, so every walk ends."""

    features: NDArray[np.int16]
    thresholds: NDArray[np.float32]
    left: NDArray[np.int32]
    right: NDArray[np.int32]
    values: NDArray[np.float32]
    roots: NDArray[np.int32]
    depth: int
    bias: float

    def score(self, measures: NDArray[np.float32]) -> Floats64:
        """Log-odds of each row of `measures` (texts, features)."""
        at = np.repeat(self.roots[None, :], len(measures), axis=0)
        row = np.arange(len(measures))[:, None]
        for _ in range(self.depth):
            low = measures[row, self.features[at]] <= self.thresholds[at]
            at = np.where(low, self.left[at], self.right[at])
        sums: Floats64 = np.sum(self.values[at].astype(np.float64), axis=1) + self.bias
        return sums


@dataclass(frozen=True, slots=True)
class Blend:
    """How two log-odds become one: each is put on the scale of its own spread, then averaged."""

    gram_scale: float
    tree_scale: float
    tree_share: float

    def of(self, gram: Floats64, tree: Floats64) -> Floats64:
        share = self.tree_share
        return (1.0 - share) * gram / self.gram_scale + share * tree / self.tree_scale


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt scaling with terms of length: what a score is worth depends on how long the text is."""

    slope: float
    offset: float
    longer: float
    steeper: float

    def log_odds(self, scores: Floats64, characters: Floats64) -> Floats64:
        """Of machine against people at even prior odds. `slope + steeper * length` is kept > 0."""
        length = np.log(np.clip(characters, 80.0, 1_000.0) / USUAL_CHARACTERS)
        slope = np.maximum(self.slope + self.steeper * length, 0.1 * self.slope)
        return slope * scores + self.offset + self.longer * length


@dataclass(frozen=True, slots=True)
class TextModel:
    """Scores texts. Immutable."""

    gram_weights: NDArray[np.float32]
    gram_bias: float
    trees: Trees
    blend: Blend
    calibration: Calibration
    review: float
    """Probability from which a text is worth a look: chosen on informal chat."""
    strict: float
    """The same, chosen on everything that people wrote."""
    stylometry: Stylometry

    def scores(self, texts: Sequence[str]) -> tuple[Floats64, Floats64]:
        """What each half says of texts in canonical form, as log-odds before blending."""
        tokens = tokenised(texts)
        gram = linear(grams(tokens), self.gram_weights, texts=len(texts)) + self.gram_bias
        return gram, self.trees.score(self.stylometry.of(tokens))

    def log_odds(self, texts: Sequence[str], characters: Sequence[int]) -> Floats64:
        """Calibrated log-odds at even prior odds of texts in canonical form, (texts,)."""
        if not texts:
            return np.zeros(0)
        score = self.blend.of(*self.scores(texts))
        return self.calibration.log_odds(score, np.array(characters, dtype=np.float64))


def linear(counted: Grams, weights: NDArray[np.float32], *, texts: int) -> Floats64:
    """The dot product of each text's grams with the weights."""
    products = (counted.values * weights[counted.buckets]).astype(np.float64)
    return np.bincount(counted.rows, weights=products, minlength=texts).astype(np.float64)


def read_model(path: Path, *, sha256: str | None) -> TextModel:
    """The model in a safetensors file. Raises `Permanent` for any other or damaged file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    file = read_pinned(path, sha256=sha256)
    try:
        return model_of(load(file.data))
    except (SafetensorError, ValueError, KeyError, IndexError) as error:
        raise Permanent(
            f"{path}: not a model of this version ({first_line(error)}); make it again with "
            "`python -m training.ai_text.train`"
        ) from error


def model_of(arrays: Mapping[str, Any]) -> TextModel:
    """The model that these arrays are. Raises `ValueError` when they make no sense."""
    for name, (kind, dimensions) in SHAPES.items():
        found = arrays.get(name)
        if found is None or found.dtype != np.dtype(kind) or found.ndim != dimensions:
            raise ValueError(f"{name} is missing or misshapen")
        if not np.isfinite(found).all():
            raise ValueError(f"{name} is not finite")
    trees = Trees(
        features=arrays["tree_features"],
        thresholds=arrays["tree_thresholds"],
        left=arrays["tree_left"],
        right=arrays["tree_right"],
        values=arrays["tree_values"],
        roots=arrays["tree_roots"],
        depth=int(arrays["tree_depth"][0]),
        bias=float(arrays["tree_bias"][0]),
    )
    stylometry = Stylometry()
    _check_trees(trees, measures=stylometry.of(tokenised([""])).shape[1])
    weights = arrays["gram_weights"].astype(np.float32)
    if len(weights) != BLOCKS * BUCKETS:
        raise ValueError(f"gram_weights holds {len(weights)} weights, not {BLOCKS * BUCKETS}")
    review, strict = map(float, arrays["thresholds"])
    return TextModel(
        gram_weights=weights,
        gram_bias=float(arrays["gram_bias"][0]),
        trees=trees,
        blend=Blend(*map(float, arrays["blend"])),
        calibration=Calibration(*map(float, arrays["calibration"])),
        review=review,
        strict=strict,
        stylometry=stylometry,
    )


def _check_trees(trees: Trees, *, measures: int) -> None:
    nodes = len(trees.features)
    for name in ("thresholds", "left", "right", "values"):
        if len(getattr(trees, name)) != nodes:
            raise ValueError(f"tree_{name} and tree_features differ in length")
    for links in (trees.left, trees.right, trees.roots):
        if len(links) and not 0 <= links.min() <= links.max() < nodes:
            raise ValueError("a tree's node is out of range")
    if nodes and not 0 <= trees.features.min() <= trees.features.max() < measures:
        raise ValueError("a tree asks for a feature that there is none of")
    if not 0 <= trees.depth <= 64:
        raise ValueError(f"trees of depth {trees.depth}")
