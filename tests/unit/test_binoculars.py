"""Binoculars as a detector: which texts it judges, and that company changes no score."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import AutoModelForCausalLM

from streammon.core.errors import Permanent
from streammon.core.ports import Evictable, Repeatable
from streammon.core.types import Window
from streammon.detectors.binoculars import BinocularsConfig
from streammon.detectors.published import PublishedDetector
from streammon.detectors.token_statistics import binoculars
from tests.fakes import a_message, a_window
from tests.language_models import LETTERS, a_language_model

TEXT = "the monitor that looks at every window of every stream says what it has seen and why. " * 3


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("models")
    observer = a_language_model(folder / "observer", seed=1)
    return observer, a_language_model(folder / "performer", seed=2, extra_rows=5)


@pytest.fixture(scope="module")
def detector(models: tuple[Path, Path]) -> PublishedDetector:
    return made(models)


def made(models: tuple[Path, Path], **more: Any) -> PublishedDetector:
    settings = {
        "observer": {"model": str(models[0])},
        "performer": {"model": str(models[1])},
        "machine_below": 0.9,
        "most_length": 200,
        **more,
    }
    found = BinocularsConfig.model_validate(settings).build("text")
    found.load("cpu")
    return found


def chat(*texts: str) -> Window:
    return a_window(*(a_message(at, text=text) for at, text in enumerate(texts)))


def network(folder: Path) -> Any:
    loader: Any = AutoModelForCausalLM
    return loader.from_pretrained(str(folder), dtype=torch.float32).eval()


def tokens(text: str) -> torch.Tensor:
    known = ["<unk>", "<end>", *LETTERS]
    return torch.tensor([known.index(one) if one in known else 0 for one in text])


def score(detector: PublishedDetector, text: str) -> Any:
    return detector.score([chat(text)])[0].details["score"]


def test_the_score_is_the_papers_of_what_both_models_expect(
    detector: PublishedDetector, models: tuple[Path, Path]
) -> None:
    text = TEXT[:150]
    ids = tokens(text)
    with torch.inference_mode():
        observer, performer = (network(one)(ids[None]).logits[0].double() for one in models)
    expected = binoculars(ids, observer, performer[:, : observer.shape[1]])
    (result,) = detector.score([chat(text)])
    assert result.details == {
        "calibrated": False,
        "score": pytest.approx(expected, abs=2e-5),
        "tokens": 150,
        "truncated": False,
    }
    assert result.confidence == pytest.approx(1 / (1 + np.exp((expected - 0.9) / 0.05)), abs=1e-3)
    assert result.is_ai_generated == (expected < 0.9)
    assert result.kind == "ai_text"


def test_company_changes_no_score(detector: PublishedDetector) -> None:
    """Short texts are filled up to the longest: nothing may be seen of it."""
    texts = [TEXT[:70], TEXT[:200], "too short", TEXT[30:130]]
    together = [one.details.get("score") for one in detector.score([chat(one) for one in texts])]
    alone = [detector.score([chat(one)])[0].details.get("score") for one in texts]
    assert together[2] is None
    assert together[:2] + together[3:] == pytest.approx(alone[:2] + alone[3:], abs=2e-5)


def test_the_same_text_always_gets_the_same_score(
    detector: PublishedDetector, models: tuple[Path, Path]
) -> None:
    again = made(models)
    assert score(detector, TEXT) == score(detector, TEXT) == score(again, TEXT)
    assert isinstance(again, Repeatable)
    assert again.fingerprint == detector.fingerprint
    assert made(models, machine_below=0.8).fingerprint != again.fingerprint


def test_a_text_of_too_few_tokens_is_not_judged(detector: PublishedDetector) -> None:
    short, enough = detector.score([chat(TEXT[:63]), chat(TEXT[:64])])
    assert (short.confidence, short.abstained) == (None, "fewer than 64 tokens")
    assert short.details["tokens"] == 63
    assert enough.confidence is not None
    (nothing,) = detector.score([chat("")])
    assert nothing.abstained == "fewer than 64 tokens"


def test_a_long_text_is_judged_by_its_beginning(detector: PublishedDetector) -> None:
    (long,) = detector.score([chat(TEXT * 40)])
    assert (long.details["tokens"], long.details["truncated"]) == (200, True)
    assert long.details["score"] == pytest.approx(score(detector, TEXT[:200]), abs=2e-5)


def test_messages_of_a_window_are_read_as_lines_of_one_text(detector: PublishedDetector) -> None:
    (apart,) = detector.score([chat(TEXT[:80], TEXT[80:150])])
    assert apart.details["score"] == score(detector, TEXT[:80] + "\n" + TEXT[80:150])


def test_the_border_may_be_approached_from_either_side(models: tuple[Path, Path]) -> None:
    here = score(made(models), TEXT)
    (at_it,) = made(models, machine_below=here).score([chat(TEXT)])
    (below,) = made(models, machine_below=here + 0.05).score([chat(TEXT)])
    assert at_it.confidence == pytest.approx(0.5, abs=1e-3)
    assert below.confidence == pytest.approx(0.731, abs=1e-3)


def test_nothing_is_left_to_learn_from(detector: PublishedDetector) -> None:
    assert detector._method is not None
    parameters = [one for each in detector._method.networks for one in each.parameters()]
    assert parameters
    assert not any(one.requires_grad for one in parameters)
    assert not any(each.training for each in detector._method.networks)


def test_both_models_leave_the_device_and_come_back(models: tuple[Path, Path]) -> None:
    found = made(models)
    assert isinstance(found, Evictable)
    both, before = found.resident_bytes, score(found, TEXT)
    alone = made((models[0], models[0])).resident_bytes
    assert 0 < alone < both, "one model that is named twice is loaded once"
    found.unload()
    assert found.resident_bytes == 0
    found.load("cpu")
    assert (found.resident_bytes, score(found, TEXT)) == (both, before)


# --- models that cannot be used ----------------------------------------------------------------


def test_models_that_read_other_tokens_are_refused(
    models: tuple[Path, Path], tmp_path: Path
) -> None:
    stranger = a_language_model(tmp_path / "stranger", seed=3, letters=LETTERS[::-1])
    with pytest.raises(Permanent, match="do not read the same tokens"):
        made((models[0], stranger))


def test_a_model_that_reads_less_than_it_is_given_is_refused(models: tuple[Path, Path]) -> None:
    with pytest.raises(Permanent, match="reads at most 256 tokens; set most_length"):
        made(models, most_length=257)


def test_weights_that_can_hold_code_are_refused(models: tuple[Path, Path], tmp_path: Path) -> None:
    folder = a_language_model(tmp_path / "old", seed=1)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(Permanent, match=r"no model\.safetensors"):
        made((models[0], folder))


def test_a_model_that_brings_code_is_refused(models: tuple[Path, Path], tmp_path: Path) -> None:
    folder, mark = a_language_model(tmp_path / "code", seed=1), tmp_path / "owned"
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "code.C"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(f"open({str(mark)!r}, 'w').close()")
    with pytest.raises(Permanent, match="cannot load it as a causal language model"):
        made((models[0], folder))
    assert not mark.exists()


def test_weights_that_lack_a_layer_are_refused(models: tuple[Path, Path], tmp_path: Path) -> None:
    folder = a_language_model(tmp_path / "deeper", seed=1)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"n_layer": 3}))
    with pytest.raises(Permanent, match=r"the weights lack .*h\.2"):
        made((models[0], folder))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ({"model": "tiiuae/falcon-7b"}, "`revision` has to pin"),
        ({"model": "./here", "revision": "a" * 40}, "a folder has none"),
        ({"model": "http://host/model"}, "model"),
        ({"model": "tiiuae/falcon-7b", "revision": "main"}, "revision"),
    ],
)
def test_a_model_is_a_folder_or_pinned(place: dict[str, str], message: str) -> None:
    settings = {"observer": place, "performer": {"model": "./b"}, "machine_below": 0.9}
    with pytest.raises(ValidationError, match=message):
        BinocularsConfig.model_validate(settings)


def test_lengths_have_to_fit() -> None:
    settings = {"observer": {"model": "./a"}, "performer": {"model": "./b"}, "machine_below": 0.9}
    with pytest.raises(ValidationError, match="least_length must be at most most_length"):
        BinocularsConfig.model_validate({**settings, "most_length": 32})
