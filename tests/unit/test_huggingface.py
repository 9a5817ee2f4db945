"""The config of a transformers model: what is asked for, what is worked out, what is refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streammon.core.errors import ConfigError
from streammon.core.types import Modality, WindowUnit
from streammon.detectors.huggingface import HuggingFaceConfig, clip_frames, content_of
from streammon.registry import DETECTORS, adapter_class

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def folder(at: Path, architecture: str | None = "ViTForImageClassification", **more: Any) -> str:
    architectures = {} if architecture is None else {"architectures": [architecture]}
    (at / "config.json").write_text(json.dumps(architectures | more))
    return str(at)


@pytest.mark.parametrize(
    ("architecture", "modality", "kind"),
    [
        ("SwinForImageClassification", Modality.VIDEO, "synthetic_image"),
        ("VideoMAEForVideoClassification", Modality.VIDEO, "synthetic_video"),
        ("ASTForAudioClassification", Modality.AUDIO, "voice_spoof"),
        ("WavLMForSequenceClassification", Modality.AUDIO, "voice_spoof"),
        ("RobertaForSequenceClassification", Modality.TEXT, "ai_text"),
    ],
)
def test_one_line_is_enough_for_a_folder(
    tmp_path: Path, architecture: str, modality: Modality, kind: str
) -> None:
    detector = HuggingFaceConfig(model=folder(tmp_path, architecture)).build("d")
    assert set(detector.inputs) == {modality}
    assert (detector.name, detector.kind, detector.on_device) == ("d", kind, True)


def test_every_classifier_of_the_library_is_told_apart() -> None:
    from transformers.models.auto import modeling_auto

    known: Any = modeling_auto
    for content, mapping in {
        "image": known.MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES,
        "video": known.MODEL_FOR_VIDEO_CLASSIFICATION_MAPPING_NAMES,
        "audio": known.MODEL_FOR_AUDIO_CLASSIFICATION_MAPPING_NAMES,
        "text": known.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    }.items():
        for names in mapping.values():
            for name in [names] if isinstance(names, str) else names:
                assert content_of({"architectures": [name]}, where="m") == content, name


def test_another_architecture_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="architecture BertForMaskedLM is no image, audio"):
        HuggingFaceConfig(model=folder(tmp_path, "BertForMaskedLM"))
    with pytest.raises(ValidationError, match="architecture none is no image"):
        HuggingFaceConfig(model=folder(tmp_path, None))


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match=r"config\.json cannot be read \(No such file"):
        HuggingFaceConfig(model=str(tmp_path / "none"))


@pytest.mark.parametrize("content", ["", "[]", "{", "\x00"])
def test_a_config_that_is_none_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValidationError, match=r"config\.json (is not JSON|holds no JSON object)"):
        HuggingFaceConfig(model=str(tmp_path))


def test_a_model_of_the_hub_is_pinned() -> None:
    with pytest.raises(ValidationError, match=r"`revision` has to pin org/name.*write \./org/name"):
        HuggingFaceConfig(model="org/name", modality="image")
    for branch in ("main", "v1.0", COMMIT[:8]):
        with pytest.raises(ValidationError, match="revision"):
            HuggingFaceConfig(model="org/name", modality="image", revision=branch)
    with pytest.raises(ValidationError, match=r"`modality` .* has to be given"):
        HuggingFaceConfig(model="org/name", revision=COMMIT)
    detector = HuggingFaceConfig(model="org/name", revision=COMMIT, modality="audio").build("d")
    assert set(detector.inputs) == {Modality.AUDIO}


@pytest.mark.parametrize("name", ["org/name/more", "https://host/x", "a b", "-x", "org/.."])
def test_what_is_neither_folder_nor_hub_name_is_refused(name: str) -> None:
    with pytest.raises(ValidationError, match=r"a folder \(\./name\) or organisation/name"):
        HuggingFaceConfig(model=name, revision=COMMIT, modality="image")


def test_a_folder_has_no_revision(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="a folder has none"):
        HuggingFaceConfig(model=folder(tmp_path), revision=COMMIT)


def test_windows_have_sensible_defaults_and_can_be_set(tmp_path: Path) -> None:
    def spec(architecture: str, **more: Any) -> Any:
        config = HuggingFaceConfig.model_validate(
            {"model": folder(tmp_path, architecture, num_frames=8), **more}
        )
        return next(iter(config.build("d").inputs.values()))

    picture = spec("ViTForImageClassification")
    assert (picture.length, picture.unit) == (1, WindowUnit.FRAMES)
    assert spec("ViTForImageClassification", frames=4).length == 4
    clip = spec("TimesformerForVideoClassification")
    assert (clip.unit, clip.frame_interval_s) == (WindowUnit.SECONDS, clip.length / 8)
    longer = spec("TimesformerForVideoClassification", window={"length": 4.0})
    assert (longer.length, longer.frame_interval_s) == (4.0, 0.5)
    assert spec("BertForSequenceClassification").unit is WindowUnit.CHARACTERS
    sound = spec("HubertForSequenceClassification", window={"length": 3, "overlap": 1})
    assert (sound.length, sound.overlap, sound.unit) == (3.0, 1.0, WindowUnit.SECONDS)


def test_windows_that_cannot_be_cut_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="audio cannot be cut in frames"):
        HuggingFaceConfig.model_validate(
            {
                "model": folder(tmp_path, "HubertForSequenceClassification"),
                "window": {"length": 3, "unit": "frames"},
            }
        )
    with pytest.raises(ValidationError, match="overlap must be in"):
        HuggingFaceConfig.model_validate(
            {"model": folder(tmp_path), "window": {"length": 1, "overlap": 1}}
        )


def test_one_label_needs_no_list_and_two_sides_are_a_mistake(tmp_path: Path) -> None:
    config: dict[str, Any] = {"model": folder(tmp_path), "synthetic": "LABEL_1"}
    assert HuggingFaceConfig.model_validate(config).synthetic == ("LABEL_1",)
    with pytest.raises(ValidationError, match="not both"):
        HuggingFaceConfig.model_validate({**config, "real": "LABEL_0"})


@pytest.mark.parametrize(
    ("config", "frames"),
    [({"num_frames": 8}, 8), ({"frames_per_clip": 64}, 64), ({}, 16), ({"num_frames": -1}, 16)],
)
def test_the_models_config_says_how_long_a_clip_is(config: dict[str, Any], frames: int) -> None:
    assert clip_frames(config) == frames


@pytest.mark.parametrize(
    ("tag", "library"), [("huggingface", "transformers"), ("onnx", "onnxruntime")]
)
def test_a_missing_library_names_the_line_that_brings_it(
    monkeypatch: pytest.MonkeyPatch, tag: str, library: str
) -> None:
    import importlib.util

    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == library else there(name)
    )
    monkeypatch.delitem(sys.modules, f"streammon.detectors.{tag}", raising=False)
    with pytest.raises(ConfigError, match=rf"needs {library}.*pip install 'streammon\[{tag}\]'"):
        adapter_class(DETECTORS, tag)
    monkeypatch.undo()
