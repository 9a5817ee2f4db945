"""The two measures of a text against their formulas, one token and one word at a time."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from streammon.detectors.token_statistics import binoculars, curvature

Logits = NDArray[np.float64]


def chances(logits: NDArray[Any]) -> list[float]:
    powers = [math.exp(one - max(logits)) for one in logits]
    return [power / sum(powers) for power in powers]


def binoculars_slowly(tokens: list[int], observer: Logits, performer: Logits) -> float:
    surprise, cross = 0.0, 0.0
    for at, token in enumerate(tokens[1:]):
        surprise -= math.log(chances(performer[at])[token]) / (len(tokens) - 1)
    for seen, told in zip(observer, performer, strict=True):
        expected = zip(chances(seen), chances(told), strict=True)
        cross -= sum(p * math.log(q) for p, q in expected) / len(tokens)
    return surprise / cross


def curvature_slowly(tokens: list[int], sampling: Logits, scoring: Logits) -> float:
    found, expected, variance = 0.0, 0.0, 0.0
    for at, token in enumerate(tokens[1:]):
        p = chances(sampling[at])
        log_q = [math.log(one) for one in chances(scoring[at])]
        mean = sum(one * log for one, log in zip(p, log_q, strict=True))
        square = sum(one * log * log for one, log in zip(p, log_q, strict=True))
        found, expected = found + log_q[token], expected + mean
        variance += square - mean * mean
    return (found - expected) / math.sqrt(variance)


@settings(deadline=None, max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), length=st.integers(2, 12), words=st.integers(2, 9))
def test_both_are_what_their_formulas_say(seed: int, length: int, words: int) -> None:
    numbers = np.random.default_rng(seed)
    tokens = [int(one) for one in numbers.integers(0, words, length)]
    one, other = (numbers.normal(size=(length, words)) * 3 for _ in range(2))
    given_ = torch.tensor(tokens), torch.tensor(one), torch.tensor(other)
    assert binoculars(*given_) == pytest.approx(binoculars_slowly(tokens, one, other), rel=1e-9)
    assert curvature(*given_) == pytest.approx(
        curvature_slowly(tokens, one, other), rel=1e-6, abs=1e-9
    )


def test_a_text_of_the_likeliest_words_is_likelier_a_machines() -> None:
    numbers = torch.Generator().manual_seed(0)
    logits = torch.randn((80, 50), generator=numbers) * 2
    likeliest = torch.cat([torch.tensor([0]), logits[:-1].argmax(dim=1)])
    random = torch.randint(0, 50, (80,), generator=numbers)
    assert binoculars(likeliest, logits, logits) < binoculars(random, logits, logits)
    assert curvature(likeliest, logits, logits) > 0 > curvature(random, logits, logits)


def test_a_text_that_a_model_wrote_itself_scores_one_and_zero_on_average() -> None:
    """Surprise as expected: the ratio of Binoculars is 1, the deviation of Fast-DetectGPT 0."""
    numbers = torch.Generator().manual_seed(1)
    logits = torch.randn((4000, 20), generator=numbers)
    written = torch.multinomial(torch.softmax(logits, dim=1), 1, generator=numbers)[:, 0]
    tokens = torch.cat([torch.tensor([0]), written[:-1]])
    assert binoculars(tokens, logits, logits) == pytest.approx(1.0, abs=0.03)
    assert abs(curvature(tokens, logits, logits)) < 3.0


def test_models_that_are_sure_of_everything_leave_no_number() -> None:
    sure = torch.full((3, 4), -math.inf)
    sure[:, 0] = 0.0
    tokens = torch.tensor([0, 0, 0])
    assert math.isnan(binoculars(tokens, sure, sure))
    assert math.isnan(curvature(tokens, sure, sure))
