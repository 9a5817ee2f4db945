"""One librdkafka producer whose delivery reports come back on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import TypeAlias

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streammon.sinks.kafka_events import Record

log = logging.getLogger(__name__)

POLL_S = 0.1
FLUSH_S = 5.0

Report: TypeAlias = tuple[Hashable, KafkaError | None]
"""A record's token and why it was not delivered. The token `None` is the client itself."""


class Link:
    """A producer with one thread that polls it. Leave with `close`.

    `reported` is called on the event loop with the delivery reports of one poll.
    """

    def __init__(
        self,
        name: str,
        properties: Mapping[str, str | int | bool],
        *,
        reported: Callable[[Sequence[Report]], None],
    ) -> None:
        self._reported = reported
        self._loop = asyncio.get_running_loop()
        self._reports: list[Report] = []
        self._stopping = threading.Event()
        self._finished = asyncio.Event()
        self._flush_s = FLUSH_S
        self._producer = Producer(
            {"log_level": 3, **properties, "error_cb": self._client_error},
            logger=logging.getLogger(f"{__name__}.client"),
        )
        self._thread = threading.Thread(target=self._run, name=f"kafka:{name}", daemon=True)
        self._thread.start()

    def send(self, topic: str, record: Record, token: Hashable) -> None:
        """Queue one record without waiting.

        Raises `BufferError` when the queue is full and `KafkaException` when the record or the
        producer is past hope.
        """
        self._producer.produce(
            topic,
            value=record.value,
            key=record.key,
            headers=record.headers,
            on_delivery=partial(self._delivered, token),
        )

    async def close(self, *, flush_s: float = FLUSH_S) -> None:
        """Give what is queued `flush_s` to get out, then drop the rest and free the thread."""
        self._flush_s = flush_s
        self._stopping.set()
        await self._finished.wait()
        self._thread.join()

    def _delivered(self, token: Hashable, error: KafkaError | None, _: Message) -> None:
        self._reports.append((token, error))

    def _client_error(self, error: KafkaError) -> None:
        self._reports.append((None, error))

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._poll()
            self._producer.flush(self._flush_s)
            self._producer.purge()
            self._producer.flush(1.0)
        except KafkaException as error:
            self._reports.append((None, error.args[0]))
        finally:
            self._hand_over()
            self._to_loop(self._finished.set)

    def _poll(self) -> None:
        """Callbacks happen inside `poll` and are handed over in one go."""
        try:
            self._producer.poll(POLL_S)
        except KafkaException as error:  # a producer past hope says so again at each poll
            self._reports.append((None, error.args[0]))
            self._stopping.wait(POLL_S)
        self._hand_over()

    def _hand_over(self) -> None:
        reports, self._reports = self._reports, []
        if reports:
            self._to_loop(self._reported, reports)

    def _to_loop(self, call: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # a loop that was closed has nobody left to tell
            self._loop.call_soon_threadsafe(call, *arguments)
