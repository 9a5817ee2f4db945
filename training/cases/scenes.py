"""What stands before the cameras of the cases: small scenes, drawn from numbers.

A scene gives its picture at any moment, so that a moment can be shown again. Unless it says so,
none ever repeats: movement is made of many sines, and each thing has its own.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from training.cases.draw import Draw

Picture = NDArray[np.float32]
"""(height, width, 3), in levels of 0 to 255, not yet clipped."""
Scene = Callable[[float], Picture]
Size = tuple[int, int]
"""Width and height."""


def wander(time_s: float, seed: int, *, rate: float = 1.0) -> float:
    """A slow way in about [-1, 1] that never comes back the same.

    Every way has rates of its own: a few sines that are shared by all would bring the whole
    picture back, nearly, again and again.
    """
    rates, phases = _tones(seed)
    return float(np.sin(2 * np.pi * rate * rates * time_s + phases).mean() * 1.9)


@lru_cache(maxsize=4096)
def _tones(seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Rates in Hz and phases of six sines."""
    rng = np.random.default_rng(seed)
    return np.exp(rng.uniform(np.log(0.05), np.log(0.35), 6)), rng.uniform(0, 2 * np.pi, 6)


def backdrop(draw: Draw, size: Size, *, darker: float = 1.0) -> Picture:
    """A still room or place: soft shades with edges."""
    rng, (width, height) = draw.rng, size
    tint = rng.uniform(-30, 30, (5, 8, 3))
    cells = (rng.uniform(50, 190, (5, 8, 1)) + tint).astype(np.float32)
    picture = cv2.resize(cells, size, interpolation=cv2.INTER_CUBIC)
    for _ in range(int(rng.integers(6, 16))):
        x, y = int(rng.integers(0, width)), int(rng.integers(0, height))
        wide, high = int(rng.integers(4, width // 4)), int(rng.integers(4, height // 3))
        cv2.rectangle(picture, (x, y), (x + wide, y + high), rng.uniform(20, 230, 3).tolist(), -1)
    return np.asarray(np.clip(picture, 8, 245) * darker, np.float32)


def write(picture: Picture, text: str, place: tuple[int, int], *, scale: float, ink: float) -> None:
    """Write a line with its lower left corner at `place`; what lies outside is cut off."""
    (wide, high), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    letters = np.zeros((high + below + 4, wide + 4), np.uint8)
    cv2.putText(letters, text, (1, high + 1), 0, scale, (255,) * 3, 1, cv2.LINE_AA)
    x, y = place[0], max(0, place[1] - high)
    onto = picture[y : y + letters.shape[0], x : x + letters.shape[1]]
    share = letters[: onto.shape[0], : onto.shape[1], None].astype(np.float32) / 255
    onto += share * (np.float32(ink) - onto)


def presenter(draw: Draw, size: Size) -> Scene:
    """Somebody talks before a still room, more or less lively."""
    room, (width, height), seed = backdrop(draw, size), size, draw.seed
    sway = draw.between((0.04, 0.10), (0.03, 0.13)) * width
    skin, mouth = draw.rng.uniform(90, 210, 3).tolist(), draw.rng.uniform(30, 80, 3).tolist()
    coat, tall = draw.rng.uniform(20, 200, 3).tolist(), draw.between((0.2, 0.26), (0.16, 0.3))

    def scene(time_s: float) -> Picture:
        picture = room.copy()
        x = int(width / 2 + sway * wander(time_s, seed, rate=2.2))
        y = int(height * 0.45 + 0.4 * sway * wander(time_s, seed + 1, rate=2.7))
        radius = int(tall * height)
        cv2.ellipse(picture, (x, y + 3 * radius), (2 * radius, 2 * radius), 0, 0, 360, coat, -1)
        cv2.ellipse(picture, (x, y), (int(0.75 * radius), radius), 0, 0, 360, skin, -1)
        open_px = max(1, int(radius * (0.14 + 0.12 * wander(time_s, seed + 2, rate=14.0))))
        cv2.ellipse(picture, (x, y + radius // 2), (radius // 4, open_px), 0, 0, 360, mouth, -1)
        return picture

    return scene


def street(draw: Draw, size: Size) -> Scene:
    """Cars and people cross, each at a pace of its own."""
    place, (width, height) = backdrop(draw, size), size
    crowd = [
        (
            float(draw.rng.uniform(0.04, 0.22) * width * draw.rng.choice((-1, 1))),
            float(draw.rng.uniform(0, 3 * width)),
            float(draw.rng.uniform(0.3, 0.9) * height),
            float(draw.rng.uniform(0.05, 0.2) * width),
            draw.rng.uniform(10, 245, 3).tolist(),
            float(draw.rng.uniform(2.2, 3.6) * width),
        )
        for _ in range(int(draw.between((5, 10), (4, 12))))
    ]

    def scene(time_s: float) -> Picture:
        picture = place.copy()
        for pace, start, y, wide, colour, round_trip in crowd:
            x = (start + pace * time_s) % round_trip - width
            corner = (int(x + wide), int(y + 0.5 * wide))
            cv2.rectangle(picture, (int(x), int(y)), corner, colour, -1)
        return picture

    return scene


def turned_back(way: float) -> float:
    """A way that turns back wherever it reaches 1 or -1."""
    return abs((way - 1.0) % 4.0 - 2.0) - 1.0


def pan(draw: Draw, size: Size) -> Scene:
    """A camera that slowly looks about in a place larger than its picture."""
    width, height = size
    wide = backdrop(draw, (3 * width, 2 * height))
    seed, rate = draw.seed, draw.between((0.25, 0.7), (0.15, 0.9))

    def scene(time_s: float) -> Picture:
        x = width * (1 + 0.9 * turned_back(wander(time_s, seed, rate=rate)))
        y = height * (0.5 + 0.45 * turned_back(wander(time_s, seed + 1, rate=rate)))
        move = np.array([[1, 0, -x], [0, 1, -y]], np.float32)
        return np.asarray(cv2.warpAffine(wide, move, size, flags=cv2.INTER_LINEAR), np.float32)

    return scene


def night(draw: Draw, size: Size) -> Scene:
    """A dark street: lamps that flicker a little, and now and then a car's lights."""
    place, (width, height), seed = backdrop(draw, size, darker=0.12), size, draw.seed
    lamps = [
        (int(draw.rng.uniform(0, width)), int(draw.rng.uniform(0, height * 0.6)))
        for _ in range(int(draw.between((5, 9), (4, 10))))
    ]
    glow = draw.between((0.07, 0.1), (0.06, 0.12))

    def scene(time_s: float) -> Picture:
        picture = place.copy()
        for number, lamp in enumerate(lamps):
            bright = 150 + 25 * wander(time_s, seed + number, rate=5.0)
            cv2.circle(picture, lamp, int(glow * height), (bright * 0.7, bright * 0.9, bright), -1)
        x = int((time_s * 0.16 * width + seed) % (2.7 * width) - 0.4 * width)
        cv2.ellipse(picture, (x, int(0.8 * height)), (9, 4), 0, 0, 360, (170, 190, 200), -1)
        return cv2.GaussianBlur(picture, (0, 0), 1.2).astype(np.float32)

    return scene


def still_room(draw: Draw, size: Size) -> Scene:
    """Nothing moves but the light, and that hardly."""
    room, seed = backdrop(draw, size), draw.seed
    return lambda time_s: room * np.float32(1.0 + 0.01 * wander(time_s, seed))


def page(rng: np.random.Generator, size: Size) -> Picture:
    """A slide: lines of writing, perhaps a chart."""
    width, height = size
    light = float(rng.uniform(225, 252)) if rng.random() < 0.7 else float(rng.uniform(25, 60))
    ink = 30.0 if light > 128 else 220.0
    picture = np.full((height, width, 3), light, np.float32)
    cv2.rectangle(picture, (0, 0), (width, height // 7), rng.uniform(30, 220, 3).tolist(), -1)
    for row in range(int(rng.integers(3, 7))):
        y = height // 4 + row * height // 9
        words = "".join(chr(letter) for letter in rng.integers(97, 123, int(rng.integers(8, 22))))
        write(picture, words, (width // 14, y), scale=width / 560, ink=ink)
    for bar in range(int(rng.integers(0, 5))):
        top = int(height * rng.uniform(0.4, 0.85))
        x = int(width * (0.62 + 0.07 * bar))
        corner = (x + width // 20, int(0.9 * height))
        cv2.rectangle(picture, (x, top), corner, rng.uniform(30, 220, 3).tolist(), -1)
    return picture


def slides(draw: Draw, size: Size, *, inset: bool = False) -> Scene:
    """Slides that stand for some seconds each, cut or faded; perhaps the speaker in a corner."""
    seed, (width, height) = draw.seed, size
    each_s = draw.log_between((5.0, 25.0), (4.0, 45.0))
    fade_s = draw.one_of((0.0, 0.5, 1.0), (0.0, 0.3, 0.8, 1.6))
    small = (width // 5 // 2 * 2, height // 5 // 2 * 2)
    speaker = presenter(draw, small) if inset else None

    def scene(time_s: float) -> Picture:
        number, into_s = divmod(time_s, each_s)
        picture = page(np.random.default_rng((seed, int(number))), size)
        if into_s < fade_s:
            before = page(np.random.default_rng((seed, max(0, int(number) - 1))), size)
            picture = before + np.float32(into_s / fade_s) * (picture - before)
        if speaker is not None:
            picture[-small[1] :, -small[0] :] = speaker(time_s)
        return picture

    return scene


def lecture(draw: Draw, size: Size) -> Scene:
    """The speaker by turns with slides that fill the picture and stand still."""
    talks, seed = presenter(draw, size), draw.seed
    turn_s, shown_s = draw.between((8, 20), (6, 25)), draw.between((5, 15), (4, 25))

    def scene(time_s: float) -> Picture:
        number, into_s = divmod(time_s, turn_s + shown_s)
        if into_s < turn_s:
            return talks(time_s)
        return page(np.random.default_rng((seed, int(number))), size)

    return scene


def swinging(draw: Draw, size: Size) -> Scene:
    """A pendulum before a still wall: movement that comes back exactly, by nature."""
    room, (width, height) = backdrop(draw, size), size
    period_s = draw.between((1.2, 3.0), (0.9, 4.0))
    bob = draw.rng.uniform(20, 240, 3).tolist()

    def scene(time_s: float) -> Picture:
        picture = room.copy()
        angle = 0.5 * np.sin(2 * np.pi * time_s / period_s)
        x, y = width / 2 + 0.6 * height * np.sin(angle), 0.1 * height + 0.6 * height * np.cos(angle)
        cv2.line(picture, (width // 2, height // 10), (int(x), int(y)), (30, 30, 30), 2)
        cv2.circle(picture, (int(x), int(y)), height // 12, bob, -1)
        return picture

    return scene


def waving(draw: Draw, size: Size) -> Scene:
    """A striped flag in the wind."""
    room, (width, height), seed = backdrop(draw, size), size, draw.seed
    wave_s = draw.between((0.9, 1.6), (0.7, 2.2))
    left, right = int(0.3 * width), int(0.7 * width)

    def scene(time_s: float) -> Picture:
        picture = room.copy()
        gust = 1.0 + 0.4 * wander(time_s, seed, rate=3.0)
        for x in range(left, right, 2):
            rise = 0.05 * height * gust * (x - left) / (right - left)
            y = 0.3 * height + rise * np.sin(
                2 * np.pi * (2.5 * (x - left) / width - time_s / wave_s)
            )
            colour = (190, 40, 40) if (x * 12 // width) % 2 else (230, 230, 230)
            cv2.rectangle(picture, (x, int(y)), (x + 2, int(y + 0.3 * height)), colour, -1)
        return picture

    return scene
