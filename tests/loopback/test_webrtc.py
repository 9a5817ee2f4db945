"""Publishers over real ICE, DTLS and SRTP on 127.0.0.1: what they send, lose, and how they go."""

from __future__ import annotations

import asyncio
import gc
import itertools
import threading
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from aiortc import MediaStreamTrack, RTCPeerConnection
from aiortc.rtcrtpparameters import RTCRtpReceiveParameters, RTCRtpSendParameters
from aiortc.rtp import RtpPacket

from streammon.core.errors import Permanent
from streammon.core.types import AudioChunk, HealthState, Item, VideoFrame
from streammon.ingest.webrtc import tap
from streammon.ingest.webrtc.offer import Malformed, Unacceptable, read_offer
from streammon.ingest.webrtc.source import NotOpen, Taken
from tests.clips import decode_all
from tests.loopback.open_webrtc import (
    STALL_S,
    Open,
    following,
    gap_free,
    is_well,
    newest,
    opened,
)
from tests.publishers import (
    FPS,
    HEIGHT,
    HERE,
    WIDTH,
    Pictures,
    Publisher,
    Sound,
    number_of,
    publishing,
)


def media(call: Open) -> Sequence[Any]:
    """What aiortc has of the first session."""
    peer = call.sessions[0]._peer
    assert peer is not None
    return peer.media


@pytest.mark.parametrize(
    ("codecs", "shown"),
    [
        (("VP8", "opus"), ("VP8", "Opus")),
        (("H264", "PCMU"), ("H.264", "PCMU")),
        (("H264", "opus"), ("H.264", "Opus")),
        (("VP8", "PCMA"), ("VP8", "PCMA")),
    ],
)
async def test_a_publisher_gives_pictures_sound_clips_and_figures(
    codecs: tuple[str, str], shown: tuple[str, str]
) -> None:
    async with opened() as call, publishing(call.publish, Pictures(), Sound(), codecs=codecs):
        got = newest(await call.some(lambda got: got[-1].media_s > 3.0))
        clip = call.source.clip(got[-1].epoch, 0.5, 2.5)
        await call.some(lambda _: is_well(call.source.link()))
        link = call.source.link()
    frames = [item for item in got if isinstance(item, VideoFrame)]
    chunks = [item for item in got if isinstance(item, AudioChunk)]
    assert frames[0].is_keyframe
    assert frames[0].image_rgb.shape == (HEIGHT, WIDTH, 3)
    first = number_of(frames[0].image_rgb)
    for frame in frames:
        seen_s = (number_of(frame.image_rgb) - first) / FPS
        assert seen_s == pytest.approx(frame.media_s - frames[0].media_s, abs=0.02)
        assert not frame.damaged
    steps = [after.media_s - before.media_s for before, after in following(frames)]
    assert steps == pytest.approx([0.2] * len(steps), abs=0.05)
    pcm = np.concatenate([chunk.pcm for chunk in chunks])
    loudest = np.argmax(np.abs(np.fft.rfft(pcm[-16_000:]))) * 16_000 / len(pcm[-16_000:])
    assert loudest == pytest.approx(440, abs=5)
    assert gap_free(chunks)
    assert link is not None
    assert link.codecs == shown
    assert link.kbit_s > 10
    assert link.lost_share == 0.0
    if codecs == ("VP8", "PCMA"):
        assert clip is None, "no container holds both"
    else:
        assert clip is not None
        assert decode_all(clip.data)[0].shape == (HEIGHT, WIDTH, 3)
    assert list(dict.fromkeys(call.reports)) == [  # each epoch says that it is up
        (HealthState.STARTING, "waiting for a publisher at /whip/call"),
        (HealthState.UP, ""),
    ]


async def test_pictures_say_whether_the_sender_told_its_clock() -> None:
    async with (
        opened() as call,
        publishing(call.publish, Pictures(), Sound(), reports=False) as publisher,
    ):
        assert {frame.clock for frame in await call.frames(5)} == {"arrival"}
        publisher.report()
        await call.some(lambda got: isinstance(got[-1], VideoFrame) and got[-1].clock == "sender")
    async with opened() as call, publishing(call.publish, Pictures()):
        frames = await call.frames(10)
    clocks = {frame.clock for frame in frames}
    assert clocks <= {"arrival", "broken"}, "there is no sound to align with"


async def test_pictures_wanted_rarely_are_keyframes_that_were_asked_for() -> None:
    """None but the first is made unasked. What comes after all was held up need not be one."""

    def in_time(got: list[Item]) -> int:
        frames = [item for item in got if isinstance(item, VideoFrame)]
        return sum(
            before.is_keyframe and after.is_keyframe and after.media_s - before.media_s < 3.0
            for before, after in itertools.pairwise(frames)
        )

    async with opened(interval_s=1.5) as call, publishing(call.publish, Pictures()):
        await call.some(lambda got: in_time(got) == 2)


async def test_groups_stay_short_though_nothing_is_looked_at() -> None:
    pictures = Pictures()
    async with (
        opened(interval_s=None, keyframe_s=1.0) as call,
        publishing(call.publish, pictures, Sound()),
    ):

        def begins_near_by(got: list[Item]) -> bool:
            """Whether a clip of a second ago begins at a keyframe that was not long before."""
            from_s = got[-1].media_s - 1.1
            clip = call.source.clip(got[-1].epoch, from_s, from_s + 0.1)
            return from_s > 2.8 and clip is not None and clip.start_s > from_s - 1.7

        await call.some(begins_near_by)


@pytest.mark.parametrize("video_too", [True, False])
async def test_one_track_alone_is_enough(video_too: bool) -> None:
    track: MediaStreamTrack = Pictures() if video_too else Sound()
    async with opened() as call, publishing(call.publish, track):
        got = await call.some(lambda got: len(got) == 5)
    assert {type(item) for item in got} == {VideoFrame if video_too else AudioChunk}


async def test_sound_does_not_wait_for_ever_for_a_picture_that_never_comes() -> None:
    pictures = Pictures()
    pictures.running.clear()
    async with opened() as call, publishing(call.publish, pictures, Sound()):
        got = await call.some(lambda got: len(got) == 3)
        assert all(isinstance(item, AudioChunk) for item in got)
        pictures.running.set()
        later = await call.frames(1)
    assert later[0].epoch == got[0].epoch + 1


async def test_another_size_is_another_epoch() -> None:
    pictures = Pictures()
    async with opened() as call, publishing(call.publish, pictures, Sound()):
        before = await call.frames(3)
        pictures.size = (480, 270)
        got = await call.some(
            lambda got: isinstance(got[-1], VideoFrame) and got[-1].image_rgb.shape[1] == 480
        )
    assert got[-1].epoch > before[-1].epoch
    assert got[-1].media_s < 0.5
    numbers = [item.seq for item in (*before, *got) if isinstance(item, VideoFrame)]
    assert numbers == sorted(numbers)


async def test_a_picture_that_stops_alone_is_told_of() -> None:
    pictures = Pictures()
    async with opened(stall_s=STALL_S) as call, publishing(call.publish, pictures, Sound()):
        await call.frames(3)
        pictures.running.clear()
        await call.told(HealthState.DEGRADED, "no picture for 4 s while sound goes on")
        assert call.sessions[0].over is None


async def test_a_publisher_that_vanishes_is_gone_and_another_goes_on_in_a_new_epoch() -> None:
    """Neither reports: that may begin an epoch too, and clips of the newest two are kept."""
    async with opened(stall_s=STALL_S) as call:
        async with publishing(call.publish, Pictures(), Sound(), reports=False) as publisher:
            before = await call.frames(5)
            publisher.vanish()
            await call.told(HealthState.RETRYING, "no packets for 4 s")
        async with publishing(call.publish, Pictures(), Sound(), reports=False):
            after = await call.some(
                lambda got: isinstance(got[-1], VideoFrame) and got[-1].epoch > before[-1].epoch
            )
        assert after[-1].seq > before[-1].seq
        assert call.reports[-1] == (HealthState.UP, "")
        assert call.source.clip(before[-1].epoch, 0.0, 1.0) is not None


async def test_a_publisher_that_closes_is_gone_at_once() -> None:
    async with opened() as call:
        async with publishing(call.publish, Pictures()):
            await call.frames(2)
        await call.told(HealthState.RETRYING, "the publisher closed the connection")


async def test_a_second_publisher_takes_over() -> None:
    async with opened() as call, publishing(call.publish, Pictures()):
        before = await call.frames(2)
        async with publishing(call.publish, Pictures()):
            frames = await call.some(lambda got: got[-1].epoch > before[-1].epoch)
            assert frames
        assert call.sessions[0].over == "another publisher took over"


async def test_a_second_publisher_is_refused_where_the_rules_say_so() -> None:
    async with opened(when_taken="refuse") as call, publishing(call.publish, Pictures()):
        await call.frames(2)
        with pytest.raises(Taken):
            async with publishing(call.publish, Pictures()):
                raise AssertionError("it was let in")
        assert await call.frames(2)


async def test_a_bad_newcomer_does_not_send_the_publisher_away() -> None:
    async with opened() as call, publishing(call.publish, Pictures()):
        await call.frames(1)
        second = Publisher(Pictures())
        offer = (await second.offer()).replace("VP8/90000", "VP9/90000")
        with pytest.raises(Unacceptable, match="no codec of the offer can be received"):
            await call.publish(offer)
        await second.close()
        assert await call.frames(2)


async def test_an_offer_that_never_connects_is_given_up() -> None:
    async with opened(connect_timeout_s=0.5) as call:
        publisher = Publisher(Pictures())
        await call.publish(await publisher.offer())
        await call.told(HealthState.RETRYING, "no media came within 0.5 s")
        await publisher.close()


async def test_nobody_is_let_in_before_it_is_open_or_after() -> None:
    async with opened() as call:
        source = call.source
    publisher = Publisher(Pictures())
    with pytest.raises(NotOpen):
        await source.publish(read_offer(await publisher.offer()), addresses=HERE)
    await publisher.close()


async def test_broken_offers_are_malformed_and_leave_nothing() -> None:
    publisher = Publisher(Pictures(), Sound())
    offer = await publisher.offer()
    await publisher.close()
    broken = [
        offer.replace("a=fingerprint:sha-256 ", "a=fingerprint:nonsense"),
        offer.replace("UDP/TLS/RTP/SAVPF", "?"),
        offer.replace("a=rtcp-mux", "a=x"),
        offer.replace("m=audio ", "m=audio x"),
    ]
    async with opened() as call:
        for text in broken:
            with pytest.raises((Malformed, Unacceptable)):
                await call.publish(text)


async def test_strangers_cannot_end_a_session_with_empty_datagrams() -> None:
    async with opened() as call, publishing(call.publish, Pictures()):
        await call.frames(2)
        transports = {item.receiver.transport.transport for item in media(call)}
        (port,) = {item.port for one in transports for item in one.iceGatherer.getLocalCandidates()}
        loop = asyncio.get_running_loop()
        stranger, _ = await loop.create_datagram_endpoint(
            asyncio.DatagramProtocol, remote_addr=(HERE[0], port)
        )
        for data in (b"", b"\x80", b"\x80\xc8", b"\x16\xfe\xfd", b"x" * 2000):
            stranger.sendto(data)
        assert await call.frames(5)
        stranger.close()
        assert call.sessions[0].over is None


async def test_a_sender_of_a_thousand_names_is_not_remembered_for_each() -> None:
    async with opened() as call, publishing(call.publish, Pictures()) as publisher:
        await call.frames(1)
        (transceiver,) = publisher.peer.getTransceivers()
        number = transceiver._codecs[0].payloadType
        assert number is not None
        for ssrc in range(1, 1000):
            packet = RtpPacket(payload_type=number, ssrc=ssrc, sequence_number=1, timestamp=1)
            packet.payload = b"\x10\x00"
            await transceiver.sender.transport._send_rtp(packet.serialize())
        assert await call.frames(3)
        receiver = media(call)[0].receiver
        assert len(vars(receiver)["_RTCRtpReceiver__remote_streams"]) <= tap.MOST_SSRCS


async def test_the_senders_clock_aligns_picture_and_sound() -> None:
    async with opened() as call, publishing(call.publish, Pictures(), Sound()):
        await call.some(
            lambda got: (
                (link := call.source.link()) is not None
                and link.clock == "sender"
                and link.skew_s is not None
                and abs(link.skew_s) < 0.1
            )
        )


def test_another_inside_of_aiortc_is_named() -> None:
    listener: Any = None
    receiver: Any = SimpleNamespace(_RTCRtpReceiver__decoder_queue=None)
    with pytest.raises(
        Permanent, match=r"aiortc 1\.16\.\d+ is made otherwise \(kind, timestamp_mapper, "
    ):
        tap.attach(receiver, listener)


async def test_eight_publish_at_once() -> None:
    async with AsyncExitStack() as stack:
        calls = []
        for _ in range(8):
            call = await stack.enter_async_context(opened(interval_s=1.0))
            track = Pictures(size=(64, 48), fps=15)
            await stack.enter_async_context(publishing(call.publish, track, Sound()))
            calls.append(call)
        for got in await asyncio.gather(*(call.frames(3) for call in calls)):
            assert len(got) == 3
        assert all(call.sessions[0].over is None for call in calls)


async def test_a_publisher_that_leaves_while_it_connects_leaves_nothing() -> None:
    """At any moment of ICE and DTLS; what is left would be found by the check of every test."""
    async with opened() as call:
        for delay_s in (0.0, 0.01, 0.02, 0.04, 0.08, 0.16):
            async with publishing(call.publish, Pictures(size=(64, 48)), Sound()):
                await asyncio.sleep(delay_s)
                await call.source.leave(call.sessions[-1])
        async with publishing(call.publish, Pictures()):
            assert await call.frames(1)


async def test_media_that_were_stopped_before_they_began_never_begin() -> None:
    peer = RTCPeerConnection()
    transceiver = peer.addTransceiver("video")
    tap.stop_for_good(transceiver)
    before, threads = asyncio.all_tasks(), threading.active_count()
    await transceiver.stop()
    await transceiver.receiver.receive(RTCRtpReceiveParameters())
    await transceiver.sender.send(RTCRtpSendParameters())
    assert asyncio.all_tasks() == before
    assert threading.active_count() == threads
    await peer.close()


async def test_comings_and_goings_leave_no_memory_behind() -> None:
    async with opened() as call:
        sizes_kb: list[int] = []
        for turn in range(16):
            async with publishing(call.publish, Pictures(size=(64, 48)), Sound()) as publisher:
                await publisher.connected()
                await call.frames(1)
                if turn % 2:
                    await call.source.leave(call.sessions[-1])
            call.sessions.clear()
            gc.collect()
            sizes_kb.append(resident_kb())
    del call
    gc.collect()
    kinds = Counter(type(one) for one in gc.get_objects())
    assert kinds[RTCPeerConnection] <= 4, "of 32; the last may still be held by this very loop"
    assert sizes_kb[-1] - sizes_kb[7] < 3_000, sizes_kb


def resident_kb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4
