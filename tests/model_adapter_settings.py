"""Settings that point each adapter for other people's models to a small one, made here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tests.tiny_models import PICTURE, Hears, Small, a_wav2vec2, exported, onnx_file, traced


def _huggingface(folder: Path) -> dict[str, Any]:
    place = folder / "wav2vec2"
    if not place.exists():
        a_wav2vec2(place)
    return {"model": str(place)}


def _onnx(folder: Path) -> dict[str, Any]:
    weights = np.random.default_rng(2).normal(0, 0.1, (3 * 64, 2)).astype(np.float32)
    path = onnx_file(folder / "small.onnx", weights=weights, shape=["batch", 3, 8, 8])
    look = {"modality": "image", "picture": {"size": (8, 8)}}
    return {"model": path, "scores": {"synthetic": 1}, **look}


def _torchscript(folder: Path) -> dict[str, Any]:
    path = folder / "small.pt"
    if not path.exists():
        traced(Small(), torch.zeros(2, 3, PICTURE, PICTURE), path)
    look = {"modality": "image", "picture": {"size": (PICTURE, PICTURE)}}
    return {"model": path, "trusted": True, "scores": {"synthetic": 1}, **look}


def _torch_export(folder: Path) -> dict[str, Any]:
    path = folder / "hears.pt2"
    if not path.exists():
        exported(Hears(), torch.zeros(2, 32_000), path)
    hear = {"modality": "audio", "sound": {"samples": 32_000}}
    return {"model": path, "trusted": True, "scores": {"synthetic": 1}, **hear}


ADAPTERS: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    "huggingface": _huggingface,
    "onnx": _onnx,
    "torchscript": _torchscript,
    "torch_export": _torch_export,
}
