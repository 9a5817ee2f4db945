"""Make the crops that the detector is trained and judged on: forgeries with their originals.

    python -m training.face_forgery.make --data DIR --cache DIR

For each method, every picture is forged `--rounds` times with the face of somebody else of the same
fold of people, and the forgery and its original get the same look (`looks`) and go through the same
camera and encoder. One file
for each method in the cache; those that are there are not made again. The crops are for training a
detector: they are small, aligned, and without their pictures.
"""

from __future__ import annotations

import argparse
import sys
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training.face_forgery.faces import Faces, faces_of
from training.face_forgery.film import KEPT_FRAMES, Shot, filmed, shot
from training.face_forgery.finish import draw_finish
from training.face_forgery.forgeries import METHODS, forge, is_sharp
from training.face_forgery.looks import captured, draw_look, looked
from training.face_forgery.meshes import partners
from training.face_forgery.recipes import groups_of, load_swappers

AT_ONCE = 32
THIRD = 3
"""Every third round has hard seams around heads, and faces put in by masks of live tools."""


PICTURES = ("forged", "original")


@dataclass(frozen=True, slots=True, eq=False)
class Crops:
    """Pairs of one method; row by row a forgery and the original it was made from."""

    method: str
    forged: NDArray[np.uint8]
    """(n, frames, CUT_PX, CUT_PX, 3)"""
    original: NDArray[np.uint8]
    """as `forged`"""
    identities: NDArray[np.str_]
    """(n,): whose face was forged"""
    folds: NDArray[np.intp]
    """(n,): of that person, and of the one whose face was put in"""
    eyes_px: NDArray[np.float32]
    broadcast: NDArray[np.bool_]
    """Encoded as a broadcast is, not as a call."""
    quantiser: NDArray[np.int64]
    finishes: NDArray[np.str_]
    """(n,): how the face was brought to the picture's detail, one of `finish.FINISHES`"""
    looks: NDArray[np.str_]
    """(n,): what was done to both alike, one of `looks.LOOKS`"""


def make(
    method: str, faces: Faces, *, rounds: int, seed: int, swappers: Mapping[str, nn.Module]
) -> Crops:
    """All pairs of one method. The same pictures, rounds and seed give the same crops."""
    forged, original, shots, order = [], [], list[Shot](), []
    finishes, looks = list[str](), list[str]()
    groups, began, sharp = groups_of(faces), time.monotonic(), is_sharp(method)
    for turn in range(rounds):
        third = turn % THIRD == THIRD - 1
        rng = np.random.default_rng([seed, zlib.crc32(method.encode()), turn])
        sources = partners(faces, rng)
        shown = replace(faces, images=np.stack([captured(one, rng) for one in faces.images]))
        for start in range(0, len(shown), AT_ONCE):
            chosen = np.arange(start, min(start + AT_ONCE, len(shown)))
            drawn = [draw_finish(rng, sharp=sharp) for _ in chosen]
            fakes = forge(
                method, shown, chosen, sources[chosen],
                groups=groups, swappers=swappers, finishes=drawn, rng=rng, live=third or sharp,
            )  # fmt: skip
            for at, fake, finish in zip(chosen, fakes, drawn, strict=True):
                how, look = shot(rng), draw_look(rng, shown.images[sources[at]], seams=third)
                mesh = shown.meshes[at].astype(np.float64)
                shots.append(how)
                order.append(at)
                finishes.append(finish)
                looks.append(look.kind)
                forged.append(np.stack(filmed(looked(fake, mesh, look), how)))
                original.append(np.stack(filmed(looked(shown.images[at], mesh, look), how)))
        spent = (time.monotonic() - began) / 60
        print(f"{method}: round {turn + 1}/{rounds}, {spent:.1f} min", file=sys.stderr, flush=True)
    return Crops(
        method=method,
        forged=np.stack(forged),
        original=np.stack(original),
        identities=faces.identities[order],
        folds=faces.folds[order],
        eyes_px=np.array([how.eyes_px for how in shots], np.float32),
        broadcast=np.array([how.carrier == "broadcast" for how in shots]),
        quantiser=np.array([how.quantiser for how in shots]),
        finishes=np.array(finishes),
        looks=np.array(looks),
    )


def save(crops: Crops, cache: Path) -> None:
    folder = cache / "crops"
    folder.mkdir(parents=True, exist_ok=True)
    fields = {name: getattr(crops, name) for name in Crops.__dataclass_fields__ if name != "method"}
    part = folder / f"{crops.method}.part.npz"
    np.savez(part, **fields)
    part.replace(folder / f"{crops.method}.npz")


def load(method: str, cache: Path, *, pictures: bool = True) -> Crops:
    """What `save` kept; without `pictures` all but these, which are most of it."""
    with np.load(cache / "crops" / f"{method}.npz") as held:
        kept = [name for name in held.files if pictures or name not in PICTURES]
        fields = {name: held[name] for name in kept}
    return Crops(method=method, **{name: np.zeros(0, np.uint8) for name in PICTURES} | fields)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of manifest.csv")
    parser.add_argument("--cache", type=Path, default=Path("bench-out/face_forgery-cache"))
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--methods", nargs="*", default=list(METHODS), choices=METHODS)
    settings = parser.parse_args()
    torch.set_num_threads(1)
    faces = faces_of(settings.data / "manifest.csv", settings.cache)
    swappers = load_swappers(settings.cache)
    for method in settings.methods:
        if not (settings.cache / "crops" / f"{method}.npz").exists():
            crops = make(
                method, faces, rounds=settings.rounds, seed=settings.seed, swappers=swappers
            )
            save(crops, settings.cache)
    print(f"{len(KEPT_FRAMES)} frames of each of {len(faces) * settings.rounds} pairs a method")


if __name__ == "__main__":
    main()
