"""Decoding on demand: the same pictures as decoding everything, with far less decoding."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from streammon.media import decode
from streammon.media.decode import GopDecoder, Picture, Sampler
from streammon.media.tracks import MediaPacket
from tests.clips import Recipe, decode_all, write_clip

FPS, GOP = 25, 25
SECONDS = 4


@pytest.fixture(scope="module", params=[0, 3], ids=["no B-frames", "B-frames"])
def clip(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    recipe = Recipe(seconds=SECONDS, gop=GOP, b_frames=request.param, sound=False)
    write_clip(path, recipe)
    return path


class Reader:
    """Feeds a clip's packets to a decoder, as a source does, and counts what is decoded."""

    def __init__(self, path: Path, *, lossy: bool = False) -> None:
        self.container = av.open(str(path), "r")
        stream = self.container.streams.video[0]
        assert isinstance(stream, VideoStream)
        assert stream.time_base is not None
        self.tick_s = float(stream.time_base)
        stream.codec_context.thread_count = 1
        self.decoder = GopDecoder(
            stream.codec_context, tick_s=self.tick_s, origin_s=0.0, lossy=lossy
        )
        self.packets: list[MediaPacket] = [
            packet for packet in self.container.demux(stream) if packet.size
        ]

    def read(
        self, interval_s: float | None, *, skip: frozenset[int] = frozenset()
    ) -> list[Picture]:
        pictures: list[Picture] = []
        for number, packet in enumerate(self.packets):
            assert packet.pts is not None
            if number not in skip:
                media_s = packet.pts * self.tick_s
                pictures += self.decoder.push(packet, media_s, number, interval_s)
        return pictures + self.decoder.finish(len(self.packets), interval_s)


def rgb(picture: Picture) -> NDArray[np.uint8]:
    return picture.frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def first_of_each(interval_s: float) -> list[int]:
    """Numbers of the frames that are the first at or after a multiple of the interval."""
    buckets = [int(number / FPS / interval_s + 1e-6) for number in range(SECONDS * FPS)]
    return [
        number
        for number, bucket in enumerate(buckets)
        if number == 0 or bucket > buckets[number - 1]
    ]


@pytest.mark.parametrize("interval_s", [0.04, 0.1, 0.3, 0.5, 1.0, 2.0])
def test_sampled_frames_have_the_pixels_that_decoding_everything_gives(
    clip: Path, interval_s: float
) -> None:
    everything = decode_all(clip)
    pictures = Reader(clip).read(interval_s)
    wanted = first_of_each(interval_s)
    assert [round(picture.media_s * FPS) for picture in pictures] == wanted
    for picture, number in zip(pictures, wanted, strict=True):
        np.testing.assert_array_equal(rgb(picture), everything[number])
        assert not picture.damaged
        assert picture.is_keyframe == (number % GOP == 0)


def test_nothing_wanted_decodes_nothing(clip: Path) -> None:
    reader = Reader(clip)
    assert reader.read(None) == []
    assert not reader.decoder._context.is_open


def test_where_keyframes_suffice_only_they_are_decoded(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = Reader(clip)
    fed: list[int] = []
    feed = reader.decoder._feed

    def counting(packets: list[MediaPacket]) -> Iterator[av.VideoFrame]:
        fed.append(len(packets))
        return feed(packets)

    monkeypatch.setattr(reader.decoder, "_feed", counting)
    pictures = reader.read(1.0)
    assert [round(picture.media_s, 3) for picture in pictures] == [0.0, 1.0, 2.0, 3.0]
    assert sum(fed) <= SECONDS + 3, "before the spacing is known, a frame or two may be tried"


def test_the_first_picture_is_the_first_keyframe_even_when_joining_in_the_middle(
    clip: Path,
) -> None:
    pictures = Reader(clip).read(0.5, skip=frozenset(range(10)))
    assert round(pictures[0].media_s * FPS) == GOP
    assert not pictures[0].damaged


def test_tighter_demand_is_followed_within_the_group(clip: Path) -> None:
    everything = decode_all(clip)
    reader = Reader(clip)
    tightened_at = 2 * GOP + 10
    pictures: list[Picture] = []
    for number, packet in enumerate(reader.packets):
        assert packet.pts is not None
        interval_s = 1.0 if number < tightened_at else 0.04
        pictures += reader.decoder.push(packet, packet.pts * reader.tick_s, number, interval_s)
    pictures += reader.decoder.finish(0, 0.04)
    numbers = [round(picture.media_s * FPS) for picture in pictures]
    assert numbers[:3] == [0, GOP, 2 * GOP]
    late = numbers[3:]
    assert tightened_at - 3 <= late[0] <= tightened_at + 3
    assert late == list(range(late[0], SECONDS * FPS)), "then every frame"
    for picture, number in zip(pictures, numbers, strict=True):
        np.testing.assert_array_equal(rgb(picture), everything[number])


def test_a_very_long_group_is_bounded_and_still_decoded_right(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MOST_PENDING", 10)
    everything = decode_all(clip)
    reader = Reader(clip)
    pictures = reader.read(0.9)
    assert len(reader.decoder._pending) <= 10
    numbers = [round(picture.media_s * FPS) for picture in pictures]
    assert len(numbers) >= SECONDS
    for picture, number in zip(pictures, numbers, strict=True):
        np.testing.assert_array_equal(rgb(picture), everything[number])
        assert not picture.damaged


def test_a_very_long_group_that_nobody_wants_is_given_up(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decode, "MOST_PENDING", 10)
    reader = Reader(clip)
    pictures: list[Picture] = []
    for number, packet in enumerate(reader.packets):
        assert packet.pts is not None
        interval_s = None if number < GOP + 15 else 0.04
        pictures += reader.decoder.push(packet, packet.pts * reader.tick_s, number, interval_s)
    assert round(pictures[0].media_s * FPS) == 2 * GOP, "the next keyframe, nothing broken before"
    assert not any(picture.damaged for picture in pictures)


def test_captured_is_when_the_packet_of_the_frame_arrived(clip: Path) -> None:
    reader = Reader(clip)
    arrivals = {packet.pts: number for number, packet in enumerate(reader.packets)}
    for picture in reader.read(0.3):
        assert picture.captured_ns == arrivals[picture.frame.pts]


def test_from_a_broken_packet_to_the_next_keyframe_frames_are_damaged(clip: Path) -> None:
    reader = Reader(clip)
    group = range(GOP + 4, GOP + 15)
    broken = max(group, key=lambda number: reader.packets[number].size)
    original = reader.packets[broken]
    data = bytearray(bytes(original))
    for at in range(len(data) // 3, len(data)):
        data[at] ^= 0x5A
    replaced: MediaPacket = av.Packet(bytes(data))
    replaced.pts, replaced.dts = original.pts, original.dts
    replaced.time_base = original.time_base
    reader.packets[broken] = replaced
    pictures = reader.read(0.04)
    damaged = {round(picture.media_s * FPS) for picture in pictures if picture.damaged}
    assert damaged, "the broken packet shows"
    assert damaged <= set(range(GOP, 2 * GOP)), "other groups are sound"
    assert set(range(broken + 4, 2 * GOP)) <= damaged, "later frames lean on it"


def test_a_broken_keyframe_damages_its_whole_group(clip: Path) -> None:
    reader = Reader(clip)
    pictures = reader.read(0.1, skip=frozenset({GOP}))
    numbers = {round(picture.media_s * FPS): picture.damaged for picture in pictures}
    assert not any(damaged for number, damaged in numbers.items() if number >= 2 * GOP)


def test_packets_lost_on_a_lossy_transport_damage_the_rest_of_the_group(clip: Path) -> None:
    lost = frozenset({GOP + 10, GOP + 11, GOP + 12})
    pictures = Reader(clip, lossy=True).read(0.04, skip=lost)
    numbers = {round(picture.media_s * FPS) for picture in pictures if picture.damaged}
    assert numbers
    assert numbers <= set(range(GOP, 2 * GOP))
    assert set(range(GOP + 17, 2 * GOP)) <= numbers


@given(
    st.lists(st.floats(0.001, 0.3), min_size=1, max_size=200),
    st.sampled_from([0.04, 0.1, 0.33, 0.5, 1.0]),
)
def test_a_sample_is_the_first_of_its_interval_and_every_interval_with_frames_has_one(
    steps_s: list[float], interval_s: float
) -> None:
    times_s = list(itertools.accumulate(steps_s))
    sampler, taken = Sampler(), []
    for media_s in times_s:
        if sampler.due(media_s, interval_s):
            sampler.take(media_s)
            taken.append(media_s)
    buckets = [int(media_s / interval_s + 1e-6) for media_s in times_s]
    first: dict[int, float] = {}
    for bucket, media_s in zip(buckets, times_s, strict=True):
        first.setdefault(bucket, media_s)
    assert taken == list(first.values())
