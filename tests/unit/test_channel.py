"""Nothing that crosses a channel is lost uncounted, whatever is cancelled."""

from __future__ import annotations

import asyncio
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.flow.channel import Channel, ChannelClosed, WhenFull
from tests.fakes import settle

Step = Literal["send", "offer", "recv", "drain", "cancel_send", "cancel_recv", "close"]
STEPS: tuple[Step, ...] = ("send", "offer", "recv", "drain", "cancel_send", "cancel_recv", "close")
# Closing ends a story, so it is told less often.
STORIES = st.lists(st.sampled_from(STEPS[:-1] * 8 + STEPS[-1:]), max_size=80)


class Story:
    """Plays steps on a channel and checks its law after each."""

    def __init__(self, capacity: int, policy: WhenFull) -> None:
        self.channel: Channel[int] = Channel("story", capacity, policy)
        self.sends: list[asyncio.Task[None]] = []
        self.recvs: list[asyncio.Task[int]] = []
        self.offered: list[int] = []
        self.drained: list[int] = []

    async def play(self, steps: list[Step], group: asyncio.TaskGroup) -> None:
        for number, step in enumerate(steps):
            match step:
                case "send":
                    self.sends.append(group.create_task(self._send(number)))
                case "recv":
                    self.recvs.append(group.create_task(self._recv()))
                case "offer" if not self.channel.closed:
                    self.channel.offer(number)
                case "drain":
                    self.drained += self.channel.drain()
                case "cancel_send" if self.sends:
                    self.sends[number % len(self.sends)].cancel()
                case "cancel_recv" if self.recvs:
                    self.recvs[number % len(self.recvs)].cancel()
                case "close":
                    self.channel.close()
            if number % 3:  # sometimes two things happen in one pass of the loop
                await asyncio.sleep(0)
            self.check()
        self.channel.close()

    async def _send(self, number: int) -> None:
        try:
            await self.channel.send(number)
        except ChannelClosed:
            assert self.channel.closed

    async def _recv(self) -> int:
        try:
            return await self.channel.recv()
        except ChannelClosed:
            assert self.channel.closed
            assert len(self.channel) == 0
            return -1

    def check(self) -> None:
        channel = self.channel
        assert channel.sent == channel.received + channel.dropped + len(channel)
        assert len(channel) <= channel.capacity

    def received(self) -> list[int]:
        done = [task.result() for task in self.recvs if not task.cancelled()] + self.drained
        return [number for number in done if number >= 0]


@given(steps=STORIES, capacity=st.integers(1, 4), policy=st.sampled_from(WhenFull))
def test_what_was_sent_was_received_or_dropped_or_is_still_there(
    steps: list[Step], capacity: int, policy: WhenFull
) -> None:
    async def scenario() -> Story:
        story = Story(capacity, policy)
        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            await story.play(steps, group)
        return story

    story = asyncio.run(scenario())
    story.check()
    got = story.received()
    assert len(set(got)) == len(got), "an item arrived twice"
    assert len(got) == story.channel.received, "the channel counts what nobody got, or too little"


@given(count=st.integers(0, 40), capacity=st.integers(1, 5), readers=st.integers(1, 3))
def test_a_blocking_channel_delivers_everything_in_order(
    count: int, capacity: int, readers: int
) -> None:
    async def scenario() -> None:
        channel: Channel[int] = Channel("block", capacity, WhenFull.BLOCK)
        got: list[int] = []

        async def read() -> None:
            async for number in channel:
                got.append(number)  # noqa: PERF401 - one by one, in the order they came

        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            for _ in range(readers):
                group.create_task(read())
            for number in range(count):
                await channel.send(number)
            channel.close()
        assert got == list(range(count))
        assert (channel.sent, channel.received, channel.dropped) == (count, count, 0)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("policy", "kept", "taken"),
    [
        (WhenFull.DROP_OLDEST, [3, 4], [True, True, True, True, True]),
        (WhenFull.DROP_NEWEST, [0, 1], [True, True, False, False, False]),
        (WhenFull.BLOCK, [0, 1], [True, True, False, False, False]),
    ],
)
async def test_a_full_channel_drops_by_its_policy(
    policy: WhenFull, kept: list[int], taken: list[bool]
) -> None:
    channel: Channel[int] = Channel("full", 2, policy)
    assert [channel.offer(number) for number in range(5)] == taken
    channel.close()
    assert [number async for number in channel] == kept
    assert channel.dropped == 3


async def test_a_blocking_sender_waits_for_room() -> None:
    channel: Channel[str] = Channel("block", 1, WhenFull.BLOCK)
    await channel.send("first")
    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(channel.send("second"))
        await settle()
        assert not waiting.done()
        assert channel.sent == 1
        assert await channel.recv() == "first"
        await waiting
    assert await channel.recv() == "second"


async def test_senders_that_wait_together_each_find_room() -> None:
    channel: Channel[int] = Channel("block", 1, WhenFull.BLOCK)
    async with asyncio.TaskGroup() as group:
        for number in range(5):
            group.create_task(channel.send(number))
        for _ in range(5):
            await settle()  # all that can wake have woken, and all but one find it full again
            await channel.recv()
    assert (channel.sent, channel.received, channel.dropped) == (5, 5, 0)


async def test_closing_frees_a_waiting_sender_and_keeps_what_is_buffered() -> None:
    channel: Channel[str] = Channel("block", 1, WhenFull.BLOCK)
    await channel.send("kept")

    async def refused() -> None:
        with pytest.raises(ChannelClosed):
            await channel.send("refused")

    async with asyncio.TaskGroup() as group:
        group.create_task(refused())
        await settle()
        channel.close()
        channel.close()  # again does no harm
    assert channel.sent == 1
    assert [item async for item in channel] == ["kept"]
    with pytest.raises(ChannelClosed):
        channel.offer("late")


async def test_closing_frees_every_waiting_receiver() -> None:
    channel: Channel[int] = Channel("empty", 1, WhenFull.BLOCK)

    async def read() -> list[int]:
        return [number async for number in channel]

    async with asyncio.TaskGroup() as group:
        readers = [group.create_task(read()) for _ in range(3)]
        await settle()
        channel.close()
    assert [reader.result() for reader in readers] == [[], [], []]


def test_a_channel_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="camera: capacity must be at least 1, got 0"):
        Channel("camera", 0, WhenFull.BLOCK)
