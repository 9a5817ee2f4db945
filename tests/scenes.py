"""Little moving scenes, the camera and the codec between them and us, and what freeze says."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from streammon.core.types import AudioChunk, DetectionResult, Modality, StreamId, VideoFrame
from streammon.detectors.freeze import FreezeConfig
from streammon.windows.sliding import make_windower

Picture = NDArray[np.uint8]
Scene = Callable[[float], Picture]
"""What is before the camera at a moment."""

WIDTH, HEIGHT, FPS = 320, 180, 10
RATE_HZ = 16_000
SAMPLED_S = 0.25
STREAM = StreamId("scene")


@cache
def room(seed: int = 4) -> Picture:
    """A still background with edges and soft shades."""
    rng = np.random.default_rng(seed)
    soft = cv2.resize(rng.integers(30, 200, (9, 16, 3), dtype=np.uint8), (WIDTH, HEIGHT))
    for _ in range(12):
        x, y = int(rng.integers(0, WIDTH - 45)), int(rng.integers(0, HEIGHT - 35))
        colour = rng.integers(20, 230, 3).tolist()
        cv2.rectangle(soft, (x, y), (x + 40, y + 30), colour, -1)
    return np.asarray(soft, np.uint8)


def wander(time_s: float, seed: int) -> float:
    """In about [-1, 1], never the same twice."""
    phases = np.random.default_rng(seed).uniform(0, 6.28, 3)
    rates = np.array([0.17, 0.43, 0.71])
    return float(np.sin(2 * np.pi * rates * time_s + phases).mean() * 1.5)


def head(time_s: float) -> Picture:
    """Somebody talks before a still room."""
    picture = room().copy()
    x, y = int(160 + 11 * wander(time_s, 1)), int(85 + 5 * wander(time_s, 2))
    cv2.ellipse(picture, (x, y), (26, 34), 0, 0, 360, (196, 156, 134), -1)
    mouth = max(1, int(3.5 + 3 * wander(time_s * 7, 3)))
    cv2.ellipse(picture, (x, y + 15), (8, mouth), 0, 0, 360, (70, 24, 24), -1)
    return picture


def traffic(time_s: float) -> Picture:
    """Blocks of many sizes and speeds cross the picture."""
    picture = room(9).copy()
    for car in range(7):
        rng = np.random.default_rng(car)
        speed, start = rng.uniform(10, 35) * rng.choice((-1, 1)), rng.uniform(0, 450)
        x = int((start + speed * time_s) % 450 - 65)
        y = 30 + 20 * car
        cv2.rectangle(picture, (x, y), (x + 55, y + 17), rng.integers(0, 255, 3).tolist(), -1)
    return picture


def pendulum(period_s: float) -> Scene:
    def scene(time_s: float) -> Picture:
        picture = room().copy()
        angle = 0.5 * np.sin(2 * np.pi * time_s / period_s)
        tip = (int(160 + 110 * np.sin(angle)), int(20 + 110 * np.cos(angle)))
        cv2.line(picture, (160, 20), tip, (30, 30, 30), 3)
        cv2.circle(picture, tip, 13, (210, 190, 60), -1)
        return picture

    return scene


def flag(time_s: float) -> Picture:
    picture = room().copy()
    for x in range(100, 220, 2):
        wave = 7 * np.sin(2 * np.pi * (x / 65 - time_s / 1.3)) * (x - 100) / 120
        top = int(50 + wave * (1 + 0.3 * wander(time_s, 3)))
        colour = (190, 40, 40) if (x // 20) % 2 else (230, 230, 230)
        cv2.rectangle(picture, (x, top), (x + 2, top + 45), colour, -1)
    return picture


def slides(time_s: float, *, each_s: float = 7.0, fade_s: float = 1.0) -> Picture:
    """Clean slides that fade into each other."""
    number, into_s = int(time_s // each_s), time_s % each_s
    share = min(1.0, into_s / fade_s)
    now, before = _slide(number).astype(np.float32), _slide(number - 1).astype(np.float32)
    return np.asarray(share * now + (1 - share) * before, np.uint8)


@cache
def _slide(number: int) -> Picture:
    picture = np.full((HEIGHT, WIDTH, 3), 245, np.uint8)
    rng = np.random.default_rng(number + 50)
    for row in range(8):
        text = "".join(chr(letter) for letter in rng.integers(97, 123, 24))
        place = (20, 30 + 18 * row)
        cv2.putText(picture, text, place, cv2.FONT_HERSHEY_SIMPLEX, 0.35, (20, 20, 30), 1)
    return picture


def frozen(scene: Scene, *, from_s: float, to_s: float) -> Scene:
    return lambda time_s: scene(from_s if from_s <= time_s < to_s else time_s)


def looped(scene: Scene, *, from_s: float, lag_s: float) -> Scene:
    """From `from_s` on, the `lag_s` before it over and over."""
    begin_s = from_s - lag_s
    return lambda time_s: scene(time_s if time_s < from_s else begin_s + (time_s - begin_s) % lag_s)


def shot(
    scene: Scene, duration_s: float, *, noise: float = 2.0, seed: int = 0
) -> Iterator[Picture]:
    """What a camera with this much sensor noise makes of it: the same moment, the same noise."""
    for number in range(int(duration_s * FPS)):
        picture = scene(number / FPS)
        key = int(picture[::5, ::5].sum(dtype=np.uint32)) if noise else 0
        rng = np.random.default_rng((seed, key, number if scene is STILL else 0))
        grain = noise * rng.standard_normal((HEIGHT, WIDTH, 1), np.float32) if noise else 0.0
        yield np.asarray(np.clip(picture + grain, 0, 255), np.uint8)


def STILL(time_s: float) -> Picture:  # noqa: N802 - the one scene that is known by identity
    """A room in which nothing moves; its noise is new in every picture."""
    del time_s
    return room()


def coded(pictures: Iterable[Picture], *, crf: int = 28) -> list[tuple[float, Picture]]:
    """The pictures after H.264 with a keyframe each 2 s, with their times."""
    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as output:
        x264 = f"keyint={2 * FPS}:min-keyint={2 * FPS}:scenecut=0:threads=1"
        options = {"preset": "veryfast", "crf": str(crf), "x264-params": x264}
        video = output.add_stream("libx264", rate=FPS, options=options)
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = number
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
    file.seek(0)
    return decoded(file)


def decoded(file: io.BytesIO | Path) -> list[tuple[float, Picture]]:
    """Every picture of a file that is taken each quarter of a second, with its time."""
    found: list[tuple[float, Picture]] = []
    with av.open(file if isinstance(file, io.BytesIO) else str(file), "r") as container:
        for frame in container.decode(video=0):
            time_s = float(frame.time or 0.0)
            if time_s >= len(found) * SAMPLED_S - 1e-6:
                found.append((time_s, np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)))
    return found


def frames(pictures: Iterable[tuple[float, Picture]], *, epoch: int = 0) -> list[VideoFrame]:
    return [
        VideoFrame(STREAM, seq, media_s, round(media_s * 1e9), picture, epoch=epoch)
        for seq, (media_s, picture) in enumerate(pictures)
    ]


def judged(items: Iterable[VideoFrame | AudioChunk], **settings: object) -> list[DetectionResult]:
    """What freeze says of each window of them."""
    detector = FreezeConfig.model_validate(settings).build("freeze")
    items = list(items)
    modality = Modality.VIDEO if isinstance(items[0], VideoFrame) else Modality.AUDIO
    windower = make_windower(STREAM, modality, detector.inputs[modality])
    return [
        result
        for item in items
        for window in windower.push(item)
        for result in detector.score([window])
    ]


def watched(scene: Scene, duration_s: float, *, crf: int = 28, noise: float = 2.0,
            **settings: object) -> list[DetectionResult]:  # fmt: skip
    return judged(frames(coded(shot(scene, duration_s, noise=noise), crf=crf)), **settings)


def most(results: Iterable[DetectionResult], *, cause: str | None = None) -> float:
    """The highest confidence, of one cause if it is named."""
    return max(
        (
            result.confidence
            for result in results
            if result.confidence is not None
            and (cause is None or result.details.get("cause") == cause)
        ),
        default=0.0,
    )


def chunks(pcm: NDArray[np.float32], *, chunk_s: float = 0.5) -> list[AudioChunk]:
    size = int(chunk_s * RATE_HZ)
    return [
        AudioChunk(STREAM, seq, start / RATE_HZ, 0, pcm[start : start + size], RATE_HZ, RATE_HZ)
        for seq, start in enumerate(range(0, len(pcm), size))
    ]
