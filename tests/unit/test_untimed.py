"""The first packets of a connection get the times they came without."""

from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any, cast

import av

from streammon.ingest.untimed import MOST_HELD, UntimedStart
from streammon.media.tracks import MediaPacket


def start(*, b_frames: bool) -> UntimedStart:
    stream = SimpleNamespace(
        has_b_frames=b_frames, time_base=Fraction(1, 90_000), average_rate=Fraction(25)
    )
    return UntimedStart(cast(Any, stream))


def packet(pts: int | None, dts: int | None, *, is_key: bool = False) -> MediaPacket:
    made: MediaPacket = av.Packet(b"x")
    made.pts, made.dts, made.is_keyframe = pts, dts, is_key
    return made


def times(packets: list[MediaPacket]) -> list[tuple[int | None, int | None]]:
    return [(item.pts, item.dts) for item in packets]


def test_a_keyframe_without_times_gets_those_of_one_frame_earlier() -> None:
    held = start(b_frames=False)
    assert held.push(packet(None, None, is_key=True)) == []
    assert held.holding
    assert times(held.push(packet(4153, 4153))) == [(553, 553), (4153, 4153)]
    assert not held.holding


def test_without_reordering_the_presentation_time_serves_for_both() -> None:
    held = start(b_frames=False)
    held.push(packet(None, None, is_key=True))
    assert times(held.push(packet(3963, None))) == [(363, 363), (3963, 3963)]
    assert times(held.push(packet(7563, None))) == [(7563, 7563)]


def test_with_reordering_times_are_counted_back_from_the_first_known() -> None:
    held = start(b_frames=True)
    assert held.push(packet(None, None, is_key=True)) == []
    assert held.push(packet(14400, None)) == []
    assert held.push(packet(7200, None)) == []
    assert times(held.push(packet(3600, 3600))) == [
        (0, -7200),
        (14400, -3600),
        (7200, 0),
        (3600, 3600),
    ]


def test_packets_before_the_first_keyframe_are_dropped() -> None:
    held = start(b_frames=True)
    assert held.push(packet(None, None)) == []
    assert not held.holding
    assert times(held.push(packet(3600, 3600))) == [(3600, 3600)]


def test_where_times_never_come_frames_are_counted() -> None:
    held = start(b_frames=True)
    out = []
    for number in range(MOST_HELD + 3):
        out += held.push(packet(None, None, is_key=number == 0))
    assert [item.dts for item in out] == [3600 * number for number in range(MOST_HELD + 3)]
    assert not held.holding
