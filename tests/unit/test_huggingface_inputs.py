"""Preprocessing of transformers: done in batches where it is usual, by its own code where not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from PIL import Image

from streammon.core.errors import Permanent
from streammon.detectors.huggingface_inputs import (
    clip_inputs,
    picture_inputs,
    preparation,
    sound_inputs,
)
from tests.tiny_models import a_picture, a_vit, changed_json, heard, seen

STANDARD = (0.48, 0.46, 0.41)


def saved(folder: Path, processor: Any, *, model_type: str = "vit") -> Path:
    processor.save_pretrained(folder)
    (folder / "config.json").write_text(f'{{"model_type": "{model_type}"}}')
    return folder


def a_processor(name: str, **settings: Any) -> Any:
    return getattr(transformers, name)(**settings)


SIDE = {"height": 24, "width": 24}
USUAL = [
    ("ViTImageProcessorPil", {"size": SIDE}),
    ("ViTImageProcessorPil", {"size": SIDE, "resample": 3, "image_mean": STANDARD}),
    ("ViTImageProcessorPil", {"size": {"height": 20, "width": 30}, "do_normalize": False}),
    ("ViTImageProcessorPil", {"size": SIDE, "do_rescale": False, "do_normalize": False}),
    ("CLIPImageProcessorPil", {"size": {"shortest_edge": 28}, "crop_size": SIDE}),
    ("BitImageProcessorPil", {"size": {"shortest_edge": 24}, "crop_size": SIDE}),
    ("SiglipImageProcessorPil", {"size": SIDE}),
    ("DeiTImageProcessorPil", {"size": {"height": 30, "width": 30}, "crop_size": SIDE}),
]
UNUSUAL = [
    ("ConvNextImageProcessorPil", {"size": {"shortest_edge": 24}}, "convnext"),
    ("EfficientNetImageProcessorPil", {"size": SIDE}, "efficientnet"),
    ("BeitImageProcessorPil", {"size": SIDE, "crop_size": SIDE}, "beit"),
]


def by_itself(processor: Any, images: list[Any]) -> Any:
    shown = [Image.fromarray(image) for image in images]
    return np.stack(processor(images=shown, return_tensors="np")["pixel_values"])


@pytest.mark.parametrize(("name", "settings"), USUAL)
def test_the_usual_is_done_in_batches_with_the_same_result(
    tmp_path: Path, name: str, settings: dict[str, Any]
) -> None:
    processor = a_processor(name, **settings)
    how = preparation(processor)
    assert how is not None
    inputs = picture_inputs(saved(tmp_path, processor), 1, "cpu")
    windows = [seen(seed, height=50 + seed, width=60) for seed in range(4)]
    found = inputs(windows)["pixel_values"].numpy()
    wanted = by_itself(processor, [a_picture(seed * 31, height=50 + seed) for seed in range(4)])
    levels = np.abs(found - wanted) * np.reshape(how.std, (3, 1, 1)) / how.scale
    assert levels.max() <= 1.01, "one level in 255"


@pytest.mark.parametrize(("name", "settings", "model_type"), UNUSUAL)
def test_the_unusual_is_done_by_the_processor_itself(
    tmp_path: Path, name: str, settings: dict[str, Any], model_type: str
) -> None:
    processor = a_processor(name, **settings)
    assert preparation(processor) is None
    inputs = picture_inputs(saved(tmp_path, processor, model_type=model_type), 1, "cpu")
    found = inputs([seen(1), seen(2)])["pixel_values"].numpy()
    wanted = by_itself(processor, [a_picture(31), a_picture(62)])
    assert np.abs(found - wanted).max() < 1e-5


@pytest.mark.parametrize(
    "settings",
    [
        {"size": {"shortest_edge": 24}},
        {"size": SIDE, "do_resize": False},
        {"size": SIDE, "resample": 4},
        {"size": SIDE, "do_center_crop": True, "crop_size": {"height": 99, "width": 99}},
        {"size": {"shortest_edge": 24, "longest_edge": 48}},
    ],
)
def test_settings_that_are_unusual_are_left_to_the_processor(settings: dict[str, Any]) -> None:
    assert preparation(a_processor("ViTImageProcessorPil", **settings)) is None


def test_names_of_older_versions_are_known(tmp_path: Path) -> None:
    folder = a_vit(tmp_path / "vit")
    wanted = picture_inputs(folder, 1, "cpu")([seen(1)])["pixel_values"]
    for changes in (
        {"image_processor_type": "ViTImageProcessorFast"},
        {"image_processor_type": None, "feature_extractor_type": "ViTFeatureExtractor"},
        {"feature_extractor_type": None},
    ):
        changed_json(folder / "preprocessor_config.json", changes)
        found = picture_inputs(folder, 1, "cpu")([seen(1)])["pixel_values"]
        assert torch.equal(found, wanted)


def test_a_processor_that_nobody_knows_is_named(tmp_path: Path) -> None:
    folder = a_vit(tmp_path / "vit")
    changed_json(folder / "preprocessor_config.json", {"image_processor_type": "OwnProcessor"})
    changed_json(folder / "config.json", {"model_type": "own"})
    with pytest.raises(Permanent, match=r"OwnProcessor is not one of this version.*`onnx`"):
        picture_inputs(folder, 1, "cpu")


def test_clips_of_a_processor_of_their_own(tmp_path: Path) -> None:
    processor = a_processor("VivitImageProcessor", size={"shortest_edge": 26}, crop_size=SIDE)
    folder = saved(tmp_path, processor, model_type="vivit")
    inputs = clip_inputs(folder, "pixel_values", {"num_frames": 3}, "cpu")
    found = inputs([seen(1, frames=3), seen(2, frames=3)])["pixel_values"].numpy()
    assert found.shape == (2, 3, 3, 24, 24)
    clip = [a_picture(62 + at) for at in range(3)]
    wanted = np.asarray(processor(clip, return_tensors="np")["pixel_values"])[0]
    assert np.abs(found[1] - wanted).max() < 1e-5


def test_sound_features_are_those_of_the_extractor(tmp_path: Path) -> None:
    extractor = a_processor("ASTFeatureExtractor", max_length=64, num_mel_bins=16)
    folder = saved(tmp_path, extractor, model_type="audio-spectrogram-transformer")
    windows = [heard(seed, duration_s=1.0) for seed in range(2)]
    found = sound_inputs(folder, 1.0, "cpu")(windows)
    pcms = [np.array(getattr(window.items[0], "pcm")) for window in windows]  # noqa: B009
    wanted = extractor(pcms, sampling_rate=16_000, return_tensors="np")
    assert set(found) == set(wanted)
    assert np.abs(found["input_values"].numpy() - wanted["input_values"]).max() < 1e-4
