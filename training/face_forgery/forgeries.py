"""Forged faces of eight swappers and three recipes: crops to train and test a detector with.

Beside the swappers: pictures blended with themselves (Shiohara and Yamasaki 2022,
arXiv:2204.08376), another person's face warped onto the mesh, and a face bent to another's
expression.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from streammon.detectors.faces.anchors import Floats
from training.face_forgery.faces import SIDE_PX, Faces, Image
from training.face_forgery.finish import LOOSE, finished, relit
from training.face_forgery.masks import live_mask, mask_of
from training.face_forgery.meshes import mesh_warp
from training.face_forgery.recipes import RECIPES, SHARP_KINDS, small

RECIPE_METHODS = ("self-blended", "mesh", "warped")
METHODS = (*RECIPES, *RECIPE_METHODS)
ON_MESH = ("mesh", "refined", "modulated")
"""What gets the source's picture warped onto the target's mesh."""
TAUGHT = tuple(method for method in METHODS if method != "warped")
"""What the detector learns from. With faces that are only bent it told sharp swaps worse."""


def family(method: str) -> str:
    """What a method is like: the kind of the swapper behind it, or the method itself."""
    if method not in RECIPES:
        return method
    recipe = RECIPES[method]
    return RECIPES[recipe.of or method].kind


def is_sharp(method: str) -> bool:
    """Whether a swapper's answers are sharp by themselves."""
    return method in RECIPES and RECIPES[method].kind in SHARP_KINDS


def paste(
    target: Image, face: Image, mesh: Floats, rng: np.random.Generator, *,
    finish: str = LOOSE, texture: Image | None = None, boxed: bool = False, live: bool = False,
) -> Image:  # fmt: skip
    """The target with `face` put in: colours and light brought near, finished, edges softened.

    `finish`, `texture`: as in `finish.finished`; `live`: with a `live_mask`.
    """
    mask = live_mask(mesh, rng) if live else mask_of(mesh, rng, boxed=boxed)
    under, over = target.astype(np.float32), face.astype(np.float32)
    inside = mask[..., 0] > 0.5
    if inside.any():
        share = rng.choice([0.2, 0.7, 1.0, 1.0, 1.0])
        here, there = under[inside], over[inside]
        scale = (here.std(axis=0) + 4) / (there.std(axis=0) + 4)
        matched = (over - there.mean(axis=0)) * scale + here.mean(axis=0)
        over = share * matched + (1 - share) * over
    if rng.random() < 0.4:
        over = relit(over, under, rng)
    sharp = None if texture is None else texture.astype(np.float32)
    over = finished(over, under, inside, finish=finish, texture=sharp, rng=rng)
    if rng.random() < 0.15 and inside.any():
        return _seamless(under, over, inside)
    return np.clip(under + mask * (over - under), 0, 255).astype(np.uint8)


def _seamless(
    under: NDArray[np.float32], over: NDArray[np.float32], inside: NDArray[np.bool_]
) -> Image:
    """Blended by gradients (Perez et al. 2003)."""
    inside = inside.copy()
    inside[[0, 1, -2, -1]] = inside[:, [0, 1, -2, -1]] = False
    x, y, width, height = cv2.boundingRect(inside.astype(np.uint8))
    middle = (x + width // 2, y + height // 2)
    face, target = (np.clip(one, 0, 255).astype(np.uint8) for one in (over, under))
    mask = np.where(inside, 255, 0).astype(np.uint8)
    return np.asarray(cv2.seamlessClone(face, target, mask, middle, cv2.NORMAL_CLONE), np.uint8)


def self_blended(
    image: Image, mesh: Floats, rng: np.random.Generator, *, finish: str = LOOSE
) -> Image:
    """The picture blended with a changed copy of itself: the face or what is around it changed."""
    changed = image.astype(np.float32)
    gain, shift = rng.normal(1, 0.08, 3), rng.normal(0, 6, 3)
    changed = np.clip(changed * gain + shift, 0, 255)
    what = rng.random()
    if what < 0.4:
        side = int(rng.integers(64, 160))
        less = cv2.resize(changed, (side, side), interpolation=cv2.INTER_AREA)
        changed = np.asarray(cv2.resize(less, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC))
    elif what < 0.7:
        soft = cv2.GaussianBlur(changed, (0, 0), float(rng.uniform(0.8, 2.0)))
        changed = changed + float(rng.uniform(0.3, 1.5)) * (changed - soft)
    moves = np.eye(2, 3) + np.hstack([rng.normal(0, 0.015, (2, 2)), rng.normal(0, 2.5, (2, 1))])
    size = (SIDE_PX, SIDE_PX)
    copy = cv2.warpAffine(
        np.clip(changed, 0, 255).astype(np.uint8), moves, size, borderMode=cv2.BORDER_REPLICATE
    )
    under, over = (image, copy) if rng.random() < 0.7 else (copy, image)
    return paste(
        np.asarray(under, np.uint8), np.asarray(over, np.uint8), mesh, rng,
        finish=finish, texture=image,
    )  # fmt: skip


def warped(image: Image, mesh: Floats, other: Floats, rng: np.random.Generator) -> Image:
    """The face bent to another's expression and shape."""
    return mesh_warp(image, mesh, mesh + rng.uniform(0.4, 0.9) * (other - mesh))


def forge(
    method: str, faces: Faces, chosen: NDArray[np.intp], sources: NDArray[np.intp], *,
    groups: NDArray[np.intp], swappers: Mapping[str, nn.Module], finishes: Sequence[str],
    rng: np.random.Generator, live: bool = False,
) -> list[Image]:  # fmt: skip
    """Forgeries of the pictures `chosen` with the faces of `sources`.

    `groups` (n,): as `groups_of` says, of the people that the swappers know. `finishes`: of each,
    one of `finish.FINISHES`; what is only bent has none. `live`: put in with a `live_mask`.
    """
    meshes = [faces.meshes[at].astype(np.float64) for at in chosen]
    theirs = [faces.meshes[at].astype(np.float64) for at in sources]
    images, others = faces.images[chosen], faces.images[sources]
    if method == "self-blended":
        return [
            self_blended(one, at, rng, finish=finish)
            for one, at, finish in zip(images, meshes, finishes, strict=True)
        ]
    if method == "warped":
        return [
            warped(one, here, there, rng)
            for one, here, there in zip(images, meshes, theirs, strict=True)
        ]
    on_mesh = family(method) in ON_MESH
    onto: Sequence[Image] = [
        mesh_warp(one, there, here) if on_mesh or finish == "theirs" else one
        for one, there, here, finish in zip(others, theirs, meshes, finishes, strict=True)
    ]
    faces_in = onto
    if method in RECIPES:
        given = np.stack(onto) if on_mesh else others
        if on_mesh and is_sharp(method):
            given = _partly(images, given, rng)
        faces_in = swapped(method, swappers[method], images, given, groups[sources])
    return [
        paste(one, face, mesh, rng, finish=finish, texture=sharp, boxed=not on_mesh, live=live)
        for one, face, mesh, finish, sharp in zip(
            images, faces_in, meshes, finishes, onto, strict=True
        )
    ]


def _partly(
    targets: NDArray[np.uint8], sources: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Sources on their targets' meshes, half of them with some of the target left in."""
    share = np.where(rng.random(len(targets)) < 0.5, 1.0, rng.uniform(0.5, 1.0, len(targets)))
    mixed = targets + share[:, None, None, None] * (sources.astype(np.float64) - targets)
    return np.asarray(mixed, np.uint8)


def swapped(
    method: str, model: nn.Module, targets: NDArray[np.uint8], sources: NDArray[np.uint8],
    groups: NDArray[np.intp],
) -> list[Image]:  # fmt: skip
    """What a swapper answers, at the size of the pictures."""
    side = RECIPES[method].side
    with torch.inference_mode():
        said = model(small(targets, side), small(sources, side), torch.from_numpy(groups))
    pictures = (255 * said.clamp(0, 1)).permute(0, 2, 3, 1).round().to(torch.uint8).numpy()
    how, size = cv2.INTER_CUBIC, (SIDE_PX, SIDE_PX)
    return [np.asarray(cv2.resize(one, size, interpolation=how), np.uint8) for one in pictures]
