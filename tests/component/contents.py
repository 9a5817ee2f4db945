"""What tests of `pipelines.content` make and read: sound in any format, the items of anything."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from streammon.core.ports import Recording
from streammon.core.types import Item
from streammon.pipelines.content import Content
from tests.fakes import WantAll


def items(content: Content) -> list[Item]:
    assert isinstance(content.source, Recording)
    return list(content.source.items(WantAll()))


def kinds(content: Content) -> set[type]:
    return {type(item) for item in items(content)}


def a_sound(
    path: Path,
    *,
    codec: str,
    seconds: float = 2.0,
    cover: bool = False,
    container: str | None = None,
) -> Path:
    """A tone of 48 kHz, mono, in the format that the name says."""
    with av.open(str(path), "w", format=container) as output:
        stream = output.add_stream(codec, rate=48_000, layout="mono")
        assert isinstance(stream, av.AudioStream)
        picture: Any = None
        if cover:
            picture = output.add_stream("png")
            picture.width, picture.height, picture.pix_fmt = 32, 32, "rgb24"
            picture.disposition = av.stream.Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
            packets = [*picture.encode(frame), *picture.encode()]
        samples = np.sin(2 * np.pi * 440 * np.arange(round(48_000 * seconds)) / 48_000)
        sound = av.AudioFrame.from_ndarray(
            (0.3 * samples).astype(np.float32)[None], format="flt", layout="mono"
        )
        sound.sample_rate, sound.pts, sound.time_base = 48_000, 0, Fraction(1, 48_000)
        wanted = stream.codec_context.format.name
        resampler = av.AudioResampler(format=wanted, layout="mono", rate=48_000, frame_size=1024)
        pieces = [*resampler.resample(sound), *resampler.resample(None)]
        output.mux([packet for piece in pieces for packet in stream.encode(piece)])
        output.mux(stream.encode(None))
        if cover:
            output.mux(packets)
    return path
