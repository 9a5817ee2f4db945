"""Renderings of a face before a screen that changes its colour, as a call shows it.

Light adds up where it falls: the room's and the screen's, on the skin of a drawn face. The camera
sets its exposure and its white balance late, adds noise, and the call codes the pictures and
brings them late. Every number is drawn from a seed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from random import Random
from typing import Any

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from streammon.detectors.challenge.scoring import Shown, Skin
from streammon.detectors.challenge.sequence import COLOURS, STEP_S, STEPS, order
from tests.drawn_face import drawn_face

BEGINS_S = 2.0
AFTER_S = 4.5
SKIN = (0.55, 0.36, 0.27)
"""Share of linear light that the drawn skin sends back."""


@dataclass(frozen=True)
class Scene:
    """What happens in one rendering. Light is relative to the room's."""

    seed: int
    shown: tuple[int, ...]
    """What the screen was told to show."""
    lights: tuple[int, ...] | None
    """What lights the face; `None`: nothing does."""
    strength: float = 0.15
    delay_s: float = 0.4
    fps: float = 12.0
    noise: float = 1.5
    """Standard deviation, of 255."""
    sway: float = 0.02
    """How much the brightness of the face changes with its movement."""
    tint: float = 0.004
    """How much its colour does."""
    white_balance: float = 0.25
    """Share of a lasting tint that the camera takes out within about 4 s."""
    still: bool = False
    """Every picture is the first."""

    @property
    def ended_s(self) -> float:
        return BEGINS_S + STEP_S * len(self.shown)

    @property
    def steps(self) -> list[Shown]:
        return [Shown(BEGINS_S + STEP_S * at, each) for at, each in enumerate(self.shown)]


def scene(kind: str, seed: int) -> Scene:
    """One of `KINDS`, with its conditions drawn."""
    random = Random(f"{kind} {seed}")
    shown = order(random, STEPS)
    usual = Scene(
        seed=seed,
        shown=shown,
        lights=shown,
        strength=10 ** random.uniform(-1.4, -0.3),
        delay_s=random.uniform(0.1, 1.2),
        fps=random.choice([8.0, 10.0, 12.0, 15.0]),
        noise=random.uniform(0.5, 4.0),
        sway=random.uniform(0.0, 0.08),
        tint=10 ** random.uniform(-3.0, -1.8),
        white_balance=random.uniform(0.0, 0.5),
    )
    changes: dict[str, dict[str, Any]] = {
        "lit face": {},
        "lit face, bright room": {"strength": 10 ** random.uniform(-4.0, -2.6)},
        "unlit replay": {"lights": None},
        "replay of another challenge": {"lights": order(random, STEPS)},
        "delayed replay": {"delay_s": random.uniform(2.4, 3.6)},
        "constant face": {"still": True},
    }
    return replace(usual, **changes[kind])


KINDS = (
    "lit face", "lit face, bright room", "unlit replay", "replay of another challenge",
    "delayed replay", "constant face",
)  # fmt: skip
GENUINE = frozenset(KINDS[:2])


def light(scene: Scene) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times of the pictures, and the light on the face at each, (n, 3), the room's being 1."""
    times = np.arange(0.0, scene.ended_s + AFTER_S, 1.0 / scene.fps)
    falls = np.ones((len(times), 3))
    if scene.lights is not None:
        for at, each in enumerate(scene.lights):
            begins = BEGINS_S + STEP_S * at + scene.delay_s
            lit = (times >= begins) & (times < begins + STEP_S)
            falls[lit] += scene.strength * np.array(COLOURS[each], float)
    rng = np.random.default_rng(scene.seed)
    phases = rng.uniform(0, 2 * np.pi, 4)
    sway = np.sin(times * 2.1 + phases[0]) + 0.5 * np.sin(times * 5.3 + phases[1])
    falls *= np.exp(scene.sway * sway)[:, None]
    wander = np.sin(times[:, None] * np.array([1.3, 1.9, 2.6]) + phases[1:])
    falls *= np.exp(scene.tint * wander)
    return times, falls if not scene.still else np.repeat(falls[:1], len(times), axis=0)


def exposed(scene: Scene, falls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gains of the camera for each picture, (n, 3): exposure follows in 0.5 s, white in 4 s."""
    gains, exposure, white = np.empty_like(falls), 1.0, np.ones(3)
    for at, fallen in enumerate(falls):
        exposure += (1.0 / fallen.mean() - exposure) * min(1.0, 2.0 / scene.fps)
        wanted = fallen.mean() / fallen
        white += scene.white_balance * (wanted - white) * min(1.0, 0.25 / scene.fps)
        gains[at] = exposure * white
    return gains


def encoded(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """sRGB, 0..255, of linear light, 0..1."""
    held = np.clip(linear, 0.0, 1.0)
    curved = np.where(held <= 0.0031308, held * 12.92, 1.055 * held ** (1 / 2.4) - 0.055)
    return np.asarray(255.0 * curved)


def skins(scene: Scene) -> list[Skin]:
    """The skin's colour, as if the face had been found in every picture."""
    times, falls = light(scene)
    rng = np.random.default_rng([scene.seed, 1])
    colours = encoded(falls * exposed(scene, falls) * np.array(SKIN))
    if not scene.still:
        colours = colours + rng.normal(0, scene.noise / 12, colours.shape)  # mean of many pixels
    rounded = np.round(np.clip(colours, 0, 255) * 4) / 4
    return [
        Skin(float(at), (float(red), float(green), float(blue)))
        for at, (red, green, blue) in zip(times, rounded, strict=True)
    ]


def pictures(scene: Scene, *, kbit_s: int = 500) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """The call's pictures, 320 x 180, coded as H.264 and decoded again."""
    times, falls = light(scene)
    gains = exposed(scene, falls)
    face = (drawn_face(0.2).astype(np.float64) / 255.0) ** 2.2
    rng = np.random.default_rng([scene.seed, 2])
    encoder, decoder = _codec("libx264", scene.fps, kbit_s), av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    waiting = list(map(float, times))
    for at, (fallen, gain) in enumerate(zip(falls, gains, strict=True)):
        image = encoded(face * fallen * gain)
        if not scene.still:
            image = image + rng.normal(0, scene.noise, image.shape)
            shift = np.array([[1, 0, 3 * np.sin(times[at] * 1.7)], [0, 1, np.sin(times[at])]])
            moved = cv2.warpAffine(image, shift, (320, 180), borderMode=cv2.BORDER_REPLICATE)
            image = np.asarray(moved, np.float64)
        frame = av.VideoFrame.from_ndarray(np.clip(image, 0, 255).astype(np.uint8), format="rgb24")
        frame.pts, frame.time_base = at, Fraction(1, 1000)
        for packet in encoder.encode(frame):
            for shown in decoder.decode(packet):
                yield waiting.pop(0), shown.to_ndarray(format="rgb24").astype(np.uint8)
    for packet in encoder.encode(None):
        for shown in decoder.decode(packet):
            yield waiting.pop(0), shown.to_ndarray(format="rgb24").astype(np.uint8)


def _codec(name: str, fps: float, kbit_s: int) -> VideoCodecContext:
    codec = av.CodecContext.create(name, "w")
    assert isinstance(codec, VideoCodecContext)
    codec.width, codec.height, codec.pix_fmt = 320, 180, "yuv420p"
    codec.framerate, codec.time_base = Fraction(round(fps), 1), Fraction(1, 1000)
    codec.bit_rate = kbit_s * 1000
    codec.options = {"preset": "veryfast", "tune": "zerolatency", "x264-params": "log-level=none"}
    return codec
