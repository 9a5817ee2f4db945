"""Media for tests, made with PyAV when they are needed: nothing binary is committed."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.container import OutputContainer
from numpy.typing import NDArray

SOUND_HZ = 48_000
TONE_HZ = 440.0


@dataclass(frozen=True, slots=True)
class Recipe:
    """A moving, grainy picture and a tone."""

    seconds: int = 6
    width: int = 320
    height: int = 180
    fps: int = 25
    gop: int = 50
    b_frames: int = 0
    sound: bool = True
    audio_codec: str = "aac"
    bit_rate: int | None = None
    seed: int = 0


def write_clip(
    path: Path | str, recipe: Recipe = Recipe(), *, container: str | None = None
) -> None:
    """H.264 with a keyframe every `gop` frames, and sound, in the format the name says."""
    with av.open(str(path), "w", format=container) as output:
        x264 = (
            f"keyint={recipe.gop}:min-keyint={recipe.gop}:scenecut=0:bframes={recipe.b_frames}"
            ":b-adapt=0:threads=1"
        )
        video = output.add_stream(
            "libx264", rate=recipe.fps, options={"preset": "veryfast", "x264-params": x264}
        )
        video.width, video.height, video.pix_fmt = recipe.width, recipe.height, "yuv420p"
        if recipe.bit_rate is not None:
            video.bit_rate = recipe.bit_rate
        sound = _add_sound(output, recipe)
        written = 0
        for number, image in enumerate(pictures(recipe)):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, recipe.fps)
            output.mux(video.encode(frame))
            while sound is not None and written < (number + 1) * SOUND_HZ // recipe.fps:
                output.mux(sound.encode(_tone(recipe, written)))
                written += 1024
        output.mux(video.encode(None))
        if sound is not None:
            output.mux(sound.encode(None))


def pictures(recipe: Recipe) -> Iterator[NDArray[np.uint8]]:
    """Gradients that move, with grain: nothing in them repeats."""
    rng = np.random.default_rng(recipe.seed)
    y, x = np.mgrid[0 : recipe.height, 0 : recipe.width].astype(np.int16)
    for number in range(recipe.seconds * recipe.fps):
        planes = ((x + 3 * number) % 256, (y + 2 * number) % 256, (x + y + number) % 256)
        grain = rng.integers(-8, 8, (recipe.height, recipe.width, 1), dtype=np.int16)
        yield np.clip(np.stack(planes, -1) + grain, 0, 255).astype(np.uint8)


def decode_all(data: bytes | Path) -> list[NDArray[np.uint8]]:
    """Every picture of a file as RGB; raises on the first error."""
    source = io.BytesIO(data) if isinstance(data, bytes) else str(data)
    with av.open(source, "r") as container:
        container.streams.video[0].codec_context.thread_count = 1
        return [
            frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
            for frame in container.decode(video=0)
        ]


def _add_sound(output: OutputContainer, recipe: Recipe) -> AudioStream | None:
    if not recipe.sound:
        return None
    sound = output.add_stream(recipe.audio_codec, rate=SOUND_HZ)
    assert isinstance(sound, AudioStream)
    sound.layout = "stereo"
    return sound


def _tone(recipe: Recipe, first: int) -> av.AudioFrame:
    moments_s = (first + np.arange(1024)) / SOUND_HZ
    samples = np.stack([0.3 * np.sin(2 * np.pi * TONE_HZ * moments_s)] * 2)
    if recipe.audio_codec.startswith("pcm"):
        packed = (samples.T.reshape(1, -1) * 32767).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout="stereo")
    else:
        planes = samples.astype(np.float32)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout="stereo")
    frame.rate, frame.pts, frame.time_base = SOUND_HZ, first, Fraction(1, SOUND_HZ)
    return frame
