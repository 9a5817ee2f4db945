"""The hub with a real outbox and connections in memory that are slow, dead or hostile."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.ports import StoredAlert
from streammon.core.types import HealthState, StreamId
from streammon.sinks import wire
from streammon.sinks.outbox import MEMORY, Outbox
from streammon.sinks.websocket_client import PeerGone
from streammon.sinks.websocket_hub import TAIL_ALERTS, Hub
from tests.fakes import a_result
from tests.outgoing import a_health, a_meter, a_row, an_overlay
from tests.wire_schema import checked

DOOR = StreamId("door")


class Pipe:
    """A connection in memory. The peer reads only while `reading` is set."""

    def __init__(self, *, reading: bool = True) -> None:
        self.got: list[dict[str, Any]] = []
        self.closed: tuple[int, str] | None = None
        self.reading = asyncio.Event()
        self._asked: deque[str | bytes] = deque()
        self._news = asyncio.Event()
        self._gone = False
        if reading:
            self.reading.set()

    # what the hub does

    async def send_text(self, text: str) -> None:
        await self._taken()
        self.got.append(checked(text))
        self._news.set()

    async def send_bytes(self, data: bytes) -> None:
        await self._taken()
        header, jpeg = wire.overlay_parts(data)
        self.got.append({**checked(wire.dumps(header)), "jpeg": jpeg})
        self._news.set()

    async def receive(self) -> str | bytes:
        while not self._asked:
            await self._wait()
            if self._gone:
                raise PeerGone
        return self._asked.popleft()

    async def close(self, code: int, reason: str) -> None:
        self.closed = self.closed or (code, reason)

    # what the peer does

    def say(self, message: str | bytes) -> None:
        self._asked.append(message)
        self._news.set()

    def subscribe(self, **fields: Any) -> None:
        self.say(json.dumps({"type": "subscribe", **fields}))

    def leave(self) -> None:
        self._gone = True
        self._news.set()
        self.reading.set()

    async def until(self, count: int, kind: str) -> list[dict[str, Any]]:
        """The messages of one kind, once there are so many."""
        async with asyncio.timeout(10):
            while len(found := [each for each in self.got if each["type"] == kind]) < count:
                await self._wait()
        return found

    async def _taken(self) -> None:
        await asyncio.sleep(0)
        await self.reading.wait()
        if self._gone:
            raise PeerGone

    async def _wait(self) -> None:
        self._news.clear()
        await self._news.wait()


class Stage:
    """A hub with its outbox and its clients."""

    def __init__(self, hub: Hub, outbox: Outbox, group: asyncio.TaskGroup) -> None:
        self.hub = hub
        self.outbox = outbox
        self._group = group
        self._alerts = 0

    async def client(self, *, reading: bool = True, **subscription: Any) -> Pipe:
        pipe = Pipe(reading=reading)
        self.serve(pipe)
        if reading:
            await pipe.until(1, "hello")
        pipe.subscribe(**subscription)
        await asyncio.sleep(0.01)
        return pipe

    def serve(self, pipe: Pipe) -> asyncio.Task[None]:
        return self._group.create_task(self.hub.serve(pipe))

    async def alert(self, count: int = 1, **more: Any) -> None:
        rows = [a_row(self._alerts + at, **more) for at in range(count)]
        self._alerts += count
        numbers = await self.outbox.append_many(rows)
        for seq, row in zip(numbers, rows, strict=True):
            self.hub.publish_alert(StoredAlert(seq, row.alert_id, row.stream, row.body))


@asynccontextmanager
async def a_stage(**more: Any) -> AsyncGenerator[Stage]:
    options = {"max_clients": 10, "stall_s": 5.0, **more}
    outbox = Outbox(OutboxConfig(), MEMORY, clock=MonotonicClock())
    async with outbox, asyncio.TaskGroup() as group:
        hub = Hub(
            outbox, wall=None, hello=lambda: {"monitor": "door", "streams": ["cam"]}, **options
        )
        yield Stage(hub, outbox, group)
        hub.close()


def numbers(alerts: list[dict[str, Any]]) -> list[int]:
    return [alert["seq"] for alert in alerts]


# --- what a client gets ----------------------------------------------------------------------


async def test_a_client_is_greeted_and_gets_what_it_asked_for() -> None:
    async with a_stage() as stage:
        await stage.alert(2)
        client = await stage.client(streams=["cam"], events=["alert", "result", "overlay"])
        (hello,) = await client.until(1, "hello")
        assert hello["session"] == stage.outbox.session
        assert hello["last_alert_seq"] == 2
        stage.hub.publish(a_result())
        stage.hub.publish(a_result(stream=DOOR))
        stage.hub.publish(a_meter())
        stage.hub.publish(an_overlay())
        await stage.alert(stream=DOOR)
        await stage.alert()
        assert numbers(await client.until(3, "alert")) == [1, 2, 4]
        assert (await client.until(1, "overlay"))[0]["jpeg"] == an_overlay().jpeg
        assert {each["stream"] for each in await client.until(1, "result")} == {"cam"}
        assert {each["type"] for each in client.got} == {"hello", "alert", "overlay", "result"}


async def test_a_client_that_says_nothing_gets_nothing_and_is_sent_away() -> None:
    async with a_stage(subscribe_within_s=0.1) as stage:
        pipe = Pipe()
        talk = stage.serve(pipe)
        stage.hub.publish(a_result())
        await stage.alert()
        await talk
        assert pipe.closed is not None
        assert pipe.closed[0] == 1008
        assert [each["type"] for each in pipe.got] == ["hello"]


async def test_a_client_that_comes_late_learns_how_things_stand() -> None:
    async with a_stage() as stage:
        stage.hub.publish(a_health(state=HealthState.RETRYING, cause="no packets for 5 s"))
        stage.hub.publish(a_health(component="scheduler", stream=None))
        stage.hub.publish(a_health(state=HealthState.UP))
        client = await stage.client(events=["health"])
        states = {each["component"]: each["state"] for each in await client.until(2, "health")}
        assert states == {"stream:cam": "up", "scheduler": "up"}
        assert len(client.got) == 3


async def test_each_subscription_replaces_the_one_before() -> None:
    async with a_stage() as stage:
        client = await stage.client(events=["result"])
        client.subscribe(events=["meter"])
        await asyncio.sleep(0.01)
        stage.hub.publish(a_result())
        stage.hub.publish(a_meter())
        await client.until(1, "meter")
        assert [each["type"] for each in client.got] == ["hello", "meter"]


async def test_pictures_are_asked_for_only_while_someone_looks() -> None:
    async with a_stage() as stage:
        assert not stage.hub.viewers(DOOR)
        client = await stage.client(streams=["door"], events=["overlay"])
        assert stage.hub.viewers(DOOR)
        assert not stage.hub.viewers(StreamId("cam"))
        client.leave()
        await asyncio.sleep(0.01)
        assert not stage.hub.viewers(DOOR)
        assert stage.hub.stats().clients == 0


# --- alerts: all of them, in order, whatever happens -----------------------------------------


async def test_a_client_resumes_after_the_last_alert_it_saw() -> None:
    async with a_stage() as stage:
        await stage.alert(10)
        by_id = await stage.client(events=["alert"], alerts_after="alert-5")
        by_number = await stage.client(events=["alert"], alerts_after=8)
        await stage.alert(2)
        assert numbers(await by_id.until(6, "alert")) == [7, 8, 9, 10, 11, 12]
        assert numbers(await by_number.until(4, "alert")) == [9, 10, 11, 12]


async def test_a_client_that_was_away_longer_than_memory_reaches_back_into_the_outbox() -> None:
    count = TAIL_ALERTS * 2
    async with a_stage() as stage:
        await stage.alert(count)
        client = await stage.client(events=["alert"], alerts_after=0)
        await stage.alert(5)
        assert numbers(await client.until(count + 5, "alert")) == list(range(1, count + 6))


@pytest.mark.parametrize("mark", ["unknown", 99, -1])
async def test_an_alert_that_is_not_known_gives_a_gap_and_all_that_is_kept(mark: int | str) -> None:
    async with a_stage() as stage:
        await stage.alert(3)
        client = await stage.client(events=["alert"], alerts_after=mark)
        assert numbers(await client.until(3, "alert")) == [1, 2, 3]
        assert client.got[1] == {"v": 1, "type": "gap", "oldest_alert_seq": 1}


async def test_a_new_client_begins_with_as_many_past_alerts_as_it_wants() -> None:
    async with a_stage() as stage:
        await stage.alert(10)
        some = await stage.client(events=["alert"], recent_alerts=3)
        none = await stage.client(events=["alert"], recent_alerts=0)
        await stage.alert()
        assert numbers(await some.until(4, "alert")) == [8, 9, 10, 11]
        assert numbers(await none.until(1, "alert")) == [11]


async def test_alerts_told_in_the_wrong_order_are_sent_in_the_right_one() -> None:
    async with a_stage() as stage:
        client = await stage.client(events=["alert"])
        rows = [a_row(at) for at in range(4)]
        seqs = await stage.outbox.append_many(rows)
        told = [
            StoredAlert(seq, row.alert_id, row.stream, row.body)
            for seq, row in zip(seqs, rows, strict=True)
        ]
        for at in (1, 0, 3, 2):
            stage.hub.publish_alert(told[at])
            await asyncio.sleep(0.005)
        assert numbers(await client.until(4, "alert")) == [1, 2, 3, 4]


# --- slow, dead and hostile ------------------------------------------------------------------


async def test_a_slow_client_loses_frames_never_alerts_and_holds_up_nobody() -> None:
    async with a_stage() as stage:
        slow, fast = await stage.client(), await stage.client()
        slow.reading.clear()
        for at in range(50):
            stage.hub.publish(an_overlay(at))
            stage.hub.publish(a_result(end_s=float(at + 1)))
            await stage.alert()
            await fast.until(at + 1, "overlay")
        await fast.until(50, "alert")
        await fast.until(50, "result")
        assert stage.hub.stats().dropped > 0
        slow.reading.set()
        assert numbers(await slow.until(50, "alert")) == list(range(1, 51))
        # One was on its way when it stopped reading; of all the others only the newest is left.
        assert [each["seq"] for each in await slow.until(2, "overlay")] == [0, 49]
        ends = [each["end_s"] for each in await slow.until(16, "result")]
        assert ends == sorted(ends)
        assert ends[-1] == 50.0


async def test_a_client_that_reads_nothing_is_closed() -> None:
    async with a_stage(stall_s=0.2) as stage:
        pipe = Pipe(reading=False)
        async with asyncio.timeout(5):
            await stage.serve(pipe)
        assert pipe.closed is not None
        assert pipe.closed[0] == 1013


async def test_a_dead_client_is_forgotten() -> None:
    async with a_stage() as stage:
        client = await stage.client()
        client.leave()
        stage.hub.publish(a_result())
        await asyncio.sleep(0.02)
        assert stage.hub.stats().clients == 0
        assert client.closed is None


async def test_a_flood_of_messages_is_a_protocol_error() -> None:
    async with a_stage() as stage:
        pipe = Pipe()
        talk = stage.serve(pipe)
        for _ in range(100):
            pipe.subscribe()
        await talk
        assert pipe.closed == (1008, "too many messages")


@pytest.mark.parametrize("message", ["garbage", b"\x00", '{"type":"publish"}'])
async def test_nonsense_is_a_protocol_error(message: str | bytes) -> None:
    async with a_stage() as stage:
        pipe = Pipe()
        talk = stage.serve(pipe)
        pipe.say(message)
        await talk
        assert pipe.closed is not None
        assert pipe.closed[0] == 1008


async def test_one_client_too_many_is_told_to_come_later() -> None:
    async with a_stage(max_clients=1) as stage:
        await stage.client()
        late = Pipe()
        await stage.serve(late)
        assert late.closed is not None
        assert late.closed[0] == 1013


async def test_closing_the_hub_says_goodbye_to_everyone() -> None:
    async with a_stage() as stage:
        clients = [await stage.client() for _ in range(3)]
        stage.hub.close()
        await asyncio.sleep(0.05)
        assert [client.closed for client in clients] == [(1001, "shutting down")] * 3
        late = Pipe()
        await stage.serve(late)
        assert late.closed == (1001, "shutting down")
