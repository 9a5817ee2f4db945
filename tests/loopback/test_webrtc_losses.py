"""A publisher whose packets are lost and swapped on their way: what that costs, and what not."""

from __future__ import annotations

import itertools

import pytest

from streammon.core.types import AudioChunk, Item, VideoFrame
from tests.loopback.open_webrtc import opened
from tests.publishers import FPS, Network, Pictures, Sound, number_of, publishing


async def test_lost_and_swapped_packets_cost_pictures_and_never_show_wrong_ones() -> None:
    network = Network(loss=0.03, reorder=0.05)
    async with (
        opened(interval_s=0.04) as call,
        publishing(call.publish, Pictures(), Sound(), network=network) as publisher,
    ):
        frames = [item for item in await call.some(lambda got: got[-1].media_s > 5.0)
                  if isinstance(item, VideoFrame)]  # fmt: skip
        link = call.source.link()
        assert publisher.peer.connectionState == "connected"
    assert network.dropped > 3
    assert network.swapped > 3
    assert link is not None
    assert len(frames) > 2 * FPS
    whole = [frame for frame in frames if not frame.damaged]
    assert len(whole) > 0.5 * len(frames)
    runs = itertools.groupby(whole, key=lambda frame: frame.epoch)
    for _, run in runs:
        shown = list(run)
        first = number_of(shown[0].image_rgb)
        for frame in shown:
            seen_s = (number_of(frame.image_rgb) - first) / FPS
            assert seen_s == pytest.approx(frame.media_s - shown[0].media_s, abs=0.03)


async def test_sound_that_was_lost_makes_no_later_sound_late() -> None:
    network = Network(loss=0.04, reorder=0.04)
    sound = Sound()
    async with opened() as call, publishing(call.publish, sound, network=network):
        # Soon after much was lost: 0.36 s with a buffer for playing, however long one waits.
        await call.some(lambda got: got[-1].media_s > 6.0 and late_s(got[-1], sound) < 0.15)
    assert network.dropped > 3


def late_s(chunk: Item, sound: Sound) -> float:
    """When it came, less when the last of it was said."""
    assert isinstance(chunk, AudioChunk)
    assert sound.started_s is not None
    return chunk.captured_ns / 1e9 - sound.started_s - chunk.media_s - chunk.duration_s
