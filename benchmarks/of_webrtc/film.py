"""A coded film in memory: 30 pictures a second as a camera would send them, and a tone."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext

FPS = 30
SIZES = {"720p": (1280, 720, 2_500_000), "180p": (320, 180, 250_000)}
"""Width, height, bits per second."""

GROUP_S = 2
SECONDS = 2
PAN = 256
SOUND_HZ, SOUND_S = 48_000, 0.02

ENCODERS = {
    "H264": ("libx264", {"preset": "superfast", "tune": "zerolatency", "profile": "baseline"}),
    "VP8": ("libvpx", {"deadline": "realtime", "cpu-used": "12", "lag-in-frames": "0"}),
}


def film(codec: str, folder: Path, *, size: str = "720p") -> list[bytes]:
    """`SECONDS` of pictures with a keyframe every `GROUP_S`, coded once and kept in `folder`."""
    path = folder / f"film-{codec}-{size}.nut"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _write(codec, size, path.with_suffix(".part"))
        path.with_suffix(".part").rename(path)
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(video=0) if packet.size]


def tone() -> list[bytes]:
    """One second of sound in Opus, stereo, as browsers send it."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = SOUND_HZ, "stereo", "s16"
    encoder.bit_rate = 64_000
    count = round(SOUND_HZ * SOUND_S)
    packets = []
    for number in range(round(1 / SOUND_S)):
        moments_s = (number * count + np.arange(count)) / SOUND_HZ
        level = (8000 * np.sin(2 * np.pi * 440 * moments_s)).astype(np.int16)
        frame = av.AudioFrame.from_ndarray(np.repeat(level, 2)[None], format="s16", layout="stereo")
        frame.sample_rate, frame.pts = SOUND_HZ, number * count
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in packets]


def _write(codec: str, size: str, path: Path) -> None:
    """A texture that pans under fresh grain, as noisy as a camera."""
    name, options = ENCODERS[codec]
    width, height, bit_rate = SIZES[size]
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0 : height + PAN, 0 : width + PAN]
    texture = (100 + 60 * np.sin(x / 37) * np.cos(y / 23) + 20 * np.sin(x * y / 9000)).astype("u1")
    grain = rng.integers(0, 12, (height + PAN, width + PAN), dtype=np.uint8)
    colour = np.full((height // 2, width), 128, np.uint8)
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS)
    encoder.bit_rate, encoder.gop_size = bit_rate, GROUP_S * FPS
    encoder.options = options
    with av.open(str(path), "w", format="nut") as output:
        base = Fraction(1, FPS)
        stream = output.add_mux_stream(codec.lower(), width=width, height=height, time_base=base)
        packets = []
        for number in range(SECONDS * FPS):
            down, right = rng.integers(0, PAN, 2)
            luma = (
                grain[down : down + height, right : right + width]
                + texture[number : number + height, 2 * number % PAN :][:, :width]
            )
            frame = av.VideoFrame.from_ndarray(np.concatenate((luma, colour)), format="yuv420p")
            frame.pts, frame.time_base = number, base
            packets += encoder.encode(frame)
        for number, packet in enumerate((*packets, *encoder.encode(None))):
            copy = av.Packet(bytes(packet))
            copy.pts = copy.dts = number
            copy.time_base, copy.is_keyframe, copy.stream = base, packet.is_keyframe, stream
            output.mux_one(copy)
