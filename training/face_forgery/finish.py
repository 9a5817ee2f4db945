"""What is done to a face before it is put in: brought to the detail of the picture that gets it.

Small swappers answer with soft faces, and live swaps are not soft. A face that has, band by band,
as much detail as what it covers leaves a detector the traces of the swap itself to find.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.float32]

LOOSE = "loose"
SHARP = ("theirs", "own")
"""Missing detail comes from the source's picture, or from the target's: as sharp as a real face."""
FINISHES = (LOOSE, "gain", "grain", *SHARP)
"""Between the two: what detail there is made louder, or fine grain in place of it."""
SHARES = (0.15, 0.20, 0.15, 0.25, 0.25)
SHARES_OF_SHARP = (0.55, 0.20, 0.05, 0.10, 0.10)
"""For faces that come sharp."""
SIGMAS = (1.0, 2.0, 4.0)
"""Of the blurs that split a picture of 224 px into bands."""

FILLED, GRAINED = (1.0, 1.0, 1.0), (0.6, 0.25, 0.0)
"""How much of what a band lacks is filled up; coarse grain would be seen as dirt."""


def draw_finish(rng: np.random.Generator, *, sharp: bool = False) -> str:
    """`sharp`: for a face that comes sharp."""
    return str(rng.choice(FINISHES, p=SHARES_OF_SHARP if sharp else SHARES))


def finished(
    face: Picture, target: Picture, inside: NDArray[np.bool_], *,
    finish: str, texture: Picture | None, rng: np.random.Generator,
) -> Picture:  # fmt: skip
    """The face, all (side, side, 3), as it is put in; `inside` (side, side) is what it covers.

    `texture`: a sharp picture of the source that lies on the target's mesh, for "theirs".
    """
    if rng.random() < 0.35:
        face = _fewer_pixels(face, rng)
    if finish == LOOSE or not inside.any():
        return _loose(face, rng)
    more, filled = _more(finish, target, texture, rng), GRAINED if finish == "grain" else FILLED
    own, base = bands(face)
    level, most = float(np.exp(rng.normal(0, 0.15))), 5.0 if finish == "gain" else 2.0
    found = base
    for band, meant, other, share in zip(own, bands(target)[0], more, filled, strict=True):
        aim = level * float(np.exp(rng.normal(0, 0.08))) * _strength(meant, inside)
        louder = band * np.float32(np.clip(aim / (_strength(band, inside) + 0.1), 0.6, most))
        lack = np.sqrt(max(aim**2 - _strength(louder, inside) ** 2, 0.0))
        found = found + louder
        if other is not None:
            found = found + other * np.float32(share * lack / (_strength(other, inside) + 0.1))
    return np.asarray(found, np.float32)


def bands(picture: Picture) -> tuple[list[Picture], Picture]:
    """Band by band, the finest first, and what is left; together they are the picture."""
    found = []
    for sigma in SIGMAS:
        low = np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), np.float32)
        found.append(picture - low)
        picture = low
    return found, picture


def relit(face: Picture, target: Picture, rng: np.random.Generator) -> Picture:
    """The face in the light of the target, as far as light and colour change slowly."""
    small, size = (face.shape[1] // 8, face.shape[0] // 8), face.shape[1::-1]
    apart = cv2.resize(target - face, small, interpolation=cv2.INTER_AREA)
    slow = cv2.GaussianBlur(apart, (0, 0), float(rng.uniform(1.0, 3.0)))
    light = cv2.resize(slow, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(face + np.float32(rng.uniform(0.4, 1.0)) * light, np.float32)


def _more(
    finish: str, target: Picture, texture: Picture | None, rng: np.random.Generator
) -> Sequence[Picture | None]:
    """Bands to fill up with what is lacking, as strong as they come."""
    if finish == "gain":
        return [None] * len(SIGMAS)
    if finish == "grain":
        light = rng.standard_normal((*target.shape[:2], 1), np.float32)
        noise = light + 0.3 * rng.standard_normal(target.shape, np.float32)
        return bands(np.asarray(noise, np.float32))[0]
    return bands(target if finish == "own" or texture is None else texture)[0]


def _strength(band: Picture, inside: NDArray[np.bool_]) -> float:
    """Its deviation in green, most of what is light, in grey levels."""
    return float(np.sqrt(np.square(band[..., 1][inside]).mean()))


def _fewer_pixels(face: Picture, rng: np.random.Generator) -> Picture:
    """As if it had been made at another size."""
    side = int(rng.integers(96, 208))
    less = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
    how = int(rng.choice([cv2.INTER_LINEAR, cv2.INTER_CUBIC, cv2.INTER_LANCZOS4]))
    return np.asarray(cv2.resize(less, face.shape[1::-1], interpolation=how), np.float32)


def _loose(face: Picture, rng: np.random.Generator) -> Picture:
    """Sharpened, blurred, grained or left as it is."""
    what = rng.random()
    if what < 0.35:
        soft = cv2.GaussianBlur(face, (0, 0), float(rng.uniform(0.8, 2.5)))
        face = np.asarray(face + float(rng.uniform(0.3, 1.5)) * (face - soft), np.float32)
    elif what < 0.5:
        face = np.asarray(cv2.GaussianBlur(face, (0, 0), float(rng.uniform(0.4, 1.4))), np.float32)
    if rng.random() < 0.25:
        face = face + rng.normal(0, rng.uniform(1, 4), face.shape).astype(np.float32)
    return np.asarray(face, np.float32)
