"""A drawn face that speaks with the bundled recorded speech, as items and as a film."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

import streammon.demo
from streammon.core.types import AudioChunk, Item, StreamId, VideoFrame
from streammon.detectors.lip_signals import STEP_S, levels, spectrum
from streammon.ingest.av_url import AvUrlConfig
from tests.drawn_face import drawn_face
from tests.fakes import RATE_HZ, WantAll, a_frame

DEMO = Path(streammon.demo.__file__).parent
SECONDS = 12.0


@cache
def speech() -> tuple[AudioChunk, ...]:
    """The beginning of the bundled clean speech."""
    url = str(DEMO / "studio_clean.mp4")
    source = AvUrlConfig(type="av_url", url=url).build(StreamId("cam"))
    items = source.items(WantAll(frame_interval_s=None))
    return tuple(item for item in items if isinstance(item, AudioChunk) and item.media_s < SECONDS)


@cache
def opening() -> tuple[float, ...]:
    """How far a mouth that says it is open, at 25 pictures a second, in sixteenths."""
    loud = levels(spectrum(np.concatenate([chunk.pcm for chunk in speech()]), RATE_HZ))[:, 0]
    low, high = np.percentile(loud, [10, 95])
    smooth = np.convolve(np.clip((loud - low) / (high - low), 0, 1), [0.25, 0.5, 0.25], "same")
    return tuple(float(round(16 * one) / 16) for one in smooth)


def talker(
    *, late_s: float = 0.0, rate: int = 25, speaks: bool = True, size_px: int = 75, faces: int = 1
) -> Iterator[Item]:
    """A drawn face whose mouth follows the speech; the sound is `late_s` behind."""
    sound = np.roll(np.concatenate([chunk.pcm for chunk in speech()]), round(late_s * RATE_HZ))
    at, chunks = 0, list(speech())
    for seq in range(int(SECONDS * rate)):
        media_s = seq / rate
        while chunks and chunks[0].media_s <= media_s:
            chunk = chunks.pop(0)
            yield replace(chunk, pcm=sound[at : at + len(chunk.pcm)])
            at += len(chunk.pcm)
        now = min(int(media_s / STEP_S), len(opening()) - 1)
        image = drawn_face(opening()[now] if speaks else 0.2, size_px=size_px)
        pictures = [image, *[drawn_face(0.0, size_px=size_px)] * (faces - 1)]
        yield a_frame(seq, media_s=media_s, image_rgb=np.hstack(pictures))


def write_film(
    path: Path, *, late_s: float = 0.0, fps: int = 25, faces: int = 1, times: int = 1
) -> None:
    """The talker as H.264 and AAC, as a camera would send it; so many times over."""
    items = times * list(talker(late_s=late_s, rate=fps, faces=faces))
    pcm = np.concatenate([item.pcm for item in items if isinstance(item, AudioChunk)])
    with av.open(str(path), "w") as output:
        video = output.add_stream("libx264", rate=fps, options={"preset": "veryfast"})
        video.width, video.height, video.pix_fmt = 320 * faces, 180, "yuv420p"
        video.bit_rate = 200_000 * faces
        sound = output.add_stream("aac", rate=RATE_HZ, layout="mono")
        for number, item in enumerate(one for one in items if isinstance(one, VideoFrame)):
            frame = av.VideoFrame.from_ndarray(item.image_rgb, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, fps)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))
        for first in range(0, len(pcm), 1024):
            chunk = av.AudioFrame.from_ndarray(
                pcm[None, first : first + 1024], format="fltp", layout="mono"
            )
            chunk.sample_rate, chunk.pts = RATE_HZ, first
            chunk.time_base = Fraction(1, RATE_HZ)
            output.mux(sound.encode(chunk))
        output.mux(sound.encode(None))
