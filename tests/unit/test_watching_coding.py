"""Pictures drawn and coded once for all viewers, and sound; decoded again to see what it is."""

from __future__ import annotations

from collections.abc import Iterable

import av
import numpy as np
import pytest
from av.audio.codeccontext import AudioCodecContext
from av.video.codeccontext import VideoCodecContext
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streammon.core.types import Region, VideoFrame
from streammon.media.tracks import MediaPacket
from streammon.sections import WhepConfig
from streammon.server.watching.coding import (
    SOUND_HZ,
    Coded,
    PictureCoder,
    Said,
    SoundCoder,
    VideoCodec,
)
from tests.fakes import a_chunk, a_frame, a_result
from tests.publishers import number_of, picture

NOTHING: Said = ((), ())
DECODERS: dict[VideoCodec, str] = {"H264": "h264", "VP8": "libvpx"}
BOTH: tuple[VideoCodec, ...] = ("H264", "VP8")


def numbered(number: int, *, size: tuple[int, int] = (640, 360)) -> VideoFrame:
    image_rgb = picture(number, width=size[0], height=size[1]).to_ndarray(format="rgb24")
    return a_frame(number, image_rgb=image_rgb)


def decoded(codec: VideoCodec, packets: Iterable[MediaPacket]) -> list[NDArray[np.uint8]]:
    context = av.CodecContext.create(DECODERS[codec], "r")
    assert isinstance(context, VideoCodecContext)
    context.thread_count = 1
    frames = [frame for packet in packets for frame in context.decode(packet)]
    frames += context.decode(None)
    return [frame.to_ndarray(format="rgb24").astype(np.uint8) for frame in frames]


@pytest.mark.parametrize("codec", BOTH)
def test_each_picture_comes_out_as_one_packet_at_once_that_shows_it(codec: VideoCodec) -> None:
    coder = PictureCoder(WhepConfig())
    packets = []
    for number in range(8):
        coded = coder.code(numbered(number), NOTHING, number / 25, codecs=[codec], keyframes=())
        assert list(coded) == [codec]
        assert coded[codec].at_s == number / 25
        assert coded[codec].packet.pts == number * 3600
        assert coded[codec].is_keyframe == (number == 0)
        packets.append(coded[codec].packet)
    assert [number_of(image) for image in decoded(codec, packets)] == list(range(8))


def test_both_codecs_show_the_same_and_one_that_comes_later_begins_with_a_keyframe() -> None:
    coder = PictureCoder(WhepConfig())
    coder.code(numbered(0), NOTHING, 0.0, codecs=["H264"], keyframes=())
    coded = coder.code(numbered(1), NOTHING, 0.04, codecs=BOTH, keyframes=())
    assert not coded["H264"].is_keyframe
    assert coded["VP8"].is_keyframe
    left = coder.code(numbered(2), NOTHING, 0.08, codecs=["VP8"], keyframes=())
    assert list(left) == ["VP8"]
    back = coder.code(numbered(3), NOTHING, 0.12, codecs=BOTH, keyframes=())
    assert back["H264"].is_keyframe, "its coder was let go of meanwhile"


@pytest.mark.parametrize("codec", BOTH)
def test_a_keyframe_that_is_asked_for_can_be_begun_with(codec: VideoCodec) -> None:
    coder = PictureCoder(WhepConfig())
    packets = []
    for number in range(12):
        keyframes = [codec] if number == 6 else []
        coded = coder.code(
            numbered(number), NOTHING, number / 25, codecs=[codec], keyframes=keyframes
        )
        assert coded[codec].is_keyframe == (number in {0, 6})
        packets.append(coded[codec].packet)
    assert [number_of(image) for image in decoded(codec, packets[6:])] == list(range(6, 12))


def test_what_is_said_is_drawn_in() -> None:
    bare, told = PictureCoder(WhepConfig()), PictureCoder(WhepConfig())
    frame = a_frame(0, image_rgb=np.full((360, 640, 3), 200, np.uint8))
    said: Said = ((a_result(confidence=0.93),), ())
    images = []
    for coder, what in ((bare, NOTHING), (told, said)):
        coded = coder.code(frame, what, 0.0, codecs=["H264"], keyframes=())
        images.append(decoded("H264", [coded["H264"].packet]))
    (plain,), (drawn,) = images
    assert plain[300:, :].mean() == pytest.approx(200, abs=4)
    assert drawn[330:, :300].mean() < 150, "the plate with the scores is dark"
    assert plain[2:10, 2:40].mean() < 150, "the name of the stream stands in the corner"


@given(width=st.integers(1, 2500), height=st.integers(1, 2500), most=st.integers(64, 1280))
def test_pictures_of_any_shape_have_even_sides_within_the_level(
    width: int, height: int, most: int
) -> None:
    coder = PictureCoder(WhepConfig(width=most))
    frame = a_frame(0, image_rgb=np.zeros((height, width, 3), np.uint8))
    coded = coder.code(frame, NOTHING, 0.0, codecs=["H264"], keyframes=())
    if not coded:
        return  # too narrow or too low for any codec
    (image,) = decoded("H264", [coded["H264"].packet])
    high, wide = image.shape[:2]
    assert wide <= min(most, width)
    assert wide % 2 == high % 2 == 0
    assert wide * high <= 1280 * 720


def test_a_change_of_size_begins_with_a_keyframe() -> None:
    coder = PictureCoder(WhepConfig())
    coder.code(numbered(0), NOTHING, 0.0, codecs=["VP8"], keyframes=())
    small = numbered(1, size=(320, 180))
    coded = coder.code(small, NOTHING, 0.04, codecs=["VP8"], keyframes=())
    assert coded["VP8"].is_keyframe
    (image,) = decoded("VP8", [coded["VP8"].packet])
    assert image.shape == (180, 320, 3)


def test_time_that_stands_still_or_goes_back_is_left_out() -> None:
    coder = PictureCoder(WhepConfig())
    assert coder.code(numbered(0), NOTHING, 1.0, codecs=["VP8"], keyframes=())
    assert not coder.code(numbered(1), NOTHING, 1.0, codecs=["VP8"], keyframes=())
    assert not coder.code(numbered(1), NOTHING, 0.5, codecs=["VP8"], keyframes=())


def heard(packets: Iterable[MediaPacket]) -> NDArray[np.float32]:
    context = av.CodecContext.create("libopus", "r")
    assert isinstance(context, AudioCodecContext)
    context.sample_rate, context.layout = 48_000, "mono"
    pieces = [
        frame.to_ndarray().astype(np.float32)
        for packet in packets
        for frame in context.decode(packet)
    ]
    return np.concatenate(pieces, axis=None)


def test_sound_is_coded_in_steps_of_20_ms_that_sound_alike() -> None:
    coder = SoundCoder()
    coded = [one for seq in range(20) for one in coder.code(a_chunk(seq).pcm, a_chunk(seq).media_s)]
    assert len(coded) == 100
    steps = np.diff([one.at_s for one in coded])
    assert steps == pytest.approx(0.02)
    assert coded[0].at_s == pytest.approx(0.0, abs=0.01)
    sound = heard(one.packet for one in coded)[-48_000:]
    assert np.argmax(np.abs(np.fft.rfft(sound))) == pytest.approx(440, abs=5)


def test_behind_a_gap_sound_lies_where_it_belongs() -> None:
    coder = SoundCoder()
    first = coder.code(np.zeros(3200, np.float32), 0.0)
    second = coder.code(np.zeros(3200, np.float32), 1.0)
    assert second[0].at_s - first[-1].at_s == pytest.approx(0.82)
    again = coder.code(np.zeros(3200, np.float32), 1.1)
    assert [one.at_s for one in again] == pytest.approx(
        [second[-1].at_s + 0.02 * (at + 1) for at in range(5)]
    ), "what was coded already is left out"


@given(pieces=st.lists(st.integers(0, 2000), max_size=30))
def test_however_sound_is_cut_the_same_packets_come(pieces: list[int]) -> None:
    t = np.arange(sum(pieces)) / SOUND_HZ
    pcm = (0.5 * np.sin(2 * np.pi * 440 * t)).astype(np.float32)
    whole = SoundCoder().code(pcm, 0.0)
    coder, at = SoundCoder(), 0
    cut: list[Coded] = []
    for size in pieces:
        cut += coder.code(pcm[at : at + size], at / SOUND_HZ)
        at += size
    assert [bytes(one.packet) for one in cut] == [bytes(one.packet) for one in whole]
    assert [one.at_s for one in cut] == [one.at_s for one in whole]


def test_a_box_is_drawn_for_as_long_as_it_may_still_be_there() -> None:
    image_rgb = np.full((360, 640, 3), 200, np.uint8)
    region = Region(0.3, 0.4, 0.7, 0.6, label="face", score=0.9)
    said: Said = ((a_result(end_s=10.0, regions=(region,)),), ())
    edges = []
    for media_s in (11.0, 13.0):
        frame = a_frame(0, media_s=media_s, image_rgb=image_rgb)
        coded = PictureCoder(WhepConfig()).code(frame, said, media_s, codecs=["H264"], keyframes=())
        (image,) = decoded("H264", [coded["H264"].packet])
        edges.append(float(image[170:190, 190:196].std()))
    assert edges[0] > 10
    assert edges[1] < 3
