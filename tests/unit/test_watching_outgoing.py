"""Tracks that hand out what is coded already, and what RTP's times stand for."""

from __future__ import annotations

import av
import pytest
from aiortc.mediastreams import MediaStreamError
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.errors import Permanent
from streammon.flow.channel import Channel, WhenFull
from streammon.server.watching.coding import Coded
from streammon.server.watching.outgoing import WRAP, LiveTrack, attach


def a_track(rate_hz: int = 90_000) -> tuple[LiveTrack, Channel[Coded], list[int]]:
    items: Channel[Coded] = Channel("items", 8, WhenFull.DROP_OLDEST)
    started: list[int] = []
    return LiveTrack("video", rate_hz, items, lambda: started.append(1)), items, started


async def test_what_comes_is_handed_out_and_the_end_ends_the_track() -> None:
    track, items, started = a_track()
    packet = av.Packet(b"x")
    items.offer(Coded(packet, 1.0))
    assert await track.recv() is packet
    assert started
    items.close()
    with pytest.raises(MediaStreamError):
        await track.recv()
    assert track.readyState == "ended"


@given(
    origin=st.integers(0, WRAP - 1),
    first=st.integers(0, 10**9),
    steps=st.lists(st.integers(1, 90_000), min_size=1, max_size=5),
)
async def test_times_of_rtp_are_known_from_the_second_packet_on(
    origin: int, first: int, steps: list[int]
) -> None:
    track, items, _ = a_track()
    sent = [0]
    track.sender_rtp = lambda: sent[0]
    ticks = first
    items.offer(Coded(av.Packet(b"x"), ticks / 90_000))
    await track.recv()
    assert track.at_s(origin) is None
    for step in steps:
        sent[0] = (origin + ticks) % WRAP  # as aiortc has it once the packet is out
        before, ticks = ticks, ticks + step
        items.offer(Coded(av.Packet(b"x"), ticks / 90_000))
        await track.recv()
        assert track.at_s(sent[0]) == pytest.approx(before / 90_000)
        assert track.at_s((origin + ticks) % WRAP) == pytest.approx(ticks / 90_000)


def test_another_inside_of_aiortc_is_named() -> None:
    class Other:
        async def _send_rtcp(self) -> None: ...

    track, _, _ = a_track()
    with pytest.raises(Permanent, match=r"_send_keyframe.*rtp_timestamp"):
        attach(
            Other(),  # type: ignore[arg-type]
            track,
            began_ntp=0,
            lost=lambda: None,
            heard=lambda: None,
        )
