"""Exported programs: batches of any or one size, outputs by name, and nothing that is pickled."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from streammon.core.errors import Permanent
from streammon.detectors.model_detector import ModelDetector
from streammon.detectors.torch_export import TorchExportConfig
from streammon.detectors.torch_files import without_pickle
from tests.fakes import a_frame, a_window
from tests.tiny_models import PICTURE, Small, exported, seen

EXAMPLE = torch.zeros(2, 3, PICTURE, PICTURE)


def loaded(path: Path, **more: Any) -> ModelDetector:
    look = {"modality": "image", "picture": {"size": (PICTURE, PICTURE)}}
    said = {"model": path, "trusted": True, "scores": {"synthetic": 1}, **look, **more}
    built = TorchExportConfig.model_validate(said).build("d")
    assert isinstance(built, ModelDetector)
    built.load("cpu")
    return built


def confidences(asked: ModelDetector, windows: list[Any]) -> list[float]:
    return [result.confidence or 0.0 for result in asked.score(windows)]


def test_one_of_several_outputs_is_chosen_by_place_or_name(tmp_path: Path) -> None:
    class Two(Small):
        def forward(self, pictures: torch.Tensor) -> Any:
            return {"features": pictures.mean((2, 3)), "logits": super().forward(pictures)}

    path = tmp_path / "two.pt2"
    exported(Two(), EXAMPLE, path)
    asked = loaded(path, output="logits")
    assert len(confidences(asked, [seen(1), seen(2)])) == 2
    with pytest.raises(Permanent, match="no output 'none'"):
        loaded(path, output="none")


def test_a_program_for_one_batch_size_is_asked_as_often_as_it_takes(tmp_path: Path) -> None:
    windows = [seen(seed) for seed in range(5)]
    free = loaded(exported(Small(), EXAMPLE, tmp_path / "free.pt2"))
    wanted = confidences(free, windows)
    for size in (1, 2, 3):
        example = torch.zeros(size, 3, PICTURE, PICTURE)
        path = exported(Small(), example, tmp_path / f"{size}.pt2", most=None)
        assert confidences(loaded(path), windows) == pytest.approx(wanted)


def test_a_program_for_small_batches_says_what_to_set(tmp_path: Path) -> None:
    path = exported(Small(), EXAMPLE, tmp_path / "four.pt2", most=4)
    with pytest.raises(Permanent, match="set `max_batch: 4`"):
        loaded(path)
    loaded(path, max_batch=4)


class Evil:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return open, (str(self.path), "w")


def test_what_would_be_unpickled_is_never_reached(tmp_path: Path) -> None:
    path = exported(Small(), EXAMPLE, tmp_path / "small.pt2")
    ran, evil = tmp_path / "ran", pickle.dumps(Evil(tmp_path / "ran"))
    swap(path, "data/sample_inputs/", evil)
    loaded(path)
    assert not ran.exists()


@pytest.mark.parametrize(
    ("inside", "content"),
    [
        ("data/aotinductor/model/run.so", b"\x7fELF"),
        ("data/weights/model.pt", b"\x80\x04N."),
        ("more/run.py", b"print()"),
    ],
)
def test_parts_that_a_plain_program_has_not_are_refused(
    tmp_path: Path, inside: str, content: bytes
) -> None:
    path = exported(Small(), EXAMPLE, tmp_path / "small.pt2")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(f"archive/{inside}", content)
    with pytest.raises(Permanent, match=r"has no place in an exported program"):
        loaded(path)


def test_pickled_weights_are_refused(tmp_path: Path) -> None:
    path = exported(Small(), EXAMPLE, tmp_path / "small.pt2")
    with zipfile.ZipFile(path) as archive:
        name = next(each for each in archive.namelist() if each.endswith("weights_config.json"))
        listing = archive.read(name).replace(b'"use_pickle": false', b'"use_pickle": true')
    swap(path, name.partition("/")[2], listing)
    with pytest.raises(Permanent, match="is pickled, which is not read"):
        loaded(path)


def test_an_exported_program_keeps_its_weights_to_the_byte(tmp_path: Path) -> None:
    path = exported(Small(), EXAMPLE, tmp_path / "small.pt2")
    (tmp_path / "bare.pt2").write_bytes(without_pickle(path.read_bytes()))
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(tmp_path / "bare.pt2") as new:
        for name in old.namelist():
            assert "sample_inputs" in name or old.read(name) == new.read(name)


def test_no_number_is_an_abstention_of_that_window_alone(tmp_path: Path) -> None:
    class Broken(Small):
        def forward(self, pictures: torch.Tensor) -> torch.Tensor:
            dark = pictures.mean((1, 2, 3), keepdim=False)[:, None] < 0.01
            return torch.where(dark, torch.nan, super().forward(pictures))

    asked = loaded(exported(Broken(), EXAMPLE, tmp_path / "broken.pt2"))
    black = a_frame(image_rgb=np.zeros((45, 60, 3), np.uint8))
    results = asked.score([seen(0), a_window(black), seen(2)])
    said = [result.abstained for result in results]
    assert said == [None, "the model gave no number", None]


def swap(path: Path, inside: str, content: bytes) -> None:
    """Put other content in the place of a part of an archive."""
    with zipfile.ZipFile(path) as old:
        parts = {name: old.read(name) for name in old.namelist()}
    assert any(inside in name for name in parts)
    with zipfile.ZipFile(path, "w") as new:
        for name, part in parts.items():
            new.writestr(name, content if inside in name else part)
