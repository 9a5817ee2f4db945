"""How much of the bare clients' speed the Kafka and WebSocket sinks keep.

Both sides of a figure are measured in the same run, in turn, each first every other time. A figure
that compares is the median of the ratios of the pairs. A busy machine moves single pairs far.

    kafka_alerts_per_s   alerts appended to the outbox on disk and accepted by a real broker
    kafka_over_bare      that, over the bare confluent client with the same records and settings
    frames_over_bare     overlay frames a second that arrive through the sink, over the bare client
    ws_over_bare         alerts a second at the last of 100 clients, handed to the WebSocket sink
                         one by one, over a bare broadcast
    ws_over_bare_bursts  the same, handed over 20 at a time, as the outbox does when alerts wait

The bare broadcast is `websockets.broadcast` of the same texts, made before the clock starts, one
message a turn of the loop. It writes into the connections' buffers and waits for nobody: nothing is
stored, nobody can resume, and a client that does not read grows its buffer. The sink stores each
alert in its history first and waits for that before it takes the next: the two are paced
differently, and on a busy machine single pairs lie far from the median, on both sides of 1.

Frames come from 256 streams with 64 on their way, on both sides: a stream's next frame is far
behind its last, so that frames do not give way to newer ones for an accident of the broker's.

The broker and the WebSocket clients are processes of their own. Our loop is uvloop, as in
`streammon run`, on both sides. The clients take as much time as the server; the JSON's details say
how much processor time the server alone took.

    python -m benchmarks.sinks [--quick] [--json OUT]
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import random
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TypeAlias

import uvloop
from confluent_kafka import Producer
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, broadcast, serve

from benchmarks import report
from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.ports import StoredAlert
from streammon.core.types import (
    Alert,
    AlertState,
    DetectionResult,
    Modality,
    Overlay,
    Severity,
    StreamId,
)
from streammon.sinks import wire
from streammon.sinks.kafka import KafkaConfig
from streammon.sinks.kafka_events import alert_record, overlay_record
from streammon.sinks.kafka_sink import KafkaSink
from streammon.sinks.outbox import NewAlert, Outbox, pump
from streammon.sinks.websocket import WebSocketConfig
from tests.loopback.kafka_broker import Broker, a_broker

CLOCK = MonotonicClock()
WALL = wire.WallClock(CLOCK)
STREAMS = 64
CLIENTS = 100
ALERTS_IN_BURST = 20
ALERTS_AT_ONCE = 500
FRAME_BYTES = 60_000
FRAME_PAIRS = 5
"""Short measurements in turn, per round: a broker's hiccup spoils one of them."""
FRAME_STREAMS = 256
FRAMES_ON_WAY = 64


def an_alert(number: int) -> Alert:
    """As the pipeline makes them: with one result inside, about 1 kB on the wire."""
    stream = StreamId(f"cam-{number % STREAMS}")
    end_s = number / STREAMS
    result = DetectionResult(
        stream, "freeze", "freeze", Modality.VIDEO, 0, end_s - 2, end_s, CLOCK.now_ns(), 0.97,
        "phash@1", details={"changed": 0.001, "hash_distance": 0, "brightness": 0.42},
    )  # fmt: skip
    return Alert(
        f"00000000-0000-0000-0000-{number:012d}", "incident", stream, "freeze",
        AlertState.UPDATED, Severity.WARNING, 1.5, 0.0, end_s, 0, CLOCK.now_ns(),
        "the picture has not changed for 2 s; it would clear when it moves again",
        results=(result,),
    )  # fmt: skip


def alert_rows(count: int) -> list[NewAlert]:
    alerts = [an_alert(number) for number in range(count)]
    return [
        NewAlert(alert.alert_id, alert.stream, wire.dumps(wire.to_wire(alert, wall=WALL)))
        for alert in alerts
    ]


def frames(count: int) -> list[Overlay]:
    """One frame after the other of each stream; bytes that do not compress, as in a JPEG."""
    noise = random.Random(1).randbytes(FRAME_BYTES)
    return [
        Overlay(
            StreamId(f"cam-{number % FRAME_STREAMS}"), number // FRAME_STREAMS, 0.0,
            (number // FRAME_STREAMS + 1) * 10**9, noise, 640, 360,
        )
        for number in range(count)
    ]  # fmt: skip


# --- Kafka -----------------------------------------------------------------------------------


async def alerts_through_sink(broker: Broker, rows: list[NewAlert], prefix: str) -> float:
    """Alerts a second, from the first append until Kafka has accepted the last."""
    config = KafkaConfig(bootstrap=broker.bootstrap, topic_prefix=prefix)
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Outbox(OutboxConfig(), Path(folder) / "outbox.db", clock=CLOCK) as outbox,
            config.build("kafka") as sink,
            asyncio.TaskGroup() as group,
        ):
            await outbox.join("kafka")
            pumping = group.create_task(
                pump(outbox, "kafka", sink, clock=CLOCK, report=lambda state, cause: None)
            )
            began_s = time.perf_counter()
            for start in range(0, len(rows), ALERTS_AT_ONCE):
                await outbox.append_many(rows[start : start + ALERTS_AT_ONCE])
            await outbox.settled()
            took_s = time.perf_counter() - began_s
            pumping.cancel()
    return len(rows) / took_s


def alerts_bare(broker: Broker, rows: list[NewAlert], prefix: str) -> float:
    """The same records through the same client with nothing around it."""
    topic = KafkaConfig(topic_prefix=prefix).topic("alerts")
    records = [
        alert_record(StoredAlert(seq, row.alert_id, row.stream, row.body))
        for seq, row in enumerate(rows, 1)
    ]
    producer = Producer(
        {
            "bootstrap.servers": broker.bootstrap, "enable.idempotence": True, "acks": "all",
            "linger.ms": 2, "compression.type": "zstd", "partitioner": "murmur2_random",
        }
    )  # fmt: skip
    began_s = time.perf_counter()
    for record in records:
        producer.produce(topic, value=record.value, key=record.key, headers=record.headers)
        producer.poll(0)
    assert producer.flush(60) == 0
    return len(rows) / (time.perf_counter() - began_s)


async def frames_through_sink(broker: Broker, overlays: list[Overlay], prefix: str) -> float:
    """Frames a second that arrive; those that gave way to newer ones do not count."""
    config = KafkaConfig(
        bootstrap=broker.bootstrap, topic_prefix=prefix, overlays=True, overlay_fps=30.0
    )
    async with config.build("kafka") as sink:
        began_s = time.perf_counter()
        for number, overlay in enumerate(overlays, 1):
            await sink.deliver(overlay)
            while number - arrived(sink) >= FRAMES_ON_WAY:  # noqa: ASYNC110 - no event to wait for
                await asyncio.sleep(0.0005)
        while arrived(sink) < len(overlays):  # noqa: ASYNC110 - no event to wait for
            await asyncio.sleep(0.0005)
        took_s = time.perf_counter() - began_s
        if dropped := sink.stats().frames_dropped:
            print(f"the broker took {dropped} of {len(overlays)} frames too late")
    return sink.stats().frames_delivered / took_s


def arrived(sink: KafkaSink) -> int:
    """Frames whose fate is known."""
    return sink.stats().frames_delivered + sink.stats().frames_dropped


def frames_bare(broker: Broker, overlays: list[Overlay], prefix: str) -> float:
    topic = KafkaConfig(topic_prefix=prefix).topic("frames")
    producer = Producer(
        {
            "bootstrap.servers": broker.bootstrap, "linger.ms": 2, "compression.type": "none",
            "message.max.bytes": 1_021_600, "partitioner": "murmur2_random",
        }
    )  # fmt: skip
    began_s = time.perf_counter()
    for overlay in overlays:
        record = overlay_record(overlay, WALL)
        producer.produce(topic, value=record.value, key=record.key, headers=record.headers)
        while len(producer) >= FRAMES_ON_WAY:
            producer.poll(0.01)
    assert producer.flush(60) == 0
    return len(overlays) / (time.perf_counter() - began_s)


# --- WebSocket -------------------------------------------------------------------------------


async def _read_all(url: str, count: int, opened: Any, finished: Any) -> None:
    """In a process of its own: 100 clients that count alerts."""

    async def one(waiting: asyncio.Barrier) -> None:
        async with connect(url, compression=None, max_queue=None) as connection:
            await connection.recv()
            await connection.send('{"type":"subscribe","events":["alert"],"recent_alerts":0}')
            await waiting.wait()
            for _ in range(count):
                await connection.recv()

    async with asyncio.TaskGroup() as group:
        barrier = asyncio.Barrier(CLIENTS + 1)
        for _ in range(CLIENTS):
            group.create_task(one(barrier))
        await barrier.wait()
        opened.set()
    finished.set()


def _clients(url: str, count: int, opened: Any, finished: Any) -> None:
    asyncio.run(_read_all(url, count, opened, finished))


@dataclass(frozen=True, slots=True)
class FanOut:
    per_s: float
    """Messages a second and client, from the first publish until the last client has all."""
    server_cpu_s: float
    """Processor time that this process took meanwhile."""


async def _fan_out(url: str, count: int, publish: Callable[[], Awaitable[None]]) -> FanOut:
    context = multiprocessing.get_context("spawn")
    opened, finished = context.Event(), context.Event()
    process = context.Process(target=_clients, args=(url, count, opened, finished))
    process.start()
    try:
        assert await asyncio.to_thread(opened.wait, 60)
        await asyncio.sleep(0.3)
        began_s, began_cpu_s = time.perf_counter(), time.process_time()
        await publish()
        assert await asyncio.to_thread(finished.wait, 120)
        took_s = time.perf_counter() - began_s
        return FanOut(count / took_s, time.process_time() - began_cpu_s)
    finally:
        process.kill()
        await asyncio.to_thread(process.join)


async def ws_through_hub(rows: list[NewAlert], at_once: int) -> FanOut:
    sink = WebSocketConfig(port=0, max_clients=CLIENTS).build("ws")
    async with sink:

        async def publish() -> None:
            stored = [
                StoredAlert(seq, row.alert_id, row.stream, row.body)
                for seq, row in enumerate(rows, 1)
            ]
            for first in range(0, len(stored), at_once):
                await sink.deliver_alerts(stored[first : first + at_once])

        return await _fan_out(sink.url, len(rows), publish)


async def ws_bare(rows: list[NewAlert]) -> FanOut:
    """The same texts with `websockets.broadcast`, one a turn of the loop."""
    texts = [wire.with_seq(row.body, seq).decode() for seq, row in enumerate(rows, 1)]
    connections: set[ServerConnection] = set()

    async def greet(connection: ServerConnection) -> None:
        await connection.send("{}")
        await connection.recv()
        connections.add(connection)
        await connection.wait_closed()

    async with serve(greet, "127.0.0.1", 0, compression=None) as server:
        port = server.sockets[0].getsockname()[1]

        async def publish() -> None:
            assert len(connections) == CLIENTS
            for text in texts:
                broadcast(connections, text)
                await asyncio.sleep(0)

        return await _fan_out(f"ws://127.0.0.1:{port}", len(rows), publish)


# --- all of it -------------------------------------------------------------------------------


class Taken:
    """What was measured: values by name, pairs at the same place."""

    def __init__(self) -> None:
        self.values: dict[str, list[float]] = {}

    def add(self, name: str, value: float) -> None:
        self.values.setdefault(name, []).append(value)

    def ratio(self, ours: str, bare: str) -> float:
        """The median over the pairs."""
        pairs = zip(self.values[ours], self.values[bare], strict=True)
        return median(one / other for one, other in pairs)


Measure: TypeAlias = Callable[[], Awaitable[float | FanOut]]


async def take(taken: Taken, measures: dict[str, Measure], *, backwards: bool) -> None:
    """Measure each once, in this order or the opposite one."""
    for name in reversed(measures) if backwards else measures:
        value = await measures[name]()
        if isinstance(value, FanOut):
            taken.add(f"{name}_server_cpu_s", value.server_cpu_s)
            value = value.per_s
        taken.add(name, value)


async def measure(args: argparse.Namespace) -> tuple[dict[str, float], dict[str, Any]]:
    rounds = 3 if args.quick else 7
    rows = alert_rows(10_000 if args.quick else 30_000)
    overlays = frames(1_000)
    told = rows[:300]
    taken = Taken()
    for number in range(rounds):
        backwards = bool(number % 2)
        with a_broker("noida") as broker:
            alerts: dict[str, Measure] = {
                "alerts": lambda: alerts_through_sink(broker, rows, "a"),
                "alerts_bare": lambda: asyncio.to_thread(alerts_bare, broker, rows, "a"),
            }
            pictures: dict[str, Measure] = {
                "frames": lambda: frames_through_sink(broker, overlays, "a"),
                "frames_bare": lambda: asyncio.to_thread(frames_bare, broker, overlays, "a"),
            }
            await take(taken, alerts, backwards=backwards)
            for pair in range(FRAME_PAIRS):
                await take(taken, pictures, backwards=bool(pair % 2) != backwards)
        viewers: dict[str, Measure] = {
            "ws": lambda: ws_through_hub(told, 1),
            "ws_bare": lambda: ws_bare(told),
            "ws_bursts": lambda: ws_through_hub(told, ALERTS_IN_BURST),
        }
        for pair in range(1 if args.quick else 2):
            await take(taken, viewers, backwards=bool(pair) != backwards)
        print(f"round {number + 1} of {rounds}", file=sys.stderr)
    figures = {
        "kafka_alerts_per_s": median(taken.values["alerts"]),
        "kafka_over_bare": taken.ratio("alerts", "alerts_bare"),
        "frames_over_bare": taken.ratio("frames", "frames_bare"),
        "ws_over_bare": taken.ratio("ws", "ws_bare"),
        "ws_over_bare_bursts": taken.ratio("ws_bursts", "ws_bare"),
    }
    details = {
        "taken": taken.values,
        "alert_bytes": len(rows[0].body),
        "frame_bytes": FRAME_BYTES,
        "websocket_clients": CLIENTS,
        "alerts_at_once": ALERTS_AT_ONCE,
    }
    return figures, details


def main() -> None:
    args = report.parse_args(__doc__.splitlines()[0] if __doc__ else "")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures, details = runner.run(measure(args))
    report.write(figures, details, args)


if __name__ == "__main__":
    main()
