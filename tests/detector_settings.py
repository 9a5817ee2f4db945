"""What detectors of other people's models need before they can be built: small models with random
weights, made when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from streammon.detectors.models.aasist import VARIANTS, Aasist
from tests.keras_files import mesonet_file
from tests.language_models import a_language_model
from tests.model_adapter_settings import ADAPTERS


def settings_of(tag: str, folder: Path) -> dict[str, Any]:
    """Settings without which `tag` cannot be built; what they name lies in `folder`."""
    return NEEDED[tag](folder) if tag in NEEDED else {}


def _aasist(folder: Path) -> dict[str, Any]:
    path = folder / "AASIST-L.pth"
    if not path.exists():
        torch.manual_seed(7)
        torch.save(Aasist(VARIANTS["AASIST-L"]).state_dict(), path)
    return {"variant": "AASIST-L", "weights": path}


def _mesonet(folder: Path) -> dict[str, Any]:
    path = folder / "Meso4.h5"
    if not path.exists():
        mesonet_file(path, "Meso4")
    return {"variant": "Meso4", "weights": path, "region": "whole"}


def _model(folder: Path, seed: int) -> dict[str, str]:
    place = folder / f"language_model_{seed}"
    if not place.exists():
        a_language_model(place, seed=seed)
    return {"model": str(place)}


READING = {"window_characters": 300, "most_length": 256}


def _binoculars(folder: Path) -> dict[str, Any]:
    pair = {"observer": _model(folder, 1), "performer": _model(folder, 2)}
    return {**pair, "machine_below": 0.9, **READING}


def _fast_detect_gpt(folder: Path) -> dict[str, Any]:
    return {"scoring": _model(folder, 1), "machine_above": 1.0, **READING}


NEEDED: Mapping[str, Callable[[Path], dict[str, Any]]] = {
    **ADAPTERS,
    "aasist": _aasist,
    "mesonet": _mesonet,
    "binoculars": _binoculars,
    "fast_detect_gpt": _fast_detect_gpt,
}
