"""Encoded pictures through the hub: to whom they go, and what a slow or mistaken client gets."""

from __future__ import annotations

import asyncio
import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from streammon.core.ports import Source
from streammon.core.types import StreamId
from streammon.media.coded_view import BEHIND_S
from streammon.media.tracks import MediaPacket, Track
from streammon.sinks.websocket_client import Leave, parse_subscribe
from streammon.sinks.websocket_packets import MOST_STREAMS
from tests.coded import FPS, CodedFilm, h264
from tests.fakes import ScriptedSource
from tests.outgoing import a_meter, an_overlay
from tests.viewers import Pipe, Stage, a_stage
from tests.watch import until

CAM = StreamId("cam")
PACKETS = {"cam": {"mode": "packets"}}
KEYFRAMES = {"cam": {"mode": "packets", "every_s": 0.4}}


@cache
def film() -> tuple[Track, tuple[MediaPacket, ...]]:
    images = [np.full((36, 64, 3), 4 * number, np.uint8) for number in range(60)]
    track, packets = h264(images, gop=10)
    return track, tuple(packets)


def showing(stage: Stage, count: int) -> CodedFilm:
    """The hub shows a source of which so many packets have come."""
    source, (track, packets) = CodedFilm(), film()
    source.begin(track, packets[0])
    for packet in packets[:count]:
        source.put(packet)
    stage.hub.show_packets_of({CAM: source}.get)
    return source


async def shown(client: Pipe, count: int) -> list[int]:
    """The pictures that came, once there are so many."""
    return [round(each["media_s"] * FPS) for each in await client.until(count, "packet")]


async def test_a_client_gets_the_coding_and_then_the_packets_from_the_newest_keyframe_on() -> None:
    async with a_stage() as stage:
        source, (_, packets) = showing(stage, 25), film()
        client = await stage.client(events=["overlay"], pictures=PACKETS)
        assert await shown(client, 5) == [20, 21, 22, 23, 24]
        (coding,) = await client.until(1, "coding")
        assert coding["codec"].startswith("avc1.")
        kinds = [each["type"] for each in client.got]
        assert kinds.index("coding") < kinds.index("packet")
        first = (await client.until(5, "packet"))[0]
        assert first["is_keyframe"]
        assert first["jpeg"] == bytes(packets[20]), "the packet is the body, as it came in"
        source.put(packets[25])
        assert (await shown(client, 6))[-1] == 25


async def test_nobody_decodes_or_draws_for_who_gets_packets() -> None:
    async with a_stage() as stage:
        showing(stage, 15)
        client = await stage.client(events=["overlay", "meter"], pictures=PACKETS)
        await shown(client, 5)
        assert not stage.hub.viewers(CAM), "no overlay is wanted"
        assert stage.hub.viewers(CAM, "meter"), "but what it sounds like is"
        assert stage.hub.viewers(StreamId("door")), "other streams come as they did"
        stage.hub.publish(an_overlay())
        stage.hub.publish(a_meter())
        await client.until(1, "meter")
        assert "overlay" not in {each["type"] for each in client.got}


async def test_packets_are_for_chosen_streams_and_who_wants_pictures() -> None:
    async with a_stage() as stage:
        showing(stage, 15)
        elsewhere = await stage.client(streams=["door"], events=["overlay"], pictures=PACKETS)
        blind = await stage.client(events=["meter"], pictures=PACKETS)
        plain = await stage.client(events=["overlay"], pictures={"cam": {"mode": "jpeg"}})
        stage.hub.publish(an_overlay())
        await plain.until(1, "overlay")
        client = await stage.client(events=["overlay"], pictures=PACKETS)
        await shown(client, 5)
        for each in (elsewhere, blind, plain):
            assert "packet" not in {message["type"] for message in each.got}


async def test_a_stream_that_is_wanted_as_before_goes_on_where_it_is() -> None:
    async with a_stage() as stage:
        source, (_, packets) = showing(stage, 15), film()
        client = await stage.client(events=["overlay"], pictures=PACKETS)
        await shown(client, 5)
        client.subscribe(events=["overlay", "meter"], pictures=PACKETS)
        await asyncio.sleep(0.05)
        source.put(packets[15])
        assert await shown(client, 6) == [10, 11, 12, 13, 14, 15]
        client.subscribe(events=["overlay"], pictures=KEYFRAMES)
        assert (await shown(client, 7))[6:] == [10], "another wish begins anew"
        client.subscribe(events=["overlay"])
        await asyncio.sleep(0.05)
        source.put(packets[16])
        await asyncio.sleep(0.05)
        assert len(await shown(client, 7)) == 7


async def test_a_slow_client_costs_no_memory_and_goes_on_with_a_later_keyframe() -> None:
    async with a_stage() as stage:
        source, (_, packets) = showing(stage, 1), film()
        client = await stage.client(events=["overlay"], pictures=PACKETS)
        await shown(client, 1)
        client.toggle()
        source.put(packets[1])
        await until(lambda: client.held)  # its sender waits with this one
        for packet in packets[2:33]:
            source.put(packet)
        await asyncio.sleep(BEHIND_S)
        client.toggle()
        assert await shown(client, 5) == [0, 1, 30, 31, 32]
        assert stage.hub.stats().jumps == 1
        client.leave()
        await asyncio.sleep(0.05)
        assert stage.hub.stats().jumps == 1, "who left still counts"


async def test_alerts_come_between_packets() -> None:
    async with a_stage() as stage:
        showing(stage, 60)
        client = await stage.client(events=["overlay", "alert"], pictures=PACKETS)
        await stage.alert(3)
        await client.until(3, "alert")
        await shown(client, 10)


async def test_another_source_of_the_same_name_is_followed_too() -> None:
    async with a_stage() as stage:
        sources: dict[StreamId, Source] = {}
        stage.hub.show_packets_of(sources.get)
        client = await stage.client(events=["overlay"], pictures=PACKETS)
        track, packets = film()
        for count, all_of_them in ((3, 3), (2, 5)):
            source = CodedFilm()
            source.begin(track, packets[0])
            for packet in packets[:count]:
                source.put(packet)
            sources[CAM] = source
            await shown(client, all_of_them)
            del sources[CAM]
            await asyncio.sleep(0.05)
        assert await shown(client, 5) == [0, 1, 2, 0, 1]
        assert len(await client.until(2, "coding")) == 2


async def refusal(stage: Stage) -> dict[str, Any]:
    client = await stage.client(events=["overlay"], pictures=PACKETS)
    (coding,) = await client.until(1, "coding")
    await asyncio.sleep(0.05)
    assert len(await client.until(1, "coding")) == 1, "it is said once"
    return coding


async def test_who_cannot_have_packets_is_told_why() -> None:
    async with a_stage() as stage:
        assert (await refusal(stage))["why_not"] == "this server has no encoded pictures"
        stage.hub.show_packets_of({CAM: ScriptedSource("cam", [])}.get)
        coding = await refusal(stage)
        assert coding["codec"] is None
        assert coding["why_not"] == "its source keeps no encoded pictures"
        raw = CodedFilm()
        raw.shelf.begin_bare(0)
        stage.hub.show_packets_of({CAM: raw}.get)
        assert "not encoded" in (await refusal(stage))["why_not"]


@pytest.mark.parametrize(
    "pictures",
    [
        {"cam": {"mode": "raw"}},
        {"cam": {"mode": "packets", "every_s": 0}},
        {"cam": {"mode": "packets", "every_s": 61}},
        {"cam": {"mode": "packets", "every_s": "NaN"}},
        {"cam": "packets"},
        [],
        {f"cam-{number}": {} for number in range(MOST_STREAMS + 1)},
        {"x" * 201: {}},
    ],
)
def test_wishes_that_make_no_sense_are_refused(pictures: Any) -> None:
    with pytest.raises(Leave) as raised:
        parse_subscribe(json.dumps({"type": "subscribe", "pictures": pictures}))
    assert raised.value.code == 1008
