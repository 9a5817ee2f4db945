"""What moves by itself, by rule or hardly at all, and is taken for a replay or a standstill."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from training.cases.draw import Draw
from training.cases.scenes import Picture, Scene, Size, backdrop, page, pan, wander, write


def _there_and_back(way: float) -> float:
    """0 to 1 and back to 0 in every two steps of `way`, at an even pace."""
    return 1.0 - abs(way % 2.0 - 1.0)


def _grid(size: Size) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    down, across = np.mgrid[0 : size[1], 0 : size[0]].astype(np.float32)
    return across, down


def waves(draw: Draw, size: Size) -> Scene:
    """The sea below a sky: swell of nearly one period, and ripples."""
    picture, (width, height), seed = backdrop(draw, size), size, draw.seed
    swell_s = draw.between((4.0, 7.0), (3.0, 9.0))
    across, down = _grid(size)
    depth = np.clip((down / height - 0.4) / 0.6, 0, 1)
    blue = np.array((40, 90, 130), np.float32)

    def scene(time_s: float) -> Picture:
        light = np.zeros((height, width), np.float32)
        for number, share in enumerate((1.0, 0.93, 1.09, 0.31, 0.23)):
            high = (1.0 + 0.5 * wander(time_s, seed + number, rate=0.5)) * min(1.0, 2.0 * share)
            turn = time_s / (swell_s * share) + number
            lie = across * (0.4 + 0.3 * number) / width + down * (3 + number) / height
            light += np.float32(18 * high) * np.sin(2 * np.pi * (lie - turn), dtype=np.float32)
        sea = blue + light[..., None]
        return np.asarray(picture + np.sqrt(depth)[..., None] * (sea - picture), np.float32)

    return scene


def crowd(draw: Draw, size: Size) -> Scene:
    """Many heads that bob, each in its own time, and some that clap to one beat."""
    place, (width, height), seed = backdrop(draw, size), size, draw.seed
    beat_s = draw.between((0.45, 0.7), (0.4, 0.8))
    heads = [
        (draw.rng.uniform(0, width), draw.rng.uniform(0.3, 1) * height,
         draw.rng.uniform(30, 220, 3).tolist(), bool(draw.perhaps(0.3)))
        for _ in range(int(draw.between((20, 40), (15, 60))))
    ]  # fmt: skip

    def scene(time_s: float) -> Picture:
        picture = place.copy()
        for number, (x, y, colour, claps) in enumerate(heads):
            bob = np.sin(2 * np.pi * time_s / beat_s) if claps else wander(time_s, seed + number)
            sway = 0.03 * width * wander(time_s, seed + 500 + number, rate=1.5)
            at = (int(x + sway), int(y + 0.03 * height * bob))
            cv2.circle(picture, at, height // 16, colour, -1)
        return picture

    return scene


def aquarium(draw: Draw, size: Size) -> Scene:
    """Fish that swim to and fro at an even pace, and bubbles that rise."""
    tank, (width, height) = backdrop(draw, size, darker=0.6), size
    fish = [
        (draw.between((5.0, 16.0), (4.0, 20.0)), draw.rng.uniform(0, 2),
         draw.rng.uniform(0.15, 0.85) * height, draw.rng.uniform(60, 250, 3).tolist())
        for _ in range(int(draw.between((3, 7), (2, 9))))
    ]  # fmt: skip
    bubble_s = draw.between((2.0, 4.0), (1.5, 5.0))

    def scene(time_s: float) -> Picture:
        picture = tank.copy()
        for across_s, ahead, y, colour in fish:
            x = width * _there_and_back(time_s / across_s + ahead)
            at = (int(x), int(y + 0.04 * height * np.sin(time_s + ahead * 9)))
            cv2.ellipse(picture, at, (width // 14, height // 18), 0, 0, 360, colour, -1)
        for bubble in range(5):
            up = (time_s / bubble_s + bubble / 5) % 1.0
            at = (int(width * 0.85 + 3 * np.sin(9 * up)), int(height * (1 - up)))
            cv2.circle(picture, at, 2, (220, 230, 240), 1)
        return picture

    return scene


def screensaver(draw: Draw, size: Size) -> Scene:
    """A mark that goes straight on and bounces off the edges: after some time all is as before."""
    width, height = size
    across_s = draw.between((3.0, 6.0), (2.5, 8.0))
    down_s = across_s * draw.one_of((0.5, 0.75, 1.5), (0.4, 0.6, 2 / 3, 1.25))
    ground, colour = draw.between((0, 20), (0, 60)), draw.rng.uniform(80, 250, 3).tolist()
    wide, high = width // 5, height // 6

    def scene(time_s: float) -> Picture:
        picture = np.full((height, width, 3), ground, np.float32)
        x = int((width - wide) * _there_and_back(time_s / across_s))
        y = int((height - high) * _there_and_back(time_s / down_s))
        cv2.rectangle(picture, (x, y), (x + wide, y + high), colour, -1)
        return picture

    return scene


def clock_face(draw: Draw, size: Size) -> Scene:
    """A large clock on a wall, with a hand that ticks or sweeps."""
    wall, (width, height) = backdrop(draw, size), size
    sweeps, start_s = draw.perhaps(0.5), draw.rng.uniform(0, 3600)
    middle, radius = (width // 2, height // 2), int(0.45 * height)

    def scene(time_s: float) -> Picture:
        picture = wall.copy()
        cv2.circle(picture, middle, radius, (235, 235, 225), -1)
        now_s = start_s + (time_s if sweeps else np.floor(time_s))
        for turn_s, long, thick in ((60.0, 0.9, 2), (3600.0, 0.8, 3), (43200.0, 0.5, 5)):
            angle = 2 * np.pi * now_s / turn_s
            x = int(middle[0] + long * radius * np.sin(angle))
            y = int(middle[1] - long * radius * np.cos(angle))
            cv2.line(picture, middle, (x, y), (20, 20, 20), thick)
        return picture

    return scene


def resting_pan(draw: Draw, size: Size) -> Scene:
    """A camera that looks about slowly and rests for some seconds between two moves."""
    looks = pan(draw, size)
    moves_s, rests_s = draw.between((8, 16), (6, 20)), draw.between((3, 7), (2, 9))

    def scene(time_s: float) -> Picture:
        number, into_s = divmod(time_s, moves_s + rests_s)
        return looks(number * moves_s + min(into_s, moves_s))

    return scene


def turntable(draw: Draw, size: Size) -> Scene:
    """A thing on show that stands, and from some moment on is turned round and round."""
    room, (width, height) = backdrop(draw, size), size
    turn_s, from_s = draw.between((5.0, 10.0), (4.0, 14.0)), draw.between((15, 30), (10, 40))
    sides = [
        (draw.rng.uniform(0, 2 * np.pi), draw.rng.uniform(20, 240, 3).tolist()) for _ in range(5)
    ]

    def scene(time_s: float) -> Picture:
        picture = room.copy()
        turned = 2 * np.pi * max(0.0, time_s - from_s) / turn_s
        for angle, colour in sorted(sides, key=lambda side: np.cos(side[0] + turned)):
            x = width / 2 + 0.25 * width * np.sin(angle + turned)
            near = 1.0 + 0.3 * np.cos(angle + turned)
            box = (int(0.06 * width * near), int(0.25 * height * near))
            cv2.ellipse(picture, (int(x), height // 2), box, 0, 0, 360, colour, -1)
        return picture

    return scene


def fountain(draw: Draw, size: Size) -> Scene:
    """Drops on their curves, drawn anew all the time, before a still square."""
    square, (width, height), seed = backdrop(draw, size), size, draw.seed
    rise_s = draw.between((0.8, 1.4), (0.6, 1.8))
    many = int(draw.between((40, 90), (30, 140)))

    def scene(time_s: float) -> Picture:
        picture = square.copy()
        for drop in range(many):
            number, into = divmod(time_s / rise_s + drop / many, 1.0)
            rng = np.random.default_rng((seed, drop, int(number)))
            x = width * (0.5 + rng.uniform(-0.3, 0.3) * into)
            y = height * (0.9 - rng.uniform(2.0, 3.0) * into * (1 - into))
            cv2.circle(picture, (int(x), int(y)), max(1, height // 60), (235, 240, 245), -1)
        return picture

    return scene


def dashboard(draw: Draw, size: Size) -> Scene:
    """Charts that grow and numbers that change every few seconds, on a screen."""
    (width, height), seed = size, draw.seed
    every_s = draw.between((1.0, 4.0), (0.5, 8.0))
    ground = draw.one_of((30.0, 245.0), (20.0, 45.0, 250.0))
    ink = 255.0 - ground

    def scene(time_s: float) -> Picture:
        picture = np.full((height, width, 3), ground, np.float32)
        now = int(time_s / every_s)
        for chart in range(3):
            values = [wander(every_s * at, seed + chart) for at in range(now - 24, now + 1)]
            x = np.linspace(0.05, 0.6, len(values)) * width
            y = height * (0.2 + 0.28 * chart - 0.09 * np.array(values))
            line = np.stack([x, y], axis=1).astype(np.int32)
            cv2.polylines(picture, [line], False, (60, 140, 90 + 60 * chart), 1)
            write(picture, f"{1000 * values[-1]:.0f}", (int(0.7 * width), int(y.mean())),
                  scale=width / 400, ink=ink)  # fmt: skip
        return picture

    return scene


def slide_and_cursor(draw: Draw, size: Size) -> Scene:
    """A slide that stays; a cursor now wanders over it, now rests."""
    (width, height), seed = size, draw.seed
    slide = page(np.random.default_rng(seed), size)
    moves_s, rests_s = draw.between((2, 6), (1, 9)), draw.between((3, 12), (2, 25))

    def scene(time_s: float) -> Picture:
        picture = slide.copy()
        number, into_s = divmod(time_s, moves_s + rests_s)
        way_s = number * moves_s + min(into_s, moves_s)
        x = int(width * (0.5 + 0.4 * wander(way_s, seed, rate=2.0)))
        y = int(height * (0.5 + 0.4 * wander(way_s, seed + 1, rate=2.0)))
        arrow = np.array([(x, y), (x, y + 9), (x + 3, y + 7), (x + 6, y + 6)], np.int32)
        cv2.fillPoly(picture, [arrow], (10, 10, 10))
        return picture

    return scene


def changing_light(draw: Draw, size: Size) -> Scene:
    """A still room in which clouds draw over the sun, or a lamp is dimmed and turned up again."""
    room, seed = backdrop(draw, size), draw.seed
    share, rate = draw.between((0.05, 0.2), (0.04, 0.35)), draw.between((0.4, 1.5), (0.3, 3.0))
    haze = draw.between((0, 12), (0, 20))

    def scene(time_s: float) -> Picture:
        light = 1.0 + share * wander(time_s, seed, rate=rate)
        return np.asarray(room * light + haze * wander(time_s, seed + 1, rate=rate), np.float32)

    return scene


def night_noise(draw: Draw, size: Size) -> Scene:
    """A dark place at full gain: nothing but noise moves, in specks that the codec keeps."""
    place, (width, height), seed = backdrop(draw, size, darker=0.15), size, draw.seed
    grain = draw.between((4.0, 9.0), (3.0, 14.0))

    def scene(time_s: float) -> Picture:
        rng = np.random.default_rng((seed, int(1000 * time_s)))
        specks = rng.normal(0, 1, (height // 2, width // 2, 1)).astype(np.float32)
        noise = cv2.resize(specks, size, interpolation=cv2.INTER_LINEAR)
        return np.asarray(place + np.float32(grain) * noise[..., None], np.float32)

    return scene
