"""Train the swappers that training forgeries come from.

    python -m training.face_forgery.train_swappers --data DIR --cache DIR --backbone FILE

Each swapper gets `--minutes`, is written to the cache when it is done, and is not trained again
while it lies there; killed half way, it begins again from its last minute. With `--steps` the same
data, seed and steps give the same swappers on the same machine and torch version.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn.functional import (
    affine_grid,
    avg_pool2d,
    cosine_similarity,
    grid_sample,
    interpolate,
    softplus,
)

from streammon.detectors.models.lite_cnn import LiteCnn
from training.face_forgery.backbone import pretrained
from training.face_forgery.faces import Faces, faces_of
from training.face_forgery.pace import RATE, paced
from training.face_forgery.recipes import RECIPES, SHARP_KINDS, Recipe, groups_of, new, small
from training.face_forgery.swappers import Coded, down
from training.face_forgery.train_sharp import fit_sharp


class Lessons:
    """Draws of what a swapper is shown and should answer."""

    def __init__(self, pictures: Tensor, groups: NDArray[np.intp], kind: str, seed: int) -> None:
        self._pictures, self._groups, self._kind = pictures, torch.from_numpy(groups), kind
        self._rng = torch.Generator().manual_seed(seed)

    def draw(self, count: int = 16) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Target, source, group and the answer: the person's own picture again."""
        if self._kind == "decoders":
            known = self._groups.unique()  # type: ignore[no-untyped-call]
            two = known[torch.randperm(len(known), generator=self._rng)[:2]]
            among = torch.isin(self._groups, two).nonzero()[:, 0]
        else:
            among = torch.arange(len(self._pictures))
        chosen = among[torch.randint(len(among), (count,), generator=self._rng)]
        answer = self._bent(self._pictures[chosen], 0.01)
        target = self._bent(answer, 0.03) if self._kind == "decoders" else answer
        source = answer
        if self._kind != "decoders":
            source = self._recoloured(self._bent(answer, 0.02), 0.25)
        return target, source, self._groups[chosen], answer

    def _bent(self, pictures: Tensor, strength: float) -> Tensor:
        """Mirrored or not, moved a little, and bent as if other people's or otherwise moved."""
        count = len(pictures)
        noise = torch.randn(count, 2, 5, 5, generator=self._rng) * strength
        bend = interpolate(noise, size=pictures.shape[-2:], mode="bicubic").permute(0, 2, 3, 1)
        moves = torch.eye(2, 3).repeat(count, 1, 1)
        moves += torch.randn(count, 2, 3, generator=self._rng) * strength
        grid = affine_grid(moves, list(pictures.shape), align_corners=False) + bend
        bent = grid_sample(pictures, grid, padding_mode="border", align_corners=False)
        return bent.contiguous(memory_format=torch.channels_last)

    def _recoloured(self, pictures: Tensor, strength: float) -> Tensor:
        gain = 1 + strength * torch.randn(len(pictures), 3, 1, 1, generator=self._rng)
        shift = 0.3 * strength * torch.randn(len(pictures), 3, 1, 1, generator=self._rng)
        return (pictures * gain + shift).clamp(0, 1)


def structure(one: Tensor, other: Tensor) -> Tensor:
    """1 - SSIM over 8x8 boxes, every fourth (Wang et al. 2004)."""

    def mean(picture: Tensor) -> Tensor:
        return avg_pool2d(picture, 8, 4)

    a, b = mean(one), mean(other)
    aa, bb, ab = mean(one * one) - a * a, mean(other * other) - b * b, mean(one * other) - a * b
    likeness = (2 * a * b + 1e-4) * (2 * ab + 9e-4) / ((a * a + b * b + 1e-4) * (aa + bb + 9e-4))
    return 1 - likeness.mean()


class Teacher:
    """The second term of a swapper's loss."""

    def __init__(self, recipe: Recipe, backbone: LiteCnn) -> None:
        self._how, self._backbone = recipe.taught_by, backbone.requires_grad_(False)
        self._critic = nn.Sequential(
            nn.Conv2d(3, 24, 4, 2, 1), nn.LeakyReLU(0.2), down(24, 48), down(48, 64),
            nn.Conv2d(64, 1, 3, 1, 1),
        )  # fmt: skip
        self._learns = torch.optim.Adam(self._critic.parameters(), lr=2e-4, betas=(0.5, 0.99))

    def __call__(self, made: Tensor, answer: Tensor) -> Tensor:
        if self._how == "structure":
            return structure(made, answer)
        if self._how == "features":
            said = self._backbone.maps(255 * made)[:2]
            meant = self._backbone.maps(255 * answer)[:2]
            pairs = zip(said, meant, strict=True)
            return 0.3 * torch.stack([(one - other).abs().mean() for one, other in pairs]).sum()
        judged = softplus(self._critic(made.detach())) + softplus(-self._critic(answer))
        self._learns.zero_grad()
        judged.mean().backward()  # type: ignore[no-untyped-call]
        self._learns.step()
        return 0.05 * softplus(-self._critic(made)).mean() + 0.3 * structure(made, answer)


def fit(
    name: str, recipe: Recipe, faces: Faces, backbone: LiteCnn, *,
    steps: int, minutes: float, keep: Callable[[nn.Module], None], start: Path | None = None,
) -> nn.Module:  # fmt: skip
    """Train one swapper for so many steps or minutes, whichever ends first."""
    torch.manual_seed(recipe.seed)
    model: nn.Module = new(recipe)
    if start is not None and start.exists():
        model.load_state_dict(load_file(start))
    model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    lessons = Lessons(small(faces.images, recipe.side), groups_of(faces), recipe.kind, recipe.seed)
    teacher = Teacher(recipe, backbone)
    optimiser = torch.optim.Adam(model.parameters(), lr=RATE, betas=(0.9, 0.99))
    running = math.nan
    pace = paced(optimiser, steps=steps, minutes=minutes, keep=lambda: keep(model))
    for step, spent in pace:
        target, source, group, answer = lessons.draw()
        made = model(target, source, group)
        plain = (made - answer).abs().mean()
        loss = plain + teacher(made, answer)
        if recipe.kind == "coded" and step % 2:
            loss = loss + _keeps_identity(model, target, source)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        running = plain.item() if math.isnan(running) else 0.99 * running + 0.01 * plain.item()
        if step % 200 == 199:
            said = f"{name}: step {step + 1}, {spent:.1f} min, L1 {running:.4f}"
            print(said, file=sys.stderr, flush=True)
    model.eval()
    return model


def write(model: nn.Module, path: Path) -> None:
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path)


def _keeps_identity(model: nn.Module, target: Tensor, source: Tensor) -> Tensor:
    """How far the code of a swapped face is from its source's."""
    assert isinstance(model, Coded)
    other = source.roll(1, dims=0)
    code = model.identity_of(other)
    made = model.decoder(model.widen(model.thin(model.encoder(target))), code)
    again = model.identity_of(made)
    return 0.1 * (1 - cosine_similarity(again, code.detach()).mean())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of manifest.csv")
    parser.add_argument("--cache", type=Path, default=Path("bench-out/face_forgery-cache"))
    parser.add_argument("--backbone", type=Path, required=True, help="see backbone.py")
    parser.add_argument("--minutes", type=float, default=5.0, help="for each swapper")
    parser.add_argument(
        "--sharp-minutes", type=float, default=8.0, help="of processor time, for each sharp one"
    )
    parser.add_argument("--steps", type=int, default=10_000, help="for each swapper, at most")
    parser.add_argument("--threads", type=int, default=1)
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    faces = faces_of(settings.data / "manifest.csv", settings.cache)
    folder = settings.cache / "swappers"
    folder.mkdir(parents=True, exist_ok=True)
    for name, recipe in RECIPES.items():
        out, half = folder / f"{name}.safetensors", folder / f"{name}.half"
        if out.exists():
            continue

        def keep(model: nn.Module, half: Path = half) -> None:
            write(model, half)

        backbone = pretrained(settings.backbone).eval()
        sharp = recipe.kind in SHARP_KINDS
        teach, minutes = (fit_sharp, settings.sharp_minutes) if sharp else (fit, settings.minutes)
        model = teach(
            name, recipe, faces, backbone,
            steps=settings.steps, minutes=minutes, keep=keep, start=half,
        )  # fmt: skip
        write(model, out)
        half.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
