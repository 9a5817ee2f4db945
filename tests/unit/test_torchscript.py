"""torchscript and torch_export: programs are vouched for, and say what the module said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from streammon.core.errors import Permanent
from streammon.core.ports import Evictable
from streammon.detectors.model_detector import ModelDetector
from streammon.detectors.model_pictures import Preparation, pictures, prepared
from streammon.detectors.model_settings import PictureSettings
from streammon.detectors.torch_export import TorchExportConfig
from streammon.detectors.torchscript import TorchScriptConfig
from tests.tiny_models import PICTURE, Hears, Small, exported, heard, seen, sha256, traced

LOOK = {"size": (PICTURE, PICTURE)}
EXAMPLE = torch.zeros(2, 3, PICTURE, PICTURE)
KINDS = {"torchscript": TorchScriptConfig, "torch_export": TorchExportConfig}
each_kind = pytest.mark.parametrize("kind", KINDS)


def stored(kind: str, folder: Path, model: torch.nn.Module, example: torch.Tensor) -> Path:
    write = traced if kind == "torchscript" else exported
    return write(model, example, folder / "model.pt2")


def detector(kind: str, path: Path, **more: Any) -> ModelDetector:
    pinned = sha256(path) if path.exists() else "0" * 64
    said = {
        "model": path,
        "sha256": pinned,
        "modality": "image",
        "scores": {"synthetic": 1},
        **more,
    }
    if said["modality"] == "image":
        said = {"picture": LOOK, **said}
    config: Any = KINDS[kind].model_validate(said)
    built = config.build("d")
    assert isinstance(built, ModelDetector)
    return built


def loaded(kind: str, path: Path, **more: Any) -> ModelDetector:
    built = detector(kind, path, **more)
    built.load("cpu")
    return built


def confidences(asked: ModelDetector, windows: list[Any]) -> list[float]:
    return [result.confidence or 0.0 for result in asked.score(windows)]


@each_kind
def test_it_says_what_the_module_says(kind: str, tmp_path: Path) -> None:
    model = Small().eval()
    windows = [seen(seed) for seed in range(5)]
    how = Preparation.of(PictureSettings(size=(PICTURE, PICTURE)))
    with torch.inference_mode():
        wanted = model(prepared(pictures(windows, 1), how, "cpu")).softmax(-1)[:, 1].tolist()
    found = confidences(loaded(kind, stored(kind, tmp_path, model, EXAMPLE)), windows)
    assert found == pytest.approx(wanted, abs=1e-6)
    assert max(wanted) - min(wanted) > 1e-3


@each_kind
def test_it_hears_too(kind: str, tmp_path: Path) -> None:
    path = stored(kind, tmp_path, Hears(), torch.zeros(2, 8_000))
    sound = {"rate_hz": 8_000, "samples": 8_000, "short": "silence"}
    asked = loaded(kind, path, modality="audio", sound=sound)
    assert asked.kind == "voice_spoof"
    found = confidences(asked, [heard(seed, duration_s=1.0) for seed in range(3)])
    assert len(set(found)) == 3


@each_kind
def test_a_program_is_pinned_or_trusted(kind: str, tmp_path: Path) -> None:
    path = stored(kind, tmp_path, Small(), EXAMPLE)
    with pytest.raises(ValidationError, match="holds a program: pin it with `sha256`"):
        detector(kind, path, sha256=None)
    detector(kind, path, sha256=None, trusted=True).load("cpu")
    changed = path.read_bytes() + b"\0"
    asked = detector(kind, path)
    path.write_bytes(changed)
    with pytest.raises(Permanent, match=r"SHA-256 is .* expected .*set `sha256`"):
        asked.load("cpu")


@each_kind
@pytest.mark.parametrize("content", [b"", b"PK\x05\x06", b"\x80\x04N.", b"x" * 1000])
def test_what_is_no_such_file_is_refused(kind: str, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(content)
    with pytest.raises(Permanent, match="cannot be opened"):
        loaded(kind, path)


@each_kind
def test_a_file_that_is_not_there_is_named(kind: str, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="cannot be read"):
        loaded(kind, tmp_path / "none.pt")


@each_kind
def test_pictures_of_another_size_than_the_models_are_found_at_load(
    kind: str, tmp_path: Path
) -> None:
    class Rigid(torch.nn.Module):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            return pictures.reshape(-1, 3 * PICTURE * PICTURE)[:, :2]

    path = stored(kind, tmp_path, Rigid(), EXAMPLE)
    loaded(kind, path)
    with pytest.raises(Permanent, match="`picture` says what the model was made for"):
        loaded(kind, path, picture={"size": (PICTURE + 1, PICTURE)})


@each_kind
def test_labels_that_the_model_has_not_are_named(kind: str, tmp_path: Path) -> None:
    path = stored(kind, tmp_path, Small(outputs=3), EXAMPLE)
    with pytest.raises(Permanent, match=r"names 2 labels \(real, fake\), but the model has 3"):
        loaded(kind, path, scores={"labels": ["real", "fake"]})


@each_kind
def test_weights_leave_and_come_back(kind: str, tmp_path: Path) -> None:
    asked = loaded(kind, stored(kind, tmp_path, Small(), EXAMPLE))
    assert isinstance(asked, Evictable)
    before, taken = confidences(asked, [seen(1)]), asked.resident_bytes
    assert taken == sum(each.numel() * 4 for each in Small().parameters())
    asked.unload()
    assert asked.resident_bytes == 0
    asked.load("cpu")
    assert confidences(asked, [seen(1)]) == before
