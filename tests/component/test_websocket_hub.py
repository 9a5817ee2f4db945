"""The hub with a real outbox and connections in memory that are slow, dead or hostile."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streammon.core.ports import StoredAlert
from streammon.core.types import HealthState, StreamId
from streammon.sinks.websocket_hub import TAIL_ALERTS
from tests.fakes import a_result
from tests.outgoing import a_health, a_meter, a_row, an_overlay
from tests.viewers import Pipe, a_stage, numbers
from tests.watch import until

DOOR = StreamId("door")


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
        await until(lambda: stage.hub.stats().clients == 0)
        assert not stage.hub.viewers(DOOR)


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


@pytest.mark.parametrize("kept", [0, 2])
async def test_alerts_that_come_while_a_client_is_taken_up_are_sent(
    kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with a_stage() as stage:
        await stage.alert(kept)
        recent, asked, answer = stage.outbox.recent, asyncio.Event(), asyncio.Event()

        async def slowly(count: int) -> list[StoredAlert]:
            found = await recent(count)
            asked.set()
            await answer.wait()
            return found

        monkeypatch.setattr(stage.outbox, "recent", slowly)
        client = await stage.client(events=["alert"])
        await asked.wait()
        await stage.alert(3)
        answer.set()
        assert numbers(await client.until(kept + 3, "alert")) == list(range(1, kept + 4))


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


async def test_a_client_with_room_has_an_alert_as_soon_as_it_is_told() -> None:
    async with a_stage() as stage:
        client = await stage.client(room=True, streams=["cam"], events=["alert"])
        await stage.alert(2, stream=DOOR)
        await stage.alert(3)
        assert numbers([each for each in client.got if each["type"] == "alert"]) == [3, 4, 5]


CLIENTS = 3
hub_steps = st.lists(
    st.one_of(
        st.tuples(st.just("alerts"), st.integers(1, 5)),
        st.tuples(st.just("alerts told backwards"), st.integers(2, 3)),
        st.tuples(st.just("result"), st.integers(0, 0)),
        st.tuples(st.just("turns of the loop"), st.integers(1, 4)),
        st.tuples(st.just("room or not"), st.integers(0, CLIENTS - 1)),
        st.tuples(st.just("reads or not"), st.integers(0, CLIENTS - 1)),
        st.tuples(st.just("subscribes anew"), st.integers(0, CLIENTS - 1)),
    ),
    max_size=18,
)


@settings(max_examples=60)
@given(hub_steps)
def test_every_client_gets_every_alert_once_and_in_order(steps: list[tuple[str, int]]) -> None:
    asyncio.run(_tell(steps))


async def _tell(steps: list[tuple[str, int]]) -> None:
    """Sent at once or by the sender, whatever else goes on; a new subscription resumes."""
    async with a_stage() as stage:
        clients = [await stage.client(room=at > 0) for at in range(CLIENTS)]
        told = 0
        for step, number in steps:
            match step:
                case "alerts" | "alerts told backwards":
                    await stage.alert(number, backwards=step.endswith("backwards"))
                    told += number
                case "result":
                    stage.hub.publish(a_result())
                case "turns of the loop":
                    for _ in range(number):
                        await asyncio.sleep(0)
                case "room or not":
                    clients[number].room ^= True
                case "reads or not":
                    clients[number].toggle()
                case "subscribes anew":
                    clients[number].reading.set()
                    await clients[number].until(told, "alert")
                    clients[number].subscribe(events=["alert"], alerts_after=told)
        for client in clients:
            client.reading.set()
            assert numbers(await client.until(told, "alert")) == list(range(1, told + 1))


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
        await until(lambda: stage.hub.stats().clients == 0)
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
        await until(lambda: stage.hub.stats().clients == 0)
        await until(lambda: all(client.closed for client in clients))
        assert [client.closed for client in clients] == [(1001, "shutting down")] * 3
        late = Pipe()
        await stage.serve(late)
        assert late.closed == (1001, "shutting down")
