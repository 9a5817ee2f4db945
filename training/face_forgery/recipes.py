"""Which swappers there are, and what they are given: their sizes, their lessons, who is alike."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import interpolate

from training.face_forgery.faces import Faces
from training.face_forgery.sharp_swappers import Modulated, Restored, Restorer
from training.face_forgery.swappers import GROUPS, Kind, swapper

SharpKind = Literal["modulated", "restored"]
SHARP_KINDS: tuple[SharpKind, ...] = ("modulated", "restored")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One swapper: what it is and what it is taught by beside the mean absolute difference."""

    kind: Kind | SharpKind
    side: int
    width: int
    taught_by: Literal["structure", "features", "critic"]
    seed: int
    of: str = ""
    """Whose answers are restored, where it restores."""


RECIPES = {
    "decoders-64-structure": Recipe("decoders", 64, 24, "structure", 1),
    "decoders-96-features": Recipe("decoders", 96, 16, "features", 2),
    "coded-96-critic": Recipe("coded", 96, 16, "critic", 3),
    "coded-64-structure": Recipe("coded", 64, 24, "structure", 4),
    "refined-96-features": Recipe("refined", 96, 16, "features", 5),
    "refined-80-critic": Recipe("refined", 80, 16, "critic", 6),
    "modulated-128-critic": Recipe("modulated", 128, 32, "critic", 7),
    "restored-192-critic": Recipe("restored", 192, 32, "critic", 9, of="modulated-128-critic"),
}


def new(recipe: Recipe) -> nn.Module:
    """A network of that recipe, which knows nothing yet; of one that restores, what restores."""
    if recipe.kind == "modulated":
        return Modulated(width=recipe.width)
    if recipe.kind == "restored":
        return Restorer(width=recipe.width)
    return swapper(recipe.kind, side=recipe.side, width=recipe.width)


def groups_of(faces: Faces) -> NDArray[np.intp]:
    """Who goes to which decoder, (n,): people filmed to one each, the others by mean colour."""
    filmed = np.array([np.sum(faces.identities == name) > 1 for name in faces.identities])
    found = np.zeros(len(faces), np.intp)
    people = sorted(set(faces.identities[filmed]))[: GROUPS - 4]
    for at, name in enumerate(people):
        found[faces.identities == name] = at
    others = np.flatnonzero(~np.isin(faces.identities, people))
    skin = faces.images[others, 70:180, 60:164].mean(axis=(1, 2, 3)) if len(others) else others
    left = GROUPS - len(people)
    found[others[np.argsort(skin, kind="stable")]] = len(people) + np.arange(
        len(others)
    ) * left // max(len(others), 1)
    return found


def small(images: NDArray[np.uint8], side: int) -> Tensor:
    """Pictures (n, height, width, 3) at a swapper's size, (n, 3, side, side), 0..1."""
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2)
    parts = [
        interpolate(part.float() / 255, size=(side, side), mode="bilinear", antialias=True)
        for part in torch.split(pictures, 64)
    ]
    return torch.cat(parts).contiguous(memory_format=torch.channels_last)


def load_swappers(cache: Path) -> dict[str, nn.Module]:
    """Those that were trained, by name."""
    found: dict[str, nn.Module] = {}
    for name, recipe in RECIPES.items():
        model = new(recipe)
        model.load_state_dict(load_file(cache / "swappers" / f"{name}.safetensors"))
        model = model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        base = recipe.of
        found[name] = Restored(found[base], RECIPES[base].side, model) if base else model
    return found
