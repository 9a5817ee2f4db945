"""Streams for packets that come without a container, as over RTP.

Decoding, keeping and remuxing need to know of a stream what a container would say. So a container
of one packet is written to memory and read again: what FFmpeg finds in it is what there is to
know, and the packets that follow are decoded by the same context.
"""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Literal

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

from streammon.core.errors import Undecodable

VIDEO_RATE_HZ = 90_000
FORMAT = "nut"
"""Keeps H.264 as it comes over RTP (Annex B), every codec's own extradata, and exact times."""

ENCODERS = {"opus": "libopus", "pcm_mulaw": "pcm_mulaw", "pcm_alaw": "pcm_alaw"}


def video_stream(
    codec: Literal["h264", "vp8"], keyframe: bytes, *, size: tuple[int, int], most_pixels: int
) -> VideoStream:
    """The stream that begins with this keyframe; its time base is 1/90000.

    `size` is what the container says; for H.264 the keyframe says it itself. Raises
    `Undecodable` for what is no keyframe, or larger than `most_pixels`.
    """
    file = io.BytesIO()
    with av.open(file, "w", format=FORMAT) as output:
        base = Fraction(1, VIDEO_RATE_HZ)
        stream = output.add_mux_stream(codec, width=size[0], height=size[1], time_base=base)
        packet = av.Packet(keyframe)
        packet.pts = packet.dts = 0
        packet.time_base, packet.is_keyframe, packet.stream = base, True, stream
        output.mux_one(packet)
    limit = {"max_pixels": str(most_pixels)}
    found = _read(file, limit).streams.best("video")
    if not isinstance(found, VideoStream) or found.time_base is None:
        raise Undecodable("the keyframe cannot be decoded")
    context = found.codec_context
    if codec == "h264" and not context.extradata:
        raise Undecodable("the keyframe comes without its parameter sets")
    if not 0 < context.width * context.height <= most_pixels:
        raise Undecodable(f"a picture of {context.width}x{context.height} is not accepted")
    context.options = limit
    context.thread_count = 1
    return found


def audio_stream(codec: str, *, rate_hz: int, channels: int) -> AudioStream:
    """A stream of sound of this kind; its time base is one sample."""
    layout = "mono" if channels == 1 else "stereo"
    file = io.BytesIO()
    with av.open(file, "w", format=FORMAT) as output:
        stream = output.add_stream(ENCODERS[codec], rate=rate_hz)
        assert isinstance(stream, AudioStream)
        stream.layout = layout
        stream.time_base = Fraction(1, rate_hz)
        silence = np.zeros((1, channels * rate_hz // 50), np.int16)
        frame = av.AudioFrame.from_ndarray(silence, format="s16", layout=layout)
        frame.sample_rate, frame.pts = rate_hz, 0
        output.mux([*stream.encode(frame), *stream.encode(None)])
    found = _read(file, {}).streams.best("audio")
    assert isinstance(found, AudioStream)
    return found


def _read(file: io.BytesIO, options: dict[str, str]) -> av.container.InputContainer:
    file.seek(0)
    try:
        return av.open(file, "r", format=FORMAT, options=options)
    except (av.FFmpegError, ValueError):
        raise Undecodable("the keyframe cannot be decoded") from None
