"""Models of transformers give through the adapter what they give through transformers itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoModelForImageClassification,
    AutoModelForVideoClassification,
    VideoMAEImageProcessorPil,
    ViTImageProcessorPil,
    pipeline,
)

from streammon.core.errors import Permanent
from streammon.core.ports import Detector, Evictable, Repeatable
from streammon.core.types import VideoFrame, Window
from streammon.detectors.huggingface import HuggingFaceConfig
from tests.tiny_models import (
    a_distilbert,
    a_video_mae,
    a_vit,
    a_wav2vec2,
    changed_json,
    heard,
    read,
    seen,
)

pytestmark = pytest.mark.usefixtures("one_thread")

ROUNDING = 2e-3
"""What one level in 255 of a resized picture may come to."""


def loaded(folder: Path, **more: Any) -> Detector:
    detector = HuggingFaceConfig.model_validate({"model": str(folder), **more}).build("d")
    detector.load("cpu")
    return detector


def confidences(detector: Detector, windows: list[Window]) -> list[float]:
    results = detector.score(windows)
    assert all(result.abstained is None for result in results)
    return [result.confidence or 0.0 for result in results]


def said_by_pipeline(task: Any, folder: Path, given: list[Any], label: str) -> list[float]:
    ask: Any = pipeline(task, model=str(folder), device="cpu", top_k=None)
    answers = [ask(one) for one in given]
    flat = [answer[0] if isinstance(answer[0], list) else answer for answer in answers]
    return [next(one["score"] for one in answer if one["label"] == label) for answer in flat]


def images(window: Window) -> list[Any]:
    return [item.image_rgb for item in window.items if isinstance(item, VideoFrame)]


def logits_of(folder: Path, windows: list[Window]) -> torch.Tensor:
    """What transformers says of the first picture of each window, prepared by Pillow."""
    processor: Any = ViTImageProcessorPil.from_pretrained(folder)
    model: Any = AutoModelForImageClassification.from_pretrained(folder)
    shown = [Image.fromarray(images(window)[0]) for window in windows]
    with torch.inference_mode():
        found: torch.Tensor = model(**processor(images=shown, return_tensors="pt")).logits
    return found


def test_an_image_model_says_what_it_says_in_transformers(tmp_path: Path) -> None:
    folder = a_vit(tmp_path / "vit")
    windows = [seen(seed, height=45 + seed) for seed in range(5)]
    wanted = logits_of(folder, windows).softmax(-1)[:, 1].tolist()
    assert confidences(loaded(folder), windows) == pytest.approx(wanted, abs=ROUNDING)
    assert max(wanted) - min(wanted) > 10 * ROUNDING, "they have to differ for this to say anything"


def test_several_pictures_of_a_window_count_by_their_mean(tmp_path: Path) -> None:
    folder = a_vit(tmp_path / "vit")
    three = seen(1, frames=3)
    apart = [replace(three, items=(item,)) for item in three.items]
    (together,) = confidences(loaded(folder, frames=3), [three])
    assert together == pytest.approx(np.mean(confidences(loaded(folder), apart)), abs=1e-6)


def test_a_video_model_says_what_it_says_in_transformers(tmp_path: Path) -> None:
    folder = a_video_mae(tmp_path / "mae")
    windows = [seen(seed, frames=4) for seed in range(3)]
    processor: Any = VideoMAEImageProcessorPil.from_pretrained(folder)
    model: Any = AutoModelForVideoClassification.from_pretrained(folder)
    wanted = []
    for window in windows:
        given = processor([Image.fromarray(image) for image in images(window)], return_tensors="pt")
        with torch.inference_mode():
            wanted.append(model(**given).logits.softmax(-1)[0, 1].item())
    assert confidences(loaded(folder), windows) == pytest.approx(wanted, abs=ROUNDING)


def test_an_audio_model_says_what_its_pipeline_says(tmp_path: Path) -> None:
    folder = a_wav2vec2(tmp_path / "wav")
    windows = [heard(seed) for seed in range(4)]
    pcms = [np.array(getattr(window.items[0], "pcm")) for window in windows]  # noqa: B009
    wanted = said_by_pipeline("audio-classification", folder, pcms, "spoof")
    assert confidences(loaded(folder), windows) == pytest.approx(wanted, abs=1e-5)


def test_a_text_model_says_what_its_pipeline_says(tmp_path: Path) -> None:
    folder = a_distilbert(tmp_path / "bert")
    texts = ["hello there my world", "a b c", "hello " * 200, "my my world x y z hello there"]
    wanted = said_by_pipeline(
        "text-classification", folder, [text[:60] for text in texts[:2]], "AI"
    )
    found = confidences(loaded(folder), [read(at, text) for at, text in enumerate(texts)])
    assert found[:2] == pytest.approx(wanted, abs=1e-5)
    assert len(found) == 4, "long text is cut at the model's length"


def test_messages_are_read_as_one_text(tmp_path: Path) -> None:
    detector = loaded(a_distilbert(tmp_path / "bert"))
    one, two = confidences(detector, [read(0, "hello", "my world"), read(1, "hello\nmy world")])
    assert one == two


def test_how_windows_are_stacked_makes_no_difference(tmp_path: Path) -> None:
    for folder, windows in [
        (a_vit(tmp_path / "vit"), [seen(n, height=40 + n % 2) for n in range(6)]),
        (a_wav2vec2(tmp_path / "wav"), [heard(n, duration_s=1.0 + n) for n in range(4)]),
        (a_distilbert(tmp_path / "bert"), [read(n, "hello there " * (n + 1)) for n in range(4)]),
    ]:
        detector = loaded(folder)
        alone = [confidences(detector, [window])[0] for window in windows]
        assert confidences(detector, windows) == pytest.approx(alone, abs=1e-5)


def test_labels_decide_which_side_counts(tmp_path: Path) -> None:
    folder = a_vit(tmp_path / "vit", labels=("cat", "dog", "ship"))
    with pytest.raises(Permanent, match=r"not plain: cat, dog, ship.*synthetic: \[ship\]"):
        loaded(folder)
    window = [seen(3)]
    (one,) = confidences(loaded(folder, synthetic=["dog", "ship"]), window)
    (other,) = confidences(loaded(folder, real=["cat"]), window)
    assert one == pytest.approx(other)
    with pytest.raises(Permanent, match=r"'fake'.*has 3: 0 \(cat\), 1 \(dog\), 2 \(ship\)"):
        loaded(folder, synthetic="fake")


def test_a_model_of_independent_labels_is_read_through_sigmoids(tmp_path: Path) -> None:
    folder = a_vit(tmp_path / "vit", problem_type="multi_label_classification")
    wanted = logits_of(folder, [seen(1)]).sigmoid()[:, 1].tolist()
    assert confidences(loaded(folder), [seen(1)]) == pytest.approx(wanted, abs=ROUNDING)


def test_weights_leave_the_device_and_come_back(tmp_path: Path) -> None:
    detector = loaded(a_vit(tmp_path / "vit"))
    assert isinstance(detector, Evictable)
    assert isinstance(detector, Repeatable)
    before, taken, fingerprint = (
        confidences(detector, [seen(0)]), detector.resident_bytes, detector.fingerprint,
    )  # fmt: skip
    assert taken > 10_000
    detector.unload()
    assert detector.resident_bytes == 0
    with pytest.raises(Permanent, match=r"load\(\) has to come before"):
        detector.score([seen(0)])
    detector.load("cpu")
    assert (detector.resident_bytes, detector.fingerprint) == (taken, fingerprint)
    assert confidences(detector, [seen(0)]) == before


def test_the_fingerprint_follows_the_weights_and_the_settings(tmp_path: Path) -> None:
    prints = set()
    for labels in (("real", "fake"), ("fake", "real")):
        folder = a_vit(tmp_path / labels[0], labels=labels)
        for more in ({}, {"threshold": 0.9}):
            detector = loaded(folder, **more)
            assert isinstance(detector, Repeatable)
            prints.add(detector.fingerprint)
    assert len(prints) == 4


# --- files that are refused ------------------------------------------------------------------


def test_weights_that_may_hold_code_are_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = a_vit(tmp_path / "vit")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(
        Permanent, match=r"no model\.safetensors; found: pytorch_model\.bin.*conver"
    ):
        loaded(folder)


def test_a_model_without_its_classifier_is_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = a_vit(tmp_path / "vit") / "model.safetensors"
    kept = {name: each for name, each in load_file(path).items() if "classifier" not in name}
    save_file(kept, path, metadata={"format": "pt"})
    with pytest.raises(Permanent, match=r"lacks 2 weights.*classifier.*not trained to classify"):
        loaded(tmp_path / "vit")


@pytest.mark.parametrize("damage", [b"", b"x" * 100])
def test_damaged_weights_are_refused(tmp_path: Path, damage: bytes) -> None:
    folder = a_vit(tmp_path / "vit")
    (folder / "model.safetensors").write_bytes(damage)
    with pytest.raises(Permanent, match="transformers cannot load it as image classification"):
        loaded(folder)


def test_a_model_without_its_preprocessing_is_refused(tmp_path: Path) -> None:
    folder = a_vit(tmp_path / "vit")
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(Permanent, match=r"no preprocessor_config\.json"):
        loaded(folder)


def test_code_that_comes_with_a_model_is_never_run(tmp_path: Path) -> None:
    folder = a_vit(tmp_path / "vit")
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass Model: ...\n")
    remote = {"AutoConfig": "evil.Model", "AutoModelForImageClassification": "evil.Model"}
    changed_json(folder / "config.json", {"auto_map": remote})
    loaded(folder)
    changed_json(folder / "config.json", {"model_type": "evil"})
    with pytest.raises(Permanent):
        loaded(folder)
    assert not (tmp_path / "ran").exists()


def test_kernels_from_elsewhere_are_code(tmp_path: Path) -> None:
    folder = a_vit(tmp_path / "vit")
    changed_json(folder / "config.json", {"_attn_implementation": "org/kernels"})
    with pytest.raises(Permanent, match="asks for code from elsewhere"):
        loaded(folder)


def test_a_config_of_another_model_than_the_weights_is_refused(tmp_path: Path) -> None:
    folder = a_vit(tmp_path / "vit")
    changed_json(folder / "config.json", {"hidden_size": 64})
    with pytest.raises(Permanent, match="transformers cannot load it"):
        loaded(folder)
    changed_json(folder / "config.json", {"hidden_size": 32})
    changed_json(folder / "preprocessor_config.json", {"size": {"height": 40, "width": 40}})
    with pytest.raises(Permanent, match=r"failed on its first input.*do not belong together"):
        loaded(folder)


def test_nothing_numeric_from_the_model_is_an_abstention(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    path = a_vit(tmp_path / "vit") / "model.safetensors"
    broken = {name: each * float("nan") for name, each in load_file(path).items()}
    save_file(broken, path, metadata={"format": "pt"})
    (result,) = loaded(tmp_path / "vit").score([seen(0)])
    assert (result.confidence, result.abstained) == (None, "the model gave no number")
