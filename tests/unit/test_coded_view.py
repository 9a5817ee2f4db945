"""A view of encoded pictures begins with a keyframe, has no gaps, and does not lag for long."""

from __future__ import annotations

from functools import cache

import av
import numpy as np
import pytest

from streammon.core.ports import CodedPicture, Coding
from streammon.media.coded_view import BEHIND_S, MOST_IN_TURN, RingView
from streammon.media.tracks import MediaPacket, Track
from tests.coded import FPS, SOUND, VIDEO, CodedFilm, h264

GOP, COUNT = 10, 60


@cache
def film() -> tuple[Track, tuple[MediaPacket, ...]]:
    images = [np.full((36, 64, 3), 4 * number, np.uint8) for number in range(COUNT)]
    track, packets = h264(images, gop=GOP)
    return track, tuple(packets)


def begun(count: int) -> CodedFilm:
    """A source of which so many packets have come."""
    source = CodedFilm()
    track, packets = film()
    source.begin(track, packets[0])
    for packet in packets[:count]:
        source.put(packet)
    return source


def everything(view: RingView, now_s: float = 0.0) -> list[Coding | CodedPicture]:
    told: list[Coding | CodedPicture] = []
    while more := view.take(now_s):
        told += more
    return told


def pictures(told: list[Coding | CodedPicture]) -> list[CodedPicture]:
    return [each for each in told if isinstance(each, CodedPicture)]


def times(told: list[Coding | CodedPicture]) -> list[int]:
    return [round(picture.media_s * FPS) for picture in pictures(told)]


def test_it_begins_with_the_newest_keyframe_and_what_it_is() -> None:
    told = everything(begun(25).look())
    assert isinstance(told[0], Coding)
    assert told[0].codec is not None
    assert told[0].codec.startswith("avc1.")
    assert told[0].epoch == 0
    assert told[0].media_s == pytest.approx(20 / FPS)
    assert times(told) == [20, 21, 22, 23, 24]
    assert [picture.is_keyframe for picture in pictures(told)] == [True, False, False, False, False]


def test_it_goes_on_where_it_was_and_tells_of_a_coding_once() -> None:
    source, (_, packets) = begun(25), film()
    view = source.look()
    everything(view)
    assert everything(view) == []
    for packet in packets[25:]:
        source.put(packet)
    told = everything(view)
    assert times(told) == list(range(25, COUNT))
    assert len(pictures(told)) == len(told)
    assert view.jumps == 0


def test_what_it_gives_can_be_decoded_by_who_knows_no_more() -> None:
    told = everything(begun(COUNT).look())
    decoder = av.CodecContext.create("h264", "r")
    frames = [
        frame for picture in pictures(told) for frame in decoder.decode(av.Packet(picture.data))
    ]
    frames += decoder.decode(None)
    assert len(frames) == len(pictures(told)) == GOP


def test_a_turn_is_bounded() -> None:
    source = CodedFilm()
    images = [np.full((36, 64, 3), number, np.uint8) for number in range(100)]
    track, packets = h264(images, gop=100)
    source.begin(track, packets[0])
    for packet in packets:
        source.put(packet)
    view = source.look()
    assert len(pictures(list(view.take(0.0)))) == MOST_IN_TURN
    assert len(pictures(everything(view))) == 100 - MOST_IN_TURN


def test_a_new_epoch_is_begun_with_its_own_coding_and_clock() -> None:
    source, (track, packets) = begun(15), film()
    view = source.look()
    everything(view)
    source.put(packets[15])
    source.begin(track, packets[30])
    source.put(packets[30])
    told = everything(view)
    assert isinstance(told[0], Coding)
    assert (told[0].epoch, told[0].media_s) == (1, 0.0)
    assert [(each.epoch, each.media_s) for each in pictures(told)] == [(1, 0.0)]


def test_a_slow_reader_is_moved_on_to_a_newer_keyframe() -> None:
    source, (_, packets) = begun(5), film()
    view = source.look()
    everything(view, 10.0)
    for packet in packets[5:35]:
        source.put(packet)
    late_s = 10.0 + BEHIND_S + 0.1
    told = [*view.take(late_s), *everything(view, late_s)]
    assert times(told) == [30, 31, 32, 33, 34]
    assert pictures(told)[0].is_keyframe
    assert view.jumps == 1


def test_without_a_newer_keyframe_a_slow_reader_waits_for_one() -> None:
    source, (_, packets) = begun(11), film()
    view = source.look()
    everything(view, 10.0)
    for packet in packets[11:18]:
        source.put(packet)
    late_s = 10.0 + BEHIND_S + 0.1
    assert everything(view, late_s) == []
    assert view.jumps == 1
    for packet in packets[18:22]:
        source.put(packet)
    assert times([*view.take(late_s + 1), *everything(view, late_s + 1)]) == [20, 21]
    assert view.jumps == 1


def test_a_long_burst_at_the_beginning_is_no_lag() -> None:
    view = begun(COUNT).look()
    told = [*view.take(50.0), *everything(view, 50.0 + BEHIND_S - 0.1)]
    assert len(pictures(told)) == GOP
    assert view.jumps == 0


def test_a_reader_whose_place_was_evicted_goes_on_with_the_newest_keyframe() -> None:
    source, (track, packets) = CodedFilm(seconds=0.1), film()
    source.begin(track, packets[0])
    source.put(packets[0])
    view = source.look()
    everything(view)
    for packet in packets[1:]:
        source.put(packet)
    told = [*view.take(0.1), *everything(view, 0.1)]
    assert times(told) == list(range(50, COUNT))
    assert view.jumps == 1


def test_keyframes_alone_come_as_often_as_they_are_wanted() -> None:
    source, (track, packets) = CodedFilm(), film()
    source.begin(track, packets[0])
    views = {every_s: source.look(every_s=every_s) for every_s in (0.1, 0.4, 0.8)}
    told: dict[float, list[Coding | CodedPicture]] = {every_s: [] for every_s in views}
    for packet in packets:
        source.put(packet)
        for every_s, view in views.items():
            told[every_s] += everything(view)
    assert times(told[0.1]) == [0, 10, 20, 30, 40, 50]
    assert times(told[0.4]) == [0, 10, 20, 30, 40, 50], "keyframes do not come to the tick"
    assert times(told[0.8]) == [0, 20, 40]
    assert all(picture.is_keyframe for each in told.values() for picture in pictures(each))
    assert [len(each) - len(pictures(each)) for each in told.values()] == [1, 1, 1]


def test_a_source_without_packets_says_so_once_an_epoch() -> None:
    source = CodedFilm()
    view = source.look()
    assert everything(view) == [], "nothing is known yet"
    source.shelf.begin_bare(0)
    (told,) = everything(view)
    assert isinstance(told, Coding)
    assert told.codec is None
    assert "not encoded" in told.why_not
    assert everything(view) == []
    source.shelf.begin_bare(1)
    assert len(everything(view)) == 1


def test_sound_in_the_ring_is_passed_over() -> None:
    source, (track, packets) = CodedFilm(), film()
    sound = Track(False, track.time_base, track.template)
    ring = source.shelf.begin(0, {VIDEO: track, SOUND: sound}, origin_s=0.0)
    for packet in packets[:10]:
        ring.add(VIDEO, packet, packet.size, starts_group_s=0.0 if packet.is_keyframe else None)
        ring.add(SOUND, packet, packet.size, starts_group_s=None)
    assert len(pictures(everything(source.look()))) == 10
    alone = source.shelf.begin(1, {SOUND: sound}, origin_s=0.0)
    alone.add(SOUND, packets[0], 1, starts_group_s=0.0)
    (told,) = everything(source.look())
    assert isinstance(told, Coding)
    assert told.why_not == "it has no pictures"
