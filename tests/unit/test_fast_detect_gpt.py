"""Fast-DetectGPT as a detector, with one model and with two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from streammon.core.ports import Evictable, Repeatable
from streammon.detectors.fast_detect_gpt import FastDetectGptConfig
from streammon.detectors.published import PublishedDetector
from streammon.detectors.token_statistics import curvature
from tests.fakes import a_message, a_window
from tests.language_models import LETTERS, a_language_model

TEXT = "the monitor that looks at every window of every stream says what it has seen and why. " * 2


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    sampling = a_language_model(folder / "sampling", seed=1)
    return sampling, a_language_model(folder / "scoring", seed=2)


def made(scoring: Path, sampling: Path | None = None, **more: Any) -> PublishedDetector:
    settings: dict[str, Any] = {"scoring": {"model": str(scoring)}, "machine_above": 1.5}
    if sampling is not None:
        settings["sampling"] = {"model": str(sampling)}
    config = FastDetectGptConfig.model_validate({**settings, "most_length": 256, **more})
    found = config.build("text")
    found.load("cpu")
    return found


def expected_score(text: str, sampling: Path, scoring: Path) -> float:
    ids = torch.tensor([["<unk>", "<end>", *LETTERS].index(one) for one in text])
    loader: Any = AutoModelForCausalLM
    with torch.inference_mode():
        both = [
            loader.from_pretrained(str(one)).eval()(ids[None]).logits[0].double()
            for one in (sampling, scoring)
        ]
    return curvature(ids, *both)


@pytest.mark.parametrize("count", [1, 2])
def test_the_score_is_the_papers_of_one_model_or_two(models: tuple[Path, Path], count: int) -> None:
    sampling, scoring = models if count == 2 else (models[1], models[1])
    expected = expected_score(TEXT, sampling, scoring)
    detector = made(scoring, sampling if count == 2 else None)
    (result,) = detector.score([a_window(a_message(text=TEXT))])
    assert result.details["score"] == pytest.approx(expected, abs=1e-3)
    assert result.confidence == pytest.approx(1 / (1 + np.exp(1.5 - expected)), abs=1e-3)
    assert result.is_ai_generated == (expected > 1.5)
    assert result.details["calibrated"] is False


def test_one_model_is_loaded_once(models: tuple[Path, Path]) -> None:
    one, both = made(models[1]), made(models[1], models[0])
    assert isinstance(one, Evictable)
    assert isinstance(one, Repeatable)
    assert both.resident_bytes == 2 * one.resident_bytes
    assert one.fingerprint != both.fingerprint


def test_company_changes_no_score(models: tuple[Path, Path]) -> None:
    detector = made(models[1], models[0])
    windows = [a_window(a_message(text=TEXT[:length])) for length in (64, 150, 90)]
    together = [one.details["score"] for one in detector.score(windows)]
    alone = [detector.score([window])[0].details["score"] for window in windows]
    assert together == pytest.approx(alone, abs=1e-4)


def test_a_text_that_leaves_nothing_to_chance_has_no_score(tmp_path: Path) -> None:
    """A model that is certain of every word has no deviation to count in."""
    folder = a_language_model(tmp_path / "sure", seed=1)
    loader: Any = AutoModelForCausalLM
    model = loader.from_pretrained(str(folder))
    with torch.no_grad():
        model.transformer.ln_f.weight.zero_()
        model.transformer.ln_f.bias.copy_(1e6 * model.transformer.wte.weight[5])
    model.save_pretrained(folder)
    (result,) = made(folder).score([a_window(a_message(text=TEXT))])
    assert (result.confidence, result.abstained) == (None, "the model gave no number")
    assert "score" not in result.details
