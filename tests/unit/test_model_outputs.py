"""What a model gives becomes a probability of synthetic, or is refused with both sides named."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streammon.core.errors import Permanent
from streammon.detectors.model_outputs import reader
from streammon.detectors.model_settings import ScoreSettings


def likely(outputs: Any, **settings: Any) -> list[float]:
    values: NDArray[Any] = np.asarray(outputs)
    count = values.shape[1] if values.ndim > 1 else 1
    found: list[float] = (
        reader(ScoreSettings(**settings), count, where="d").read(values, len(values)).tolist()
    )
    return found


def test_softmax_of_two_logits() -> None:
    assert likely([[0.0, np.log(3.0)]], synthetic=1) == pytest.approx([0.75])


def test_several_labels_are_summed() -> None:
    logits = np.log([[0.1, 0.2, 0.3, 0.4]])
    labels = ("real", "faceswap", "lipsync", "portrait")
    found = likely(logits, labels=labels, synthetic=("faceswap", "lipsync", "portrait"))
    assert found == pytest.approx([0.9])


def test_real_labels_are_the_other_side() -> None:
    logits = np.log([[0.1, 0.2, 0.7]])
    assert likely(logits, real=(0, 1)) == pytest.approx([0.7])


def test_one_logit_through_a_sigmoid_either_way() -> None:
    assert likely([2.0], reads="sigmoid", synthetic=0) == pytest.approx([0.880797])
    assert likely([2.0], reads="sigmoid", real=0) == pytest.approx([0.119203])


def test_of_independent_labels_the_likeliest_counts() -> None:
    found = likely([[5.0, 0.0, -2.0]], reads="sigmoid", synthetic=(1, 2))
    assert found == pytest.approx([0.5])


def test_probabilities_are_taken_as_they_are() -> None:
    assert likely([[0.2, 0.8]], reads="probability", synthetic=1) == pytest.approx([0.8])


def test_what_is_called_a_probability_and_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match=r"-3 to 8.*no probabilities.*softmax or sigmoid"):
        likely([[-3.0, 8.0]], reads="probability", synthetic=1)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
def test_only_the_row_without_a_number_has_none(broken: float) -> None:
    found = likely([[0.0, 0.0], [0.0, broken]], synthetic=1)
    assert found[0] == pytest.approx(0.5)
    assert np.isnan(found[1])


@pytest.mark.parametrize("shape", [(7, 2), (9, 2), (8, 3), (8, 1), (8,), (8, 2, 1), (), (2, 8)])
def test_another_count_or_shape_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="shape"):
        reader(ScoreSettings(synthetic=(1,)), 2, where="d").read(np.zeros(shape), 8)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not numbers"):
        reader(ScoreSettings(synthetic=(1,)), 2, where="d").read(np.array([["a", "b"]]), 1)


@pytest.mark.parametrize(
    ("labels", "place"),
    [
        (("real", "fake"), 1),
        (("Fake", "Real"), 0),
        (("bonafide", "spoof"), 1),
        (("AI-Generated", "Human"), 0),
        (("Realism", "Deepfake"), 1),
        (("human-written", "machine-generated"), 1),
        (("artificial", "human"), 0),
    ],
)
def test_plain_labels_need_no_words(labels: tuple[str, ...], place: int) -> None:
    assert reader(ScoreSettings(labels=labels), 2, where="d").chosen == (place,)


@pytest.mark.parametrize(
    "labels",
    [("LABEL_0", "LABEL_1"), ("cat", "dog"), ("real", "fake", "unknown"), ("fake", "spoof"), ()],
)
def test_other_labels_are_listed_with_the_line_to_write(labels: tuple[str, ...]) -> None:
    with pytest.raises(Permanent, match=r"not plain: .*synthetic: \["):
        reader(ScoreSettings(labels=labels), len(labels) or 2, where="d")


def test_a_label_that_the_model_has_not_names_both() -> None:
    settings = ScoreSettings(labels=("cat", "dog"), synthetic=("fake",))
    with pytest.raises(Permanent, match=r"'fake'.*has 2: 0 \(cat\), 1 \(dog\)"):
        reader(settings, 2, where="d")


def test_a_place_that_the_model_has_not_names_both() -> None:
    with pytest.raises(Permanent, match=r"output 2, but the model has 2"):
        reader(ScoreSettings(synthetic=(2,)), 2, where="d")


def test_another_count_of_labels_names_both() -> None:
    with pytest.raises(Permanent, match=r"names 2 labels \(real, fake\), but the model has 3"):
        reader(ScoreSettings(labels=("real", "fake")), 3, where="d")


def test_all_labels_on_one_side_say_nothing() -> None:
    with pytest.raises(Permanent, match="leave out the other side"):
        reader(ScoreSettings(synthetic=(0, 1)), 2, where="d")


def test_softmax_of_one_output_says_nothing() -> None:
    with pytest.raises(Permanent, match="always 1"):
        reader(ScoreSettings(synthetic=(0,)), 1, where="d")


def test_both_sides_at_once_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="not both"):
        ScoreSettings(synthetic=(1,), real=(0,))


@given(
    st.lists(st.lists(st.floats(width=32), min_size=3, max_size=3), min_size=1, max_size=6),
    st.sampled_from(["softmax", "sigmoid"]),
)
def test_whatever_comes_is_a_probability_or_none(rows: list[list[float]], reads: str) -> None:
    for row, found in zip(rows, likely(rows, reads=reads, synthetic=(0, 2)), strict=True):
        assert np.isnan(found) if not np.isfinite(row).all() else 0.0 <= found <= 1.0
