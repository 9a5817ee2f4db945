"""Two rendered scenes that look as if a camera took them: a studio and a street.

Everything is drawn from numbers; no photograph, person or footage is in them. Movement is made
of sines whose periods have no common multiple, so that no scene ever repeats itself.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Plane = NDArray[np.float32]

WIDTH, HEIGHT, FPS = 640, 360, 25
SHIFT = 4  # cv2 draws at 1/16 of a pixel, without which slow movement would jump


def at(*points: tuple[float, float]) -> NDArray[np.int32]:
    """Points in cv2's fixed-point form."""
    return np.round(np.array(points) * (1 << SHIFT)).astype(np.int32)


def drift(time_s: float, seed: int) -> float:
    """A slow wander in about [-1, 1] that never repeats."""
    rates_hz = (0.071, 0.113, 0.197, 0.311)
    phases = np.random.default_rng(seed).uniform(0, 2 * np.pi, len(rates_hz))
    waves = [np.sin(2 * np.pi * r * time_s + p) for r, p in zip(rates_hz, phases, strict=True)]
    return float(np.mean(waves) * 1.6)


def clouds(seed: int, *, width: int, height: int) -> Plane:
    """Soft noise in [0, 1] of a few octaves, wider than the picture so that it can move."""
    rng = np.random.default_rng(seed)
    total = np.zeros((height, width), np.float32)
    for octave in range(4):
        cells = rng.random((3 * 2**octave, 6 * 2**octave), np.float32)
        total += cv2.resize(cells, (width, height), interpolation=cv2.INTER_CUBIC) / 2**octave
    low, high = np.percentile(total, (2, 98))
    return np.asarray(np.clip((total - low) / (high - low), 0, 1), np.float32)


@dataclass
class Camera:
    """What a real camera adds: unsteady hands, changing light, vignette and sensor noise."""

    seed: int
    shake_px: float = 1.6
    noise: float = 3.0

    def take(self, scene: Picture, time_s: float, rng: np.random.Generator) -> Picture:
        """`scene` is a little larger than the picture; the crop moves with the hand."""
        margin_y, margin_x = (scene.shape[0] - HEIGHT) / 2, (scene.shape[1] - WIDTH) / 2
        dx = margin_x + self.shake_px * (
            drift(time_s * 4, self.seed) + 2 * drift(time_s, self.seed + 1)
        )
        dy = margin_y + self.shake_px * (
            drift(time_s * 4, self.seed + 2) + 2 * drift(time_s, self.seed + 3)
        )
        move = np.array([[1, 0, -dx], [0, 1, -dy]], np.float32)
        view = cv2.warpAffine(scene, move, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        light = 1.0 + 0.03 * drift(time_s * 1.3, self.seed + 4)
        taken = view.astype(np.float32) * (light * _vignette()[..., None])
        taken += rng.normal(0, self.noise, (HEIGHT, WIDTH, 1)).astype(np.float32)
        taken += rng.normal(0, self.noise * 0.4, (HEIGHT, WIDTH, 3)).astype(np.float32)
        return np.clip(taken, 0, 255).astype(np.uint8)


def _vignette() -> Plane:
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    return np.asarray(1 - 0.16 * (x * x + y * y), np.float32)


@dataclass
class Studio:
    """A newsroom desk before a video wall whose bars follow the sound."""

    tint: tuple[int, int, int]
    title: str
    seed: int
    _wall: Plane = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._wall = clouds(self.seed, width=1600, height=400)

    def draw(self, time_s: float, loudness: float) -> Picture:
        """`loudness` in [0, 1] of the sound at this moment."""
        width, height = WIDTH + 32, HEIGHT + 24
        tint = np.array(self.tint, np.float32)
        shade = np.linspace(1.0, 0.45, height, dtype=np.float32)[:, None, None]
        scene = np.ascontiguousarray((tint * 0.42 * shade * np.ones((1, width, 1))), np.float32)
        self._lights(scene, time_s)
        self._video_wall(scene, time_s, loudness)
        picture = np.clip(scene, 0, 255).astype(np.uint8)
        self._presenter(picture, time_s, loudness)
        self._desk(picture, time_s)
        self._lower_third(picture, time_s)
        return picture

    def _lights(self, scene: NDArray[np.float32], time_s: float) -> None:
        glow = np.zeros_like(scene)
        for lamp in range(7):
            x = 40 + lamp * 98 + 14 * drift(time_s * 0.8, self.seed + 20 + lamp)
            y = 34 + 10 * drift(time_s * 0.9, self.seed + 40 + lamp)
            power = 70 + 40 * drift(time_s * 1.7, self.seed + 60 + lamp)
            centre = tuple(at((x, y))[0].tolist())
            warm = (power, power * 0.86, power * 0.62)
            cv2.circle(glow, centre, 26 << SHIFT, warm, -1, cv2.LINE_AA, SHIFT)
        scene += cv2.GaussianBlur(glow, (0, 0), 9)

    def _video_wall(self, scene: NDArray[np.float32], time_s: float, loudness: float) -> None:
        top, left, high, wide = 70, 56, 150, WIDTH + 32 - 112
        offset = int(520 + 300 * drift(time_s * 0.7, self.seed + 5))
        texture = self._wall[100 : 100 + high, offset : offset + wide, None]
        panel = scene[top : top + high, left : left + wide]
        panel[:] = np.array(self.tint, np.float32) * (0.35 + 0.55 * texture) + 12
        bars = 36
        for bar in range(bars):
            wave = 0.55 + 0.45 * drift(time_s * 6 + bar * 1.37, self.seed + 7)
            tall = high * (0.06 + 0.8 * loudness * wave)
            x = left + 14 + bar * (wide - 28) / bars
            middle = top + high / 2
            corners = at((x, middle - tall / 2), (x + 7, middle + tall / 2))
            bright = (235, 240, 250) if bar % 2 else (205, 225, 245)
            cv2.rectangle(
                scene, corners[0].tolist(), corners[1].tolist(), bright, -1, cv2.LINE_AA, SHIFT
            )

    def _presenter(self, picture: Picture, time_s: float, loudness: float) -> None:
        """A faceless figure that sways and nods while it speaks."""
        sway = 10 * drift(time_s * 1.6, self.seed + 8)
        nod = 4 * drift(time_s * 3.1, self.seed + 9) - 5 * loudness
        x, y = WIDTH / 2 + 16 + sway, 176 + nod
        suit, skin, hair = (46, 52, 74), (190, 150, 128), (58, 42, 36)
        body = at((x - 82, 330), (x - 66, y + 76), (x - 24, y + 54), (x + 24, y + 54))
        body = np.concatenate([body, at((x + 66, y + 76), (x + 82, 330))])
        cv2.fillPoly(picture, [body], suit, cv2.LINE_AA, SHIFT)
        shirt = at((x - 15, y + 52), (x + 15, y + 52), (x, y + 104))
        cv2.fillPoly(picture, [shirt], (232, 232, 238), cv2.LINE_AA, SHIFT)
        centre, radii = at((x, y))[0].tolist(), at((29, 38))[0].tolist()
        cv2.ellipse(picture, centre, radii, 0, 0, 360, skin, -1, cv2.LINE_AA, SHIFT)
        crown = at((x, y - 12))[0].tolist()
        cv2.ellipse(
            picture, crown, at((32, 31))[0].tolist(), 0, 180, 360, hair, -1, cv2.LINE_AA, SHIFT
        )
        for side in (-1, 1):
            reach = 10 * drift(time_s * 2.3, self.seed + 11 + side)
            hand = at((x + side * (64 + reach), 292 - 7 * loudness - reach))[0].tolist()
            cv2.circle(picture, hand, 13 << SHIFT, skin, -1, cv2.LINE_AA, SHIFT)

    def _desk(self, picture: Picture, time_s: float) -> None:
        top = at((96, 300), (576, 300), (672, 384), (0, 384))
        cv2.fillPoly(picture, [top], (92, 74, 60), cv2.LINE_AA, SHIFT)
        gleam = 300 + 120 * drift(time_s * 0.6, self.seed + 14)
        shine = at((gleam, 301), (gleam + 60, 301), (gleam + 110, 384), (gleam - 30, 384))
        cv2.fillPoly(picture, [shine], (120, 100, 84), cv2.LINE_AA, SHIFT)

    def _lower_third(self, picture: Picture, time_s: float) -> None:
        cv2.rectangle(picture, (16, 328), (WIDTH + 16, 350), (24, 28, 40), -1)
        text = f"   {self.title}   rendered demo stream   no real person is shown   " * 6
        x = 30 - time_s * 47
        cv2.putText(
            picture, text, (int(x), 345), cv2.FONT_HERSHEY_DUPLEX, 0.5, (230, 230, 235), 1,
            cv2.LINE_AA,
        )  # fmt: skip


@dataclass
class Walker:
    lane: float  # 0 far .. 1 near
    speed: float
    start: float
    coat: tuple[int, int, int]


@dataclass
class Street:
    """A street seen by a fixed camera: clouds, swaying trees, cars, people, a running clock."""

    title: str
    seed: int
    _sky: Plane = field(init=False, repr=False)
    _walkers: list[Walker] = field(init=False, repr=False)
    _cars: list[Walker] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._sky = clouds(self.seed, width=2000, height=260)
        rng = np.random.default_rng(self.seed)
        colours = rng.integers(40, 220, (20, 3)).tolist()
        self._walkers = [
            Walker(
                lane=rng.uniform(0.25, 0.5),
                speed=float(rng.choice((-1, 1)) * rng.uniform(22, 46)),
                start=rng.uniform(-100, 740),
                coat=tuple(colours[n]),
            )
            for n in range(6)
        ]
        self._cars = [
            Walker(
                lane=0.62 + 0.2 * (n % 2),
                speed=float((1 if n % 2 else -1) * rng.uniform(95, 190)),
                start=rng.uniform(-900, 1500),
                coat=tuple(colours[10 + n]),
            )
            for n in range(5)
        ]

    def draw(self, time_s: float, loudness: float) -> Picture:
        """`loudness` is not used: a street looks the same however loud it is."""
        del loudness
        width, height = WIDTH + 32, HEIGHT + 24
        picture = np.zeros((height, width, 3), np.uint8)
        offset = int(300 + time_s * 9)
        cover = self._sky[:170, offset : offset + width, None]
        blue = np.array((118, 160, 205), np.float32)
        picture[:170] = (blue + (238 - blue) * cover * 0.9).astype(np.uint8)
        self._houses(picture)
        picture[170:236] = (104, 116, 96)
        ground = np.linspace(92, 70, height - 236)[:, None, None]
        picture[236:] = ground.astype(np.uint8)
        for dash in range(-2, 12):
            line = at((dash * 70 + 16, 306), (dash * 70 + 52, 306))
            line = np.concatenate([line, at((dash * 70 + 49, 310), (dash * 70 + 12, 310))])
            cv2.fillPoly(picture, [line], (196, 190, 170), cv2.LINE_AA, SHIFT)
        self._trees(picture, time_s)
        for walker in self._walkers:
            self._walk(picture, walker, time_s)
        for car in sorted(self._cars, key=lambda c: c.lane):
            self._drive(picture, car, time_s)
        return picture

    def caption(self, picture: Picture, time_s: float) -> Picture:
        """Burn the camera's clock in, as recorders do: after the lens, so it does not shake."""
        seconds = int(time_s) + 5 * 60 + 12
        hundredths = int(time_s * 100) % 100
        clock = f"{self.title}  14:{seconds // 60:02d}:{seconds % 60:02d}.{hundredths:02d}"
        face = cv2.FONT_HERSHEY_DUPLEX
        cv2.putText(picture, clock, (13, 25), face, 0.55, (10, 10, 10), 3, cv2.LINE_AA)
        cv2.putText(picture, clock, (13, 25), face, 0.55, (245, 245, 245), 1, cv2.LINE_AA)
        return picture

    def _houses(self, picture: Picture) -> None:
        rng = np.random.default_rng(self.seed + 1)
        x = -20
        while x < picture.shape[1]:
            wide, tall = int(rng.integers(70, 130)), int(rng.integers(70, 130))
            wall = rng.integers(110, 190, 3).tolist()
            cv2.rectangle(picture, (x, 172 - tall), (x + wide, 240), wall, -1)
            dark = (np.array(wall) * 0.55).tolist()
            for wx in range(x + 12, x + wide - 14, 24):
                for wy in range(172 - tall + 12, 190, 28):
                    cv2.rectangle(picture, (wx, wy), (wx + 10, wy + 15), dark, -1)
            x += wide

    def _trees(self, picture: Picture, time_s: float) -> None:
        for tree, x in enumerate((70, 250, 468, 610)):
            cv2.rectangle(picture, (x - 3, 170), (x + 3, 238), (70, 56, 46), -1)
            for leaf in range(14):
                angle = leaf * 2.4
                spread = 6 + 2.2 * leaf
                wind = 4.5 * drift(time_s * 2.6 + leaf * 0.21, self.seed + 30 + tree)
                lx = x + spread * np.cos(angle) + wind * (1 + leaf / 14)
                ly = 158 + 0.8 * spread * np.sin(angle) - abs(wind) * 0.3
                green = (48 + 3 * leaf, 92 + 3 * leaf, 44)
                cv2.circle(
                    picture, at((lx, ly))[0].tolist(), 13 << SHIFT, green, -1, cv2.LINE_AA, SHIFT
                )

    def _walk(self, picture: Picture, walker: Walker, time_s: float) -> None:
        span = WIDTH + 240
        x = (walker.start + walker.speed * time_s) % span - 120
        foot = 236 + 40 * walker.lane
        tall = 34 + 34 * walker.lane
        stride = np.sin(time_s * abs(walker.speed) * 0.19 + walker.start)
        bob = abs(stride) * 1.6
        hip = (x, foot - tall * 0.45 - bob)
        for side in (-1, 1):
            toe = (x + side * stride * tall * 0.2, foot)
            leg = at(hip, toe)
            cv2.line(picture, leg[0].tolist(), leg[1].tolist(), (48, 46, 52), 4, cv2.LINE_AA, SHIFT)
        coat = at((x, foot - tall * 0.64 - bob))[0].tolist()
        radii = at((tall * 0.14, tall * 0.26))[0].tolist()
        cv2.ellipse(picture, coat, radii, 0, 0, 360, walker.coat, -1, cv2.LINE_AA, SHIFT)
        head = at((x, foot - tall - bob))[0].tolist()
        radius = int(tall * 0.11 * (1 << SHIFT))
        cv2.circle(picture, head, radius, (176, 142, 122), -1, cv2.LINE_AA, SHIFT)

    def _drive(self, picture: Picture, car: Walker, time_s: float) -> None:
        span = 2300
        x = (car.start + car.speed * time_s) % span - 400
        y = 236 + 120 * car.lane - 16
        size = 0.7 + 0.9 * car.lane
        body = at((x, y - 20 * size), (x + 104 * size, y + 6 * size))
        cv2.rectangle(picture, body[0].tolist(), body[1].tolist(), car.coat, -1, cv2.LINE_AA, SHIFT)
        cabin = at((x + 18 * size, y - 19 * size), (x + 32 * size, y - 38 * size))
        cabin = np.concatenate(
            [cabin, at((x + 74 * size, y - 38 * size), (x + 92 * size, y - 19 * size))]
        )
        cv2.fillPoly(picture, [cabin], (62, 74, 88), cv2.LINE_AA, SHIFT)
        for wheel in (24, 82):
            hub = at((x + wheel * size, y + 6 * size))[0].tolist()
            radius = int(11 * size * (1 << SHIFT))
            cv2.circle(picture, hub, radius, (26, 26, 28), -1, cv2.LINE_AA, SHIFT)
