"""What a browser's decoder is told of a track, held against encoders and FFmpeg's own decoders."""

from __future__ import annotations

import io
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from av.video.stream import VideoStream

from streammon.media.coding import coding_of
from streammon.media.parameter_sets import parameter_sets
from streammon.media.tracks import MediaPacket, Track, remember

WIDTH, HEIGHT, COUNT = 320, 180, 12


def encoded(codec: str, container: str, **options: str) -> tuple[Track, list[MediaPacket]]:
    """A track of a file of so many pictures, with a keyframe every six, and its packets."""
    file = io.BytesIO()
    with av.open(file, "w", format=container) as output:
        stream: Any = output.add_stream(codec, rate=25, options={"g": "6", **options})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for number in range(COUNT):
            image = np.full((HEIGHT, WIDTH, 3), 20 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r", format=container) as source:
        found = source.streams.video[0]
        assert isinstance(found, VideoStream)
        track = remember(found)
        assert track is not None
        return track, [packet for packet in source.demux(found) if packet.size]


def decoded(codec: str, description: bytes | None, packets: list[bytes]) -> int:
    """How many pictures a decoder that was told no more than this makes of the packets."""
    context: Any = av.CodecContext.create(codec, "r")
    context.extradata = description
    frames = [frame for data in packets for frame in context.decode(av.Packet(data))]
    return len([*frames, *context.decode(None)])


@pytest.mark.parametrize(
    ("codec", "container", "begins", "described"),
    [
        ("libx264", "mp4", "avc1.64000c", True),
        ("libx264", "flv", "avc1.64000c", True),
        ("libx264", "mpegts", "avc1.64000c", False),
        ("libx264", "matroska", "avc1.64000c", True),
        ("libx265", "mp4", "hvc1.1.6.L60.90", True),
        ("libx265", "mpegts", "hev1.1.6.L60.90", False),
        ("libvpx", "webm", "vp8", False),
        ("libvpx-vp9", "webm", "vp09.00.11.08", False),
    ],
)
def test_a_decoder_that_is_told_this_decodes_everything(
    codec: str, container: str, begins: str, described: bool
) -> None:
    options = {
        "libx264": {"preset": "ultrafast", "profile": "high", "x264-params": "cabac=1:8x8dct=1"},
        "libx265": {"preset": "ultrafast", "x265-params": "log-level=error"},
    }.get(codec, {"deadline": "realtime"})
    track, packets = encoded(codec, container, **options)
    coding = coding_of(track, bytes(packets[0]))
    assert coding is not None
    assert coding.codec == begins
    assert (coding.description is not None) == described
    assert (coding.width, coding.height) == (WIDTH, HEIGHT)
    data = [coding.data(bytes(each), is_keyframe=each.is_keyframe) for each in packets]
    assert decoded(track.codec, coding.description, data) == COUNT


def test_keyframes_without_parameter_sets_get_those_of_the_stream() -> None:
    """As RTSP servers do that tell them in the session description only."""
    track, packets = encoded("libx264", "mpegts", preset="ultrafast")
    whole = bytes(packets[0])
    sets = parameter_sets("h264", whole)
    assert sets is not None
    bare = whole.replace(sets.annex_b, b"")
    assert parameter_sets("h264", bare) is None
    told = Track(True, track.time_base, track.template, extradata=sets.annex_b)
    coding = coding_of(told, bare)
    assert coding is not None
    assert coding.codec.startswith("avc1.")
    assert coding.data(bare, is_keyframe=True) == sets.annex_b + bare
    assert coding.data(bare, is_keyframe=False) == bare
    assert coding.data(whole, is_keyframe=True) == whole, "its own are not doubled"
    assert (coding.width, coding.height) == (None, None), "they changed: the packets say it"


def test_what_browsers_have_no_name_for_has_no_coding() -> None:
    track, packets = encoded("mpeg4", "mp4")
    assert coding_of(track, bytes(packets[0])) is None
    h264, _ = encoded("libx264", "mpegts", preset="ultrafast")
    bare = Track(True, h264.time_base, h264.template, extradata=b"")
    assert coding_of(bare, b"\x00\x00\x00\x01\x65\x88") is None, "no parameter sets anywhere"
    garbage = Track(True, h264.time_base, h264.template, extradata=b"\x01")
    assert coding_of(garbage, b"") is None
