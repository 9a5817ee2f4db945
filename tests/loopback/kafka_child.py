"""A process to be killed: appends numbered alerts to an outbox and pumps them to Kafka.

    python kafka_child.py BOOTSTRAP OUTBOX (PAUSE_S | drain)

Prints each number once the outbox has it. With `drain` it appends nothing, ends when Kafka has
everything, and prints the last number that the outbox has.
"""

from __future__ import annotations

import asyncio
import sys

from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.types import StreamId
from streammon.sinks.kafka import KafkaConfig
from streammon.sinks.outbox import NewAlert, Outbox, pump


async def main(bootstrap: str, path: str, todo: str) -> None:
    clock = MonotonicClock()
    async with (
        Outbox(OutboxConfig(), path, clock=clock) as outbox,
        KafkaConfig(bootstrap=bootstrap).build("kafka") as sink,
        asyncio.TaskGroup() as group,
    ):
        await outbox.join("kafka")
        pumping = group.create_task(
            pump(outbox, "kafka", sink, clock=clock, report=lambda state, cause: None)
        )
        if todo == "drain":
            await outbox.settled()
            pumping.cancel()
            print(outbox.last_seq)
            return
        number = outbox.last_seq
        while True:
            number += 1
            row = NewAlert(f"alert-{number}", StreamId(f"cam-{number % 3}"), b'{"n":%d}' % number)
            assert await outbox.append(row) == number
            print(number, flush=True)
            await asyncio.sleep(float(todo))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
