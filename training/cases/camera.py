"""What a camera and a control room do to a scene: noise, unsteady light, clocks and tickers."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from training.cases.draw import Draw
from training.cases.scenes import Picture, Scene, Size, wander, write

Overlay = Callable[[Picture, float], None]
"""Draws onto a picture that is about to leave, at the time of the programme."""
NOISE_PLANES = 6


class Camera:
    """Takes a scene: the same moment is the same picture, its very grain included."""

    def __init__(self, draw: Draw, scene: Scene, size: Size) -> None:
        width, height = size
        self._scene, self._seed = scene, draw.seed
        self._noise = draw.between((0.8, 3.5), (0.4, 4.5))
        self._light = draw.between((0.0, 0.03), (0.0, 0.05))
        self._grain = draw.rng.normal(0, 1, (NOISE_PLANES, height, width, 1)).astype(np.float32)

    def take(self, time_s: float, *, number: int) -> Picture:
        """The moment `time_s`, which is the recording's picture `number`."""
        rng = np.random.default_rng((self._seed, number))
        plane = self._grain[number % NOISE_PLANES]
        grain = np.roll(plane, rng.integers(0, plane.shape[:2]).tolist(), (0, 1))
        light = 1.0 + self._light * wander(time_s, self._seed + 9, rate=1.3)
        taken = self._scene(time_s) * np.float32(light) + np.float32(self._noise) * grain
        return np.asarray(np.clip(taken, 0, 255), np.float32)


def clock(draw: Draw, size: Size) -> Overlay:
    """A clock in a corner, to the second or to the hundredth."""
    width, height = size
    fine, scale = draw.perhaps(0.4), width / 420
    text = "00:00:00" + ".00" * fine
    (wide, high), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)
    x = draw.one_of((4, width - wide - 4), (4, width - wide - 4, (width - wide) // 2))
    y = draw.one_of((high + 3, height - 4), (high + 2, height - 3))

    def draw_on(picture: Picture, time_s: float) -> None:
        minute, second = divmod(time_s, 60)
        said = f"12:{int(minute):02d}:{int(second):02d}"
        said += f".{int(second * 100) % 100:02d}" if fine else ""
        cv2.rectangle(picture, (x - 2, y - high - 2), (x + wide + 2, y + 2), (10, 10, 10), -1)
        write(picture, said, (x, y), scale=scale, ink=240)

    return draw_on


def ticker(draw: Draw, size: Size) -> Overlay:
    """A line of news that runs along the lower edge."""
    width, height = size
    high = int(height * draw.between((0.08, 0.12), (0.07, 0.14)))
    pace = width * draw.between((0.1, 0.25), (0.06, 0.3))
    strip = np.full((high, 4 * width, 3), 40.0, np.float32)
    strip[:] = draw.rng.uniform(10, 90, 3)
    letters = "".join(chr(one) if one > 98 else " " for one in draw.rng.integers(95, 123, 160))
    write(strip, letters, (0, high - 3), scale=high / 28, ink=235)

    def draw_on(picture: Picture, time_s: float) -> None:
        picture[-high:] = np.roll(strip, -int(pace * time_s), axis=1)[:, : picture.shape[1]]

    return draw_on


def logo(draw: Draw, size: Size) -> Overlay:
    """A mark in an upper corner that turns, as the wheels of channels do."""
    width, height = size
    radius = int(height * draw.between((0.05, 0.08), (0.04, 0.09)))
    turn_s = draw.between((2.0, 6.0), (1.5, 9.0))
    x = draw.one_of((radius + 4, width - radius - 5), (radius + 3, width - radius - 4))
    colour = draw.rng.uniform(60, 250, 3).tolist()

    def draw_on(picture: Picture, time_s: float) -> None:
        angle = 360 * time_s / turn_s
        y = radius + 3
        cv2.circle(picture, (x, y), radius, (20, 20, 20), -1)
        cv2.ellipse(picture, (x, y), (radius, radius), angle, 0, 130, colour, -1)

    return draw_on


def bars(size: Size) -> Picture:
    """Upright colour bars over a grey foot."""
    width, height = size
    colours = [(180, 180, 180), (180, 180, 16), (16, 180, 180), (16, 180, 16), (180, 16, 180)]
    colours += [(180, 16, 16), (16, 16, 180)]
    picture = np.full((height, width, 3), 40.0, np.float32)
    for number, colour in enumerate(colours):
        left, right = number * width // 7, (number + 1) * width // 7
        picture[: int(0.75 * height), left:right] = colour
    return picture


def plate(draw: Draw, size: Size) -> Picture:
    """One colour all over."""
    width, height = size
    return np.broadcast_to(draw.rng.uniform(45, 200, 3), (height, width, 3)).astype(np.float32)


def as_rgb24(picture: Picture) -> NDArray[np.uint8]:
    return np.clip(picture, 0, 255).astype(np.uint8)
