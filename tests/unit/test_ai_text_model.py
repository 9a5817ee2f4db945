"""The model in plain numpy: the same score in any batch, and only well-formed weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from streammon.core.errors import Permanent
from streammon.detectors.ai_text import SHIPPED, SHIPPED_SHA256
from streammon.detectors.ai_text_canonical import read
from streammon.detectors.ai_text_features import grams, tokenised
from streammon.detectors.ai_text_model import Calibration, Trees, model_of, read_model

MODEL = read_model(SHIPPED, sha256=SHIPPED_SHA256)
SAID = st.lists(st.text(max_size=200).map(lambda text: read(text).text), min_size=1, max_size=5)


@given(SAID)
def test_a_text_scores_the_same_whatever_else_is_in_the_batch(texts: list[str]) -> None:
    together = MODEL.log_odds(texts, [500] * len(texts))
    assert np.isfinite(together).all()
    alone = [MODEL.log_odds([text], [500])[0] for text in texts]
    assert together.tolist() == alone


def test_no_texts_have_no_scores() -> None:
    assert len(MODEL.log_odds([], [])) == 0


def test_the_linear_half_is_the_sum_over_grams() -> None:
    text = "some words of a text"
    counted = grams(tokenised([text]))
    by_hand = sum(
        float(value) * float(MODEL.gram_weights[bucket])
        for value, bucket in zip(counted.values, counted.buckets, strict=True)
    )
    assert MODEL.scores([text])[0][0] == pytest.approx(by_hand + MODEL.gram_bias, abs=1e-5)


def test_trees_walk_left_up_to_the_threshold_and_right_beyond() -> None:
    trees = Trees(
        features=np.array([1, 0, 0], np.int16),
        thresholds=np.array([0.5, 0, 0], np.float32),
        left=np.array([1, 1, 2], np.int32),
        right=np.array([2, 1, 2], np.int32),
        values=np.array([0, -1, 2], np.float32),
        roots=np.array([0], np.int32),
        depth=1,
        bias=0.25,
    )
    measures = np.array([[9, 0.5], [9, 0.5000001]], np.float32)
    assert trees.score(measures).tolist() == [-0.75, 2.25]


def test_a_higher_score_never_lowers_the_probability() -> None:
    calibration = Calibration(slope=1.0, offset=-0.5, longer=0.3, steeper=0.9)
    scores = np.linspace(-5, 5, 11)
    for characters in (10, 80, 500, 5_000):
        found = calibration.log_odds(scores, np.full(11, float(characters)))
        assert (np.diff(found) > 0).all()


def test_strict_is_not_below_review() -> None:
    assert 0.5 < MODEL.review <= MODEL.strict < 1.0


def test_weights_are_small_and_have_no_code_in_them() -> None:
    assert SHIPPED.stat().st_size < 2_000_000
    assert {array.dtype.kind for array in load_file(SHIPPED).values()} <= {"f", "i"}


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("gram_weights", lambda array: array[:-1]),
        ("gram_weights", lambda array: array.astype(np.float32)),
        ("gram_bias", lambda array: array * np.nan),
        ("tree_left", lambda array: array + len(array)),
        ("tree_right", lambda array: array - len(array)),
        ("tree_features", lambda array: array + 10_000),
        ("tree_values", lambda array: array[:-1]),
        ("tree_depth", lambda array: array + 1_000),
        ("thresholds", lambda array: array[:1]),
        ("calibration", lambda array: array[:, None]),
    ],
)
def test_arrays_that_make_no_sense_are_refused(name: str, changed: Any) -> None:
    arrays = dict(load_file(SHIPPED))
    arrays[name] = changed(arrays[name])
    with pytest.raises((ValueError, TypeError)):
        model_of(arrays)


def test_files_that_are_no_model_are_refused_in_words(tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file({"x": np.zeros(3, np.float32)}, other)
    with pytest.raises(Permanent, match="not a model of this version"):
        read_model(other, sha256=None)
    other.write_bytes(b"\x80\x04no pickle either")
    with pytest.raises(Permanent, match="not a model of this version"):
        read_model(other, sha256=None)
    with pytest.raises(Permanent, match="SHA-256"):
        read_model(other, sha256=SHIPPED_SHA256)
