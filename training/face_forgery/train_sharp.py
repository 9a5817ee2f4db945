"""Teach the networks of `sharp_swappers`: what they should answer, and what is wrong with it.

What a swapper should answer is made first: the source's picture on the target's mesh, in the
target's light and within its face (`Aims`); one lesson in four is the person's own picture. The
restorer is shown pictures made worse and should answer with the pictures. Wrong is: another picture
(absolute differences), other features of the backbone, and what a critic of patches tells from
genuine pictures.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, softplus

from streammon.detectors.models.lite_cnn import LiteCnn
from training.face_forgery.faces import SIDE_PX, Faces
from training.face_forgery.finish import relit
from training.face_forgery.meshes import mesh_warp, partners
from training.face_forgery.pace import RATE, paced
from training.face_forgery.recipes import Recipe, new, small

CRITIC_RATE = 4e-4
AT_ONCE = 8
OWN = 0.25
"""How often a lesson is the person's own picture."""


class Lessons(Protocol):
    """What a network is shown and should answer."""

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        """Target, source and answer, (AT_ONCE, 3, side, side) each."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Aims:
    """Everybody with another's face, as far as bending and relighting a picture goes."""

    pictures: Tensor
    """(n, 3, side, side), 0..1: everybody as they are"""
    bent: Tensor
    """(n, 3, side, side), 0..1: another's picture on their mesh"""
    meant: Tensor
    """(n, 3, side, side), 0..1: that within their own, in its light"""


def aims_of(faces: Faces, side: int, *, seed: int) -> Aims:
    """Of every picture one, with a partner drawn among the same fold of people."""
    rng = np.random.default_rng(seed)
    theirs, bent, meant = partners(faces, rng), [], []
    for at, other in enumerate(theirs):
        here, there = faces.meshes[at].astype(np.float64), faces.meshes[other].astype(np.float64)
        bent.append(mesh_warp(faces.images[other], there, here))
        hull = np.zeros((SIDE_PX, SIDE_PX), np.float32)
        cv2.fillConvexPoly(hull, cv2.convexHull(faces.meshes[at]).astype(np.int32), 1.0)
        mask = cv2.GaussianBlur(cv2.erode(hull, np.ones((9, 9))), (0, 0), 4.0)
        meant.append(_laid(faces.images[at], bent[-1], np.asarray(mask, np.float32), rng))
    return Aims(*(small(one, side) for one in (faces.images, np.stack(bent), np.stack(meant))))


def lessons_of(recipe: Recipe, faces: Faces) -> Lessons:
    """Those of the recipe's kind."""
    if recipe.kind == "restored":
        return RepairLessons(small(faces.images, recipe.side), recipe.seed)
    return SwapLessons(aims_of(faces, recipe.side, seed=recipe.seed), recipe.seed)


def _laid(
    target: NDArray[np.uint8], face: NDArray[np.uint8], mask: NDArray[np.float32],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:  # fmt: skip
    """The face over the target, its colours and light brought near."""
    under, over, inside = target.astype(np.float32), face.astype(np.float32), mask > 0.5
    here, there = under[inside], over[inside]
    scale = (here.std(axis=0) + 4) / (there.std(axis=0) + 4)
    over = relit((over - there.mean(axis=0)) * scale + here.mean(axis=0), under, rng)
    return np.asarray(np.clip(under + mask[..., None] * (over - under), 0, 255), np.uint8)


class SwapLessons:
    """Targets, others' pictures on their mesh in some light, and what should come of it."""

    def __init__(self, aims: Aims, seed: int) -> None:
        self._aims, self._rng = aims, torch.Generator().manual_seed(seed)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        aims, rng = self._aims, self._rng
        at = torch.randint(len(aims.pictures), (AT_ONCE,), generator=rng)
        own = (torch.rand(AT_ONCE, generator=rng) < OWN)[:, None, None, None]
        target = aims.pictures[at]
        source = torch.where(own, target, aims.bent[at])
        answer = torch.where(own, target, aims.meant[at])
        if torch.rand(1, generator=rng) < 0.5:
            target, source, answer = (one.flip(3) for one in (target, source, answer))
        light = 1 + 0.15 * torch.randn(AT_ONCE, 3, 1, 1, generator=rng)
        return target, (source * light).clamp(0, 1), answer


class RepairLessons:
    """Pictures made worse, as small swappers and calls make them, and the pictures."""

    def __init__(self, pictures: Tensor, seed: int) -> None:
        self._pictures, self._rng = pictures, torch.Generator().manual_seed(seed)

    def draw(self) -> tuple[Tensor, Tensor, Tensor]:
        rng = self._rng
        chosen = torch.randint(len(self._pictures), (AT_ONCE,), generator=rng)
        answer = self._pictures[chosen]
        side, worse = answer.shape[-1], []
        for one in torch.split(answer, AT_ONCE // 4):
            less = int(torch.randint(side // 4, 5 * side // 8, (1,), generator=rng))
            low = interpolate(one, size=(less, less), mode="bilinear", antialias=True)
            worse.append(interpolate(low, size=(side, side), mode="bicubic"))
        given = torch.cat(worse)
        if torch.rand(1, generator=rng) < 0.4:
            given = avg_pool2d(given, 3, 1, 1, count_include_pad=False)
        noise = torch.randn(answer.shape, generator=rng)
        given = (given + 0.02 * torch.rand(AT_ONCE, 1, 1, 1, generator=rng) * noise).clamp(0, 1)
        return given, given, answer


class Wrong:
    """How wrong an answer is; its critic learns from each."""

    def __init__(self, recipe: Recipe, backbone: LiteCnn) -> None:
        self._critics = recipe.taught_by == "critic"
        self._backbone = backbone.requires_grad_(False)
        sizes = ((3, 24, 4), (24, 48, 4), (48, 64, 4))
        layers = [
            layer
            for inside, outside, kernel in sizes
            for layer in (nn.Conv2d(inside, outside, kernel, 2, 1), nn.LeakyReLU(0.2))
        ]
        self._critic = nn.Sequential(*layers, nn.Conv2d(64, 1, 3, 1, 1))
        self._learns = torch.optim.Adam(
            self._critic.parameters(), lr=CRITIC_RATE, betas=(0.5, 0.99)
        )

    def __call__(self, made: Tensor, answer: Tensor, genuine: Tensor) -> Tensor:
        said = self._seen(made)
        with torch.no_grad():
            meant = self._seen(answer)
        apart = [(one - other).abs().mean() for one, other in zip(said, meant, strict=True)]
        found = (made.float() - answer).abs().mean() + 0.3 * torch.stack(apart).sum()
        if not self._critics:
            return found
        told = self._critic(torch.cat([made.detach(), genuine])).flatten(1)
        fake, real = told.chunk(2)
        self._learns.zero_grad()
        (softplus(fake) + softplus(-real)).mean().backward()  # type: ignore[no-untyped-call]
        self._learns.step()
        return found + 0.05 * softplus(-self._critic(made)).mean()

    def _seen(self, pictures: Tensor) -> list[Tensor]:
        """What the first two stages of the backbone say."""
        maps, found = self._backbone.stem((255 * pictures - 127.0) / 128.0), []
        for stage in self._backbone.stages[:2]:
            maps = stage(maps)
            found.append(maps)
        return found


def fit_sharp(
    name: str, recipe: Recipe, faces: Faces, backbone: LiteCnn, *,
    steps: int, minutes: float, keep: Callable[[nn.Module], None], start: Path | None = None,
) -> nn.Module:  # fmt: skip
    """Teach for so many steps or minutes of processor time, whichever ends first."""
    torch.manual_seed(recipe.seed)
    model: nn.Module = new(recipe)
    if start is not None and start.exists():
        model.load_state_dict(load_file(start))
    lessons = lessons_of(recipe, faces)
    wrong, group = Wrong(recipe, backbone), torch.zeros(AT_ONCE, dtype=torch.long)
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.9, 0.99))
    running = math.nan
    pace = paced(
        optimiser, steps=steps, minutes=minutes, keep=lambda: keep(model), clock=time.process_time
    )
    for number, spent in pace:
        target, source, answer = lessons.draw()
        with torch.autocast("cpu", torch.bfloat16):
            made = model(target) if recipe.kind == "restored" else model(target, source, group)
            loss = wrong(made, answer, answer if recipe.kind == "restored" else target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        plain = float((made.detach() - answer).abs().mean())
        running = plain if math.isnan(running) else 0.99 * running + 0.01 * plain
        if number % 100 == 99:
            said = f"{name}: step {number + 1}, {spent:.1f} min, L1 {running:.4f}"
            print(said, file=sys.stderr, flush=True)
    return model.eval()
