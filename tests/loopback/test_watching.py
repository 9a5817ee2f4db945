"""Viewers over real ICE, DTLS and SRTP on 127.0.0.1: what they are shown, and how they go."""

from __future__ import annotations

import asyncio
import gc
import itertools
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from aiortc.clock import current_ntp_time
from aiortc.rtp import RtcpSrPacket

from streammon.core.types import HealthState, VideoFrame
from streammon.ingest.webrtc.peer import Peer
from streammon.server.watching.broadcast import KEYFRAMES_APART_S, Broadcast
from streammon.server.watching.coding import Said, VideoCodec
from streammon.server.watching.feed import Feed
from streammon.server.watching.outgoing import NTP_FRACTION
from streammon.server.watching.viewing import Viewing
from tests.fakes import a_result
from tests.watchers import Watcher, watching
from tests.whep_server import CALL, Shown, shown


async def until(so: Callable[[], bool]) -> None:
    """Returns once this is so: of what happens in the server nobody is told."""
    while not so():  # noqa: ASYNC110
        await asyncio.sleep(0.02)


async def nobody_watches(here: Shown) -> None:
    """Returns once nobody does, and nothing is kept up for them any more."""
    await until(lambda: not here.audience.viewers())
    await until(lambda: here.attention.interval_s(CALL) is None)


@pytest.mark.parametrize("codec", ["H264", "VP8"])
async def test_a_viewer_sees_the_pictures_with_what_is_said_and_hears_the_sound(
    codec: VideoCodec,
) -> None:
    async with shown() as here:
        assert here.attention.interval_s(CALL) is None, "nobody watches"
        here.said.append(a_result(stream=CALL, confidence=0.93))
        async with watching(here.answer, codecs=(codec, "opus")) as watcher:
            await watcher.until(lambda: len(watcher.seen) >= 50 and len(watcher.heard) >= 50)
            broadcast = here.audience.broadcast(CALL)
            assert broadcast is not None
            assert set(broadcast.coded) == {codec}
        await nobody_watches(here)
        assert here.audience.broadcast(CALL) is None
    numbers = watcher.numbers
    assert all(before < after for before, after in itertools.pairwise(numbers))
    delays_s = [
        at - here.taken_s[number] for (at, _), number in zip(watcher.seen, numbers, strict=True)
    ]
    assert 0.0 < np.median(delays_s) < 1.0
    _, image = watcher.seen[-1]
    assert image[2:10, 2:40].mean() < 150, "the name of the stream stands in the corner"
    assert image[335:, :300].mean() < 150, "a dark plate with the scores along the bottom"
    sound = np.concatenate(watcher.heard[-40:]).astype(np.float64)
    loudest_hz = np.argmax(np.abs(np.fft.rfft(sound))) * 48_000 / len(sound)
    assert loudest_hz == pytest.approx(440, abs=5)


async def test_all_viewers_share_one_coder_and_others_have_their_own_codec() -> None:
    async with (
        shown() as here,
        watching(here.answer, codecs=("VP8", "opus")) as first,
    ):
        await first.until(lambda: len(first.seen) >= 5)
        async with watching(here.answer, codecs=("H264", "VP8", "opus")) as second:
            await second.until(lambda: len(second.seen) >= 25)
            broadcast = here.audience.broadcast(CALL)
            assert broadcast is not None
            assert here.audience.viewers() == {CALL: 2}
            assert set(broadcast.coded) == {"VP8"}, "the codec that is there already"
            # Coded once, and perhaps again where no other came for a second; for each, it were two.
            assert broadcast.coded["VP8"] < 1.5 * len(here.taken_s)
            async with watching(here.answer, codecs=("H264", "opus")) as third:
                await third.until(lambda: len(third.seen) >= 5)
                assert set(broadcast.codecs) == {"VP8", "H264"}
            await first.until(lambda: first.numbers[-1] > third.numbers[-1])
            await until(lambda: set(broadcast.codecs) == {"VP8"})
        seen_by_both = set(first.numbers) & set(second.numbers)
        assert len(seen_by_both) >= 15
        await until(lambda: here.audience.viewers() == {CALL: 1})
        await first.until(lambda: first.numbers[-1] > second.numbers[-1])


async def test_a_viewer_of_the_sound_alone_costs_no_picture() -> None:
    async with shown() as here, watching(here.answer, kinds=["audio"]) as watcher:
        await watcher.until(lambda: len(watcher.heard) >= 30)
        broadcast = here.audience.broadcast(CALL)
        assert broadcast is not None
        assert broadcast.coded.total() == 0


async def test_whoever_falls_silent_is_let_go_of_and_the_others_see_on() -> None:
    async with (
        shown(silent_s=6.0) as here,
        watching(here.answer) as stays,
        watching(here.answer) as goes,
    ):
        await goes.until(lambda: len(goes.seen) >= 3)
        goes.vanish()
        await until(lambda: here.audience.viewers() == {CALL: 1})
        before = len(stays.seen)
        await stays.until(lambda: len(stays.seen) >= before + 10)


async def test_a_source_that_pauses_is_seen_again_and_one_that_ends_ends_the_session() -> None:
    # Reports come up to 1.5 s apart, and count for 2 s after the last picture.
    async with shown(silent_s=6.0) as here, watching(here.answer) as watcher:
        await watcher.until(lambda: len(watcher.seen) >= 5)
        here.running.clear()
        here.monitor.change_health(CALL, HealthState.RETRYING, "no route to it")
        async with reporting_nothing(watcher):
            await asyncio.sleep(7.5)
        assert here.audience.viewers() == {CALL: 1}, "it may come back"
        count = len(watcher.seen)
        here.running.set()
        await watcher.until(lambda: len(watcher.seen) >= count + 10)
        here.monitor.change_health(CALL, HealthState.ENDED)
        await watcher.ended()
        await nobody_watches(here)


@asynccontextmanager
async def reporting_nothing(watcher: Watcher) -> AsyncGenerator[None]:
    """A viewer that is sent nothing, and has nothing to say of it."""
    receivers: list[Any] = watcher.peer.getReceivers()

    async def nothing(packets: Any) -> None:
        return

    for receiver in receivers:
        receiver._send_rtcp = nothing
    yield
    for receiver in receivers:
        del receiver._send_rtcp


async def test_while_nothing_moves_a_new_viewer_is_shown_the_last_picture() -> None:
    async with shown() as here, watching(here.answer) as first:
        await first.until(lambda: len(first.seen) >= 5)
        here.running.clear()
        await asyncio.sleep(0.5)
        broadcast = here.audience.broadcast(CALL)
        assert broadcast is not None
        count = broadcast.coded["H264"]
        async with watching(here.answer) as second:
            await until(lambda: broadcast.coded["H264"] > count)
            here.running.set()
            await second.until(lambda: len(second.seen) >= 3)


async def test_keyframes_are_made_for_who_needs_one_and_no_oftener_than_is_good() -> None:
    async with shown() as here, watching(here.answer) as watcher:
        await watcher.until(lambda: len(watcher.seen) >= 3)
        broadcast = here.audience.broadcast(CALL)
        assert broadcast is not None
        feed = broadcast.join("H264", sound=False)
        feed.start()
        began_s, pictures, keyframes = time.monotonic(), 0, 0
        while pictures < 50 or keyframes < 3:
            pictures += 1
            keyframes += (await feed.pictures.recv()).is_keyframe
            feed.lost()
        took_s = time.monotonic() - began_s
        broadcast.leave(feed)
    assert keyframes <= 2 + took_s / KEYFRAMES_APART_S, "asked for with each of fifty pictures"


async def test_a_viewer_that_lost_pictures_asks_and_goes_on() -> None:
    async with shown() as here, watching(here.answer) as watcher:
        await watcher.until(lambda: len(watcher.seen) >= 3)
        _lose_for_a_while(watcher)
        count = len(watcher.seen)
        await watcher.until(lambda: len(watcher.seen) >= count + 30)
        numbers = watcher.numbers[-10:]
        assert all(before < after for before, after in itertools.pairwise(numbers))


def _lose_for_a_while(watcher: Watcher) -> None:
    """The next 60 datagrams never arrive, nor what is sent again in their place."""
    (transport,) = watcher.transports()
    receive, left = transport._recv, [60]

    async def lossy() -> bytes:
        while True:
            data: bytes = await receive()
            is_rtp = 128 <= data[0] < 192 and not 192 <= data[1] <= 208
            if not is_rtp or left[0] <= 0:
                return data
            left[0] -= 1

    transport._recv = lossy


async def test_reports_say_when_things_were_taken_so_that_picture_and_sound_agree() -> None:
    async with shown() as here, watching(here.answer) as watcher:
        told: dict[str, list[float]] = {"video": [], "audio": []}
        for receiver in watcher.peer.getReceivers():
            _listen(receiver, told[receiver.track.kind])
        await watcher.until(lambda: all(len(late_s) >= 3 for late_s in told.values()))
    assert np.median(told["video"]) > -0.05
    assert np.median(told["audio"]) > 0.15, "a chunk of sound is 0.2 s old when it is whole"


def _listen(receiver: Any, late_s: list[float]) -> None:
    """Note how old, by its sender reports, what comes is when it arrives."""
    handle = receiver._handle_rtcp_packet

    async def heard(packet: Any) -> None:
        if isinstance(packet, RtcpSrPacket):
            late = current_ntp_time() - packet.sender_info.ntp_timestamp
            late_s.append(late / NTP_FRACTION)
        await handle(packet)

    receiver._handle_rtcp_packet = heard


async def test_nothing_is_left_of_viewers_who_left() -> None:
    async with shown() as here:
        for _ in range(4):
            async with watching(here.answer) as watcher:
                await watcher.until(lambda one=watcher: len(one.seen) >= 1)  # type: ignore[misc]
            await nobody_watches(here)
        await until(lambda: not still_there(Viewing, Broadcast, Feed, Peer))


def still_there(*kinds: type) -> list[Any]:
    gc.collect()
    return [one for one in gc.get_objects() if type(one) in kinds]


async def test_where_drawing_fails_for_good_viewers_are_sent_away() -> None:
    def broken(frame: VideoFrame) -> Said:
        raise RuntimeError("mine")

    async with shown(said_of=broken) as here, watching(here.answer) as watcher:
        await watcher.ended()
        await nobody_watches(here)
