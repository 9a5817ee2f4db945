"""The Kafka sink with real brokers: frozen, killed, restarted without their log."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message

from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import DurableSink
from streammon.core.types import HealthState, StreamId
from streammon.flow.supervise import Backoff
from streammon.sinks import kafka_topics
from streammon.sinks.kafka import KafkaConfig
from streammon.sinks.kafka_events import OVERLAY_HEADER
from streammon.sinks.kafka_sink import KafkaSink
from streammon.sinks.outbox import MEMORY, Outbox, pump
from tests.fakes import Reports, a_result
from tests.loopback.kafka_broker import Broker, Kind, a_broker, kafka_broker
from tests.outgoing import a_health, a_row, an_alert, an_overlay, stored
from tests.wire_schema import checked

__all__ = ["kafka_broker"]

pytestmark = pytest.mark.kafka

CLOCK = MonotonicClock()
ALERTS, FRAMES = "streammon.alerts.v1", "streammon.frames.v1"
CHILD = Path(__file__).with_name("kafka_child.py")


def a_sink(broker: Broker, *, accepted_within_s: float = 10.0, **settings: Any) -> KafkaSink:
    config = KafkaConfig.model_validate({"bootstrap": broker.bootstrap, **settings})
    return KafkaSink("kafka", config, accepted_within_s=accepted_within_s)


@asynccontextmanager
async def pumping(sink: KafkaSink, reports: Reports) -> AsyncGenerator[Outbox]:
    """An outbox whose alerts go to the sink."""
    outbox = Outbox(OutboxConfig(), MEMORY, clock=CLOCK)
    async with outbox, sink, asyncio.TaskGroup() as group:
        await outbox.join("kafka")
        backoff = Backoff(first_s=0.05, most_s=0.2)
        task = group.create_task(
            pump(outbox, "kafka", sink, clock=CLOCK, report=reports, backoff=backoff)
        )
        yield outbox
        task.cancel()


def rows(numbers: range, *, streams: int = 3) -> list[Any]:
    return [a_row(number, stream=StreamId(f"cam-{number % streams}")) for number in numbers]


def ids(messages: Sequence[Message]) -> list[str]:
    return [_headers(message)["ce_id"].decode() for message in messages]


def _headers(message: Message) -> dict[str, bytes]:
    found = message.headers()
    assert isinstance(found, list)
    return {name: value for name, value in found if isinstance(value, bytes)}


def by_key(messages: Sequence[Message]) -> dict[bytes, list[str]]:
    """Ids per key, in order, each where it came first."""
    found: dict[bytes, list[str]] = defaultdict(list)
    for message, event_id in zip(messages, ids(messages), strict=True):
        key = message.key()
        assert isinstance(key, bytes)
        if event_id not in found[key]:
            found[key].append(event_id)
    return found


def complete(count: int) -> Any:
    return lambda messages: len(set(ids(messages))) >= count


def check_order(messages: Sequence[Message], count: int, *, streams: int = 3) -> None:
    """Every one of `count` alerts is there, in order in its stream."""
    for key, found in by_key(messages).items():
        numbers = [int(event_id.removeprefix("alert-")) for event_id in found]
        first = int(key.removeprefix(b"cam-"))
        assert sorted(numbers) == [n for n in range(count) if n % streams == first]
        assert numbers == sorted(numbers)


# --- records ---------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["noida", "tansu"])
async def test_every_alert_arrives_once_and_in_order(kind: Kind) -> None:
    with a_broker(kind) as broker:
        reports = Reports()
        sink = a_sink(broker)
        assert isinstance(sink, DurableSink)
        async with pumping(sink, reports) as outbox:
            await outbox.append_many(rows(range(3000)))
            await outbox.settled()
        messages = await asyncio.to_thread(broker.read, ALERTS, until=complete(3000))
    assert len(messages) == 3000
    check_order(messages, 3000)
    assert reports == []
    value = messages[0].value()
    assert isinstance(value, bytes)
    assert checked(value)["type"] == "alert"
    assert _headers(messages[0])["ce_type"] == b"io.streammon.alert.v1"


async def test_live_events_go_to_their_topics(kafka_broker: Broker) -> None:
    async with a_sink(kafka_broker, overlays=True) as sink:
        assert not sink.wants(an_alert())
        for item in (a_result(), a_health(), an_overlay(3)):
            assert sink.wants(item)
            await sink.deliver(item)
    for topic, kind in (("results", "result"), ("health", "health")):
        messages = await asyncio.to_thread(
            kafka_broker.read, f"streammon.{topic}.v1", until=lambda found: len(found) == 1
        )
        value = messages[0].value()
        assert isinstance(value, bytes)
        assert checked(value)["type"] == kind
        assert messages[0].key() == b"cam"
    (frame,) = await asyncio.to_thread(
        kafka_broker.read, FRAMES, until=lambda found: len(found) == 1
    )
    assert frame.value() == an_overlay(3).jpeg
    assert checked(_headers(frame)[OVERLAY_HEADER])["seq"] == 3


def murmur2(data: bytes) -> int:
    """The Java client's hash, as a signed 32-bit number."""
    mask, m = 0xFFFFFFFF, 0x5BD1E995
    h = 0x9747B28C ^ len(data)
    whole = len(data) // 4 * 4
    for at in range(0, whole, 4):
        k = int.from_bytes(data[at : at + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    rest = data[whole:]
    if rest:
        h = (h ^ int.from_bytes(rest, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    h ^= h >> 15
    return h - 2**32 if h >= 2**31 else h


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_our_murmur2_is_the_java_clients(text: bytes, expected: int) -> None:
    assert murmur2(text) == expected


async def test_streams_are_where_a_java_client_would_put_them(kafka_broker: Broker) -> None:
    names = [f"cam-{number}" for number in range(40)] + ["日本", "a b", "x" * 100]
    async with a_sink(kafka_broker, partitions=5) as sink:
        await sink.deliver_alerts(
            [stored(seq, stream=StreamId(name)) for seq, name in enumerate(names, 1)]
        )
    messages = await asyncio.to_thread(kafka_broker.read, ALERTS, until=complete(len(names)))
    for message in messages:
        key = message.key()
        assert isinstance(key, bytes)
        assert message.partition() == (murmur2(key) & 0x7FFFFFFF) % 5
    assert {message.partition() for message in messages} == set(range(5))


# --- topics ----------------------------------------------------------------------------------


async def test_topics_are_created_with_their_partitions(kafka_broker: Broker) -> None:
    for _ in range(2):
        async with a_sink(kafka_broker, partitions=3, overlays=True):
            pass
    topics = kafka_broker.admin().list_topics(timeout=10).topics
    made = {name: len(topic.partitions) for name, topic in topics.items() if "streammon" in name}
    assert made == {f"streammon.{each}.v1": 3 for each in ("alerts", "results", "health", "frames")}


async def test_a_missing_topic_is_named(kafka_broker: Broker) -> None:
    with pytest.raises(Permanent, match=r"no topic streammon\.alerts\.v1.*on_missing: create"):
        async with a_sink(kafka_broker, on_missing="fail"):
            pass
    assert "streammon.alerts.v1" not in kafka_broker.admin().list_topics(timeout=10).topics


async def test_without_a_broker_it_is_tried_again(
    kafka_broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    kafka_broker.stop()
    with monkeypatch.context() as patch:
        patch.setattr(kafka_topics, "ANSWER_S", 0.5)
        with pytest.raises(Retryable, match=kafka_broker.bootstrap):
            async with a_sink(kafka_broker):
                pass
    kafka_broker.start()
    async with a_sink(kafka_broker):
        pass


async def test_a_setting_that_librdkafka_does_not_know_needs_a_person(kafka_broker: Broker) -> None:
    with pytest.raises(Permanent, match=r"no\.such\.setting"):
        async with a_sink(kafka_broker, properties={"no.such.setting": "1"}):
            pass


async def test_an_alert_that_is_too_large_to_send_is_named(kafka_broker: Broker) -> None:
    async with a_sink(kafka_broker) as sink:
        with pytest.raises(Permanent, match=r"alert-1 has \d+ bytes.*message\.max\.bytes"):
            await sink.deliver_alerts([stored(1, why="x" * 1_500_000)])


# --- trouble ---------------------------------------------------------------------------------


async def test_a_frozen_broker_loses_nothing_and_the_delay_is_told(kafka_broker: Broker) -> None:
    reports = Reports()
    sink = a_sink(kafka_broker, accepted_within_s=0.5)
    async with pumping(sink, reports) as outbox:
        await outbox.append_many(rows(range(100)))
        await outbox.settled()
        reports.clear()  # a producer that begins may take longer than half a second
        with kafka_broker.frozen():
            for start in range(100, 1000, 100):
                await outbox.append_many(rows(range(start, start + 100)))
            async with asyncio.timeout(10):
                while not reports:  # noqa: ASYNC110 - reports have no event
                    await asyncio.sleep(0.05)
        await outbox.settled()
        producers = sink.stats().producers
    assert {state for state, _ in reports} == {HealthState.RETRYING, HealthState.UP}
    assert reports[0][0] is HealthState.RETRYING
    assert "alerts wait" in reports[0][1]
    assert reports[-1] == (HealthState.UP, "")
    messages = await asyncio.to_thread(kafka_broker.read, ALERTS, until=complete(1000))
    # A broker that is held up half a second again and again gets a new producer, and some twice.
    assert len(messages) == 1000 or producers > 1
    check_order(messages, 1000)


async def test_who_was_held_up_hears_first_what_was_accepted(kafka_broker: Broker) -> None:
    async with a_sink(kafka_broker, accepted_within_s=0.5) as sink:
        delivering = asyncio.create_task(sink.deliver_alerts([stored(1)]))
        await asyncio.sleep(0)
        kafka_broker.read(ALERTS, until=complete(1))  # the loop stands still: the time is up
        time.sleep(1.0)  # noqa: ASYNC251 - and its acceptance is here
        await delivering


async def test_a_broker_that_lost_its_log_gets_a_new_producer(kafka_broker: Broker) -> None:
    reports = Reports()
    sink = a_sink(kafka_broker, accepted_within_s=1.0)
    async with pumping(sink, reports) as outbox:
        await outbox.append_many(rows(range(300)))
        await outbox.settled()
        await asyncio.to_thread(kafka_broker.lose_everything)
        await outbox.append_many(rows(range(300, 600)))
        async with asyncio.timeout(40):
            await outbox.settled()
        assert sink.stats().producers >= 2
    messages = await asyncio.to_thread(kafka_broker.read, ALERTS, until=complete(300))
    assert set(ids(messages)) == {f"alert-{number}" for number in range(300, 600)}
    for found in by_key(messages).values():
        assert found == sorted(found)
    assert reports[-1] == (HealthState.UP, "")


async def test_killed_in_mid_flight_no_alert_is_lost(kafka_broker: Broker, tmp_path: Path) -> None:
    last = await asyncio.to_thread(
        _kill_and_drain, kafka_broker, tmp_path / "o.db", tmp_path / "said"
    )
    said = [int(line) for line in (tmp_path / "said").read_text().split()]
    assert len(said) > 500
    # The last kill may have come between storing an alert and saying so.
    assert last in (said[-1], said[-1] + 1)
    messages = await asyncio.to_thread(kafka_broker.read, ALERTS, until=complete(last))
    bodies = defaultdict(set)
    for message, event_id in zip(messages, ids(messages), strict=True):
        value = message.value()
        assert isinstance(value, bytes)
        bodies[int(event_id.removeprefix("alert-"))].add(json.loads(value)["n"])
    assert sorted(bodies) == [*range(1, last + 1)]
    assert all(numbers == {name} for name, numbers in bodies.items())
    for found in by_key(messages).values():
        numbers = [int(event_id.removeprefix("alert-")) for event_id in found]
        assert numbers == sorted(numbers)


def _kill_and_drain(broker: Broker, outbox: Path, said: Path) -> int:
    """Returns the number of the last alert that was stored."""
    for round_ in range(4):
        with said.open("ab") as out:
            child = _child(broker, outbox, "0.0005", out)
            try:
                size = out.tell()
                until_s = time.monotonic() + 15
                while said.stat().st_size < size + 800 and time.monotonic() < until_s:
                    time.sleep(0.01)
                if round_ % 2:
                    with broker.frozen():
                        time.sleep(0.3)
                        child.kill()
                        child.wait()
            finally:
                child.kill()
                child.wait()
    child = _child(broker, outbox, "drain", subprocess.PIPE)
    try:
        last, _ = child.communicate(timeout=30)
        assert child.returncode == 0
    finally:
        child.kill()
        child.wait()
    return int(last)


def _child(broker: Broker, outbox: Path, todo: str, out: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(CHILD), broker.bootstrap, str(outbox), todo]
    return subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)


# --- frames ----------------------------------------------------------------------------------


async def test_while_the_broker_is_away_only_the_newest_frame_waits(kafka_broker: Broker) -> None:
    async with a_sink(kafka_broker, overlays=True, overlay_fps=30) as sink:
        with kafka_broker.frozen():
            for seq in range(100):
                for name in ("a", "b"):
                    await sink.deliver(an_overlay(seq, stream=StreamId(name)))
            await asyncio.sleep(0.2)
            assert sink.stats().frames_dropped == 2 * 98
        messages = await asyncio.to_thread(
            kafka_broker.read, FRAMES, until=lambda found: len(found) == 4
        )
    shown = defaultdict(list)
    for message in messages:
        header = checked(_headers(message)[OVERLAY_HEADER])
        shown[header["stream"]].append(header["seq"])
    assert shown == {"a": [0, 99], "b": [0, 99]}


async def test_a_flood_of_frames_does_not_hold_up_alerts(kafka_broker: Broker) -> None:
    picture = bytes(300_000)
    reports = Reports()
    sink = a_sink(kafka_broker, overlays=True, overlay_fps=30)
    async with pumping(sink, reports) as outbox:
        flooding = True

        async def flood() -> None:
            seq = 0
            while flooding:
                seq += 1
                for name in "abcdefgh":
                    await sink.deliver(an_overlay(seq, stream=StreamId(name), jpeg=picture))
                await asyncio.sleep(0.002)

        async with asyncio.TaskGroup() as group:
            group.create_task(flood())
            for start in range(0, 500, 50):
                await outbox.append_many(rows(range(start, start + 50)))
                async with asyncio.timeout(5):
                    await outbox.settled()
            async with asyncio.timeout(10):
                while sink.stats().frames_delivered <= 8:  # noqa: ASYNC110 - no event tells this
                    await asyncio.sleep(0.01)
            flooding = False
    messages = await asyncio.to_thread(kafka_broker.read, ALERTS, until=complete(500))
    check_order(messages, 500)
    assert reports == []


async def test_a_frame_that_is_too_large_is_dropped_and_counted(kafka_broker: Broker) -> None:
    async with a_sink(kafka_broker, overlays=True, max_frame_kb=100) as sink:
        await sink.deliver(an_overlay(0, jpeg=bytes(100 * 1024 + 1)))
        assert sink.stats().frames_dropped == 1
