"""Streams made for packets that no container describes."""

from __future__ import annotations

from fractions import Fraction
from typing import Literal

import av
import pytest
from av.video.codeccontext import VideoCodecContext

from streammon.core.errors import Undecodable
from streammon.media.bare import audio_stream, video_stream
from tests.publishers import picture

ENCODERS = {"h264": "libx264", "vp8": "libvpx"}
MOST = 4096 * 2304
KINDS: list[Literal["h264", "vp8"]] = ["h264", "vp8"]


def encoded(codec: str, count: int) -> list[bytes]:
    encoder = av.CodecContext.create(ENCODERS[codec], "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = 320, 180, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"tune": "zerolatency"} if codec == "h264" else {"deadline": "realtime"}
    packets = []
    for number in range(count):
        frame = picture(number)
        frame.pts, frame.time_base = number, Fraction(1, 25)
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in (*packets, *encoder.encode(None))]


@pytest.mark.parametrize("codec", KINDS)
def test_what_follows_the_keyframe_is_decoded_by_the_same_context(
    codec: Literal["h264", "vp8"],
) -> None:
    packets = encoded(codec, 5)
    stream = video_stream(codec, packets[0], size=(320, 180), most_pixels=MOST)
    assert stream.time_base == Fraction(1, 90_000)
    frames = [frame for data in packets for frame in stream.codec_context.decode(av.Packet(data))]
    assert len(frames) == 5
    assert {(frame.width, frame.height) for frame in frames} == {(320, 180)}


@pytest.mark.parametrize("codec", KINDS)
def test_a_picture_that_is_too_large_is_refused(codec: Literal["h264", "vp8"]) -> None:
    with pytest.raises(Undecodable):
        video_stream(codec, encoded(codec, 1)[0], size=(320, 180), most_pixels=320 * 180 - 1)


def test_rubbish_is_no_keyframe() -> None:
    with pytest.raises(Undecodable):
        video_stream("h264", b"\0\0\1\x65" + bytes(50), size=(16, 16), most_pixels=MOST)


@pytest.mark.parametrize(
    ("codec", "rate_hz", "channels"), [("opus", 48_000, 2), ("pcm_mulaw", 8000, 1)]
)
def test_sound_has_the_time_base_of_its_samples(codec: str, rate_hz: int, channels: int) -> None:
    stream = audio_stream(codec, rate_hz=rate_hz, channels=channels)
    assert stream.time_base == Fraction(1, rate_hz)
    assert stream.codec_context.sample_rate == rate_hz
    if codec == "opus":
        assert bytes(stream.codec_context.extradata or b"").startswith(b"OpusHead")
