"""Words against pictures, with a tiny CLIP that is made here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from transformers import CLIPConfig, CLIPModel

from streammon.core.errors import Permanent
from streammon.core.types import StreamId, Window
from streammon.detectors.image_text import ImageText, ImageTextConfig
from tests.fakes import a_frame, a_message, a_window

CAPTIONS = StreamId("captions")
SCALE = {"matches": 0.5, "differs": -0.5}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CLIP of a few thousand random weights and a tokenizer of letters."""
    folder = tmp_path_factory.mktemp("models") / "tiny-clip"
    letters = [chr(at) for at in range(33, 127)]
    words = [*letters, *(letter + "</w>" for letter in letters)]
    vocabulary = {word: at for at, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}
    ends = {"bos_token_id": len(words), "eos_token_id": len(words) + 1}
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2,
             "num_attention_heads": 2, "projection_dim": 8}  # fmt: skip
    config = CLIPConfig(
        text_config={**small, **ends, "vocab_size": len(vocabulary),
                     "pad_token_id": ends["eos_token_id"], "max_position_embeddings": 16},
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=8,
    )  # fmt: skip
    torch.manual_seed(3)
    CLIPModel(config).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps(vocabulary))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 16})
    )
    return folder


def detector(model: Path | None, **settings: Any) -> ImageText:
    scale = SCALE if model is not None else {}
    config = ImageTextConfig(model=model, **{"texts": {"cam": "captions"}, **scale, **settings})
    made = config.build("about")
    made.load("cpu")
    return made


def shown(seed: int, *, stream: str = "cam", at_s: float = 4.0, size: int = 40) -> Window:
    image = np.random.default_rng(seed).integers(0, 256, (size, 64, 3)).astype(np.uint8)
    frame = a_frame(0, media_s=at_s, image_rgb=image, stream=StreamId(stream))
    return a_window(frame, end_s=at_s + 0.1)


def written(text: str, *, at_s: float = 4.0) -> Window:
    message = a_message(text=text, stream=CAPTIONS, captured_ns=round(at_s * 1e9))
    return a_window(message, end_s=at_s + 1.0)


def test_the_similarity_is_that_of_the_model_itself(clip: Path) -> None:
    from transformers import AutoTokenizer

    made = detector(clip)
    made.score([written("a red car")])
    window = shown(1, size=32)
    (result,) = made.score([window])
    model: Any = CLIPModel.from_pretrained(clip)
    pixels = made._model._prepared(window.items[0].image_rgb)[None]  # type: ignore[union-attr]
    tokens = AutoTokenizer.from_pretrained(clip)("a red car", return_tensors="pt")
    with torch.inference_mode():
        out = model(**tokens, pixel_values=pixels)
    expected = float((out.image_embeds @ out.text_embeds.T)[0, 0])
    assert result.details["similarity"] == pytest.approx(expected, abs=1e-3)
    assert result.model_used == "tiny-clip"
    assert result.details["calibrated"] is False


@pytest.mark.parametrize(("similarity", "confidence"), [(0.3, 0.1192), (0.2, 0.5), (0.1, 0.8808)])
def test_the_confidence_is_a_line_in_log_odds_through_the_two_similarities(
    similarity: float, confidence: float
) -> None:
    made = ImageText("about", ImageTextConfig(model=Path("x"), matches=0.3, differs=0.1))
    assert made._confidence(similarity) == pytest.approx(confidence, abs=1e-4)


def test_a_batch_is_one_run_and_each_picture_keeps_its_own_words(clip: Path) -> None:
    both = {"cam": "captions", "other": "captions"}
    made, alone = detector(clip, texts=both), detector(clip, texts=both)
    for each in (made, alone):
        each.score([written("a red car on a road")])
    windows = [shown(1), shown(2, stream="other", size=90)]
    together = made.score(windows)
    one_by_one = [alone.score([window])[0] for window in windows]
    assert [result.confidence for result in together] == pytest.approx(
        [result.confidence for result in one_by_one], abs=1e-3
    )
    assert together[0].details != together[1].details


def test_without_model_text_or_words_at_that_time_it_abstains(clip: Path) -> None:
    bare = detector(None)
    assert not bare.on_device
    assert bare.score([shown(1)])[0].abstained == "no embedding model is configured"
    made = detector(clip)
    assert made.score([shown(1)])[0].abstained == "no words at that time"
    (kept,) = made.score([written("hello", at_s=4.0)])
    assert kept.abstained == "kept for the picture that it is about: verdicts are given there"
    assert made.score([shown(1, at_s=60.0)])[0].abstained == "no words at that time"
    stranger = made.score([shown(1, stream="elsewhere")])[0]
    assert stranger.abstained == "no text stream is configured for this picture"


def test_words_of_any_length_and_script_are_taken(clip: Path) -> None:
    made = detector(clip)
    made.score([written("猫 " * 400 + "\u202e \ud800 emoji")])
    (result,) = made.score([shown(1)])
    assert result.confidence is not None or result.abstained


def test_a_model_that_gives_no_number_makes_it_abstain(clip: Path) -> None:
    made = detector(clip)
    made.score([written("hello")])
    assert made._model is not None
    with torch.no_grad():
        next(iter(made._model._model.parameters())).fill_(float("nan"))
        for weights in made._model._model.parameters():
            weights.fill_(float("nan"))
    assert made.score([shown(1)])[0].abstained == "the model gave no number"


def test_its_weights_come_and_go(clip: Path) -> None:
    made = detector(clip)
    assert made.resident_bytes > 1000
    made.unload()
    assert made.resident_bytes == 0
    made.load("cpu")
    assert made.resident_bytes > 1000


def test_a_folder_without_safetensors_is_refused(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="no such folder"):
        detector(tmp_path / "nowhere")
    for file in clip.iterdir():
        if file.suffix != ".safetensors":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    torch.save(CLIPModel.from_pretrained(clip).state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(Permanent, match="not a CLIP-like model with safetensors"):
        detector(tmp_path)


@pytest.mark.parametrize(
    "settings", [{"model": "x"}, {"model": "x", "matches": 0.1, "differs": 0.3}]
)
def test_a_model_needs_its_scale(settings: Any) -> None:
    with pytest.raises(ValidationError, match="matches"):
        ImageTextConfig.model_validate({"type": "image_text", **settings})
