"""How many alerts a second the webhook sink delivers, over a bare client's speed.

Both sides post the same signed messages, of 64 streams, 8 at a time, to the same receiver, a
process of its own; ours through the outbox on disk, each stream in order, each alert taken off the
disk once it was answered. The bare side is `httpx.AsyncClient`, in no order, with nothing on disk.
Measured in turn, each first every other time; the ratio is the median of the pairs' ratios.

    webhook_alerts_per_s   from the first alert in the outbox to the last answered
    webhook_over_bare      that, over the bare client

    python -m benchmarks.webhooks [--quick] [--json OUT]
"""

from __future__ import annotations

import asyncio
import multiprocessing
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import httpx
import uvloop
from pydantic import SecretStr

from benchmarks import report
from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.ports import StoredAlert
from streammon.core.types import StreamId
from streammon.sinks.outbox import NewAlert, Outbox
from streammon.sinks.outbox_post import Post
from streammon.sinks.standard_webhooks import signed_headers
from streammon.sinks.webhook import WebhookConfig, webhook_body
from streammon.sinks.wire import dumps, to_wire
from tests.outgoing import an_alert

STREAMS, AT_ONCE = 64, 8
SECRET = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


def alerts(count: int) -> list[NewAlert]:
    made = []
    for number in range(count):
        alert = an_alert(number, stream=StreamId(f"cam-{number % STREAMS}"))
        made.append(NewAlert(alert.alert_id, alert.stream, dumps(to_wire(alert, wall=None))))
    return made


async def through_sink(url: str, rows: list[NewAlert]) -> float:
    """Alerts a second."""
    config = WebhookConfig.model_validate(
        {"url": url, "secret": SECRET, "allow_private": True, "at_once": AT_ONCE}
    )
    clock = MonotonicClock()
    with tempfile.TemporaryDirectory() as folder:
        async with (
            Outbox(OutboxConfig(), Path(folder) / "o.db", clock=clock) as outbox,
            config.build("hook") as sink,
            asyncio.TaskGroup() as group,
        ):
            await outbox.join("hook")
            post = Post(outbox, "hook", sink, clock=clock, report=lambda state, cause: None)
            posting = group.create_task(post.run())
            began_s = time.perf_counter()
            await outbox.append_many(rows)
            while not post.resting:  # noqa: ASYNC110 - polled as a monitor's end does
                await asyncio.sleep(0.002)
            taken_s = time.perf_counter() - began_s
            left = await outbox.look(lambda store: store.letters.streams("hook"))
            assert not left, "the receiver did not take everything"
            posting.cancel()
    return len(rows) / taken_s


async def bare(url: str, rows: list[NewAlert]) -> float:
    """Messages a second."""
    todo = iter(rows)

    async def work(client: httpx.AsyncClient) -> None:
        for row in todo:
            body = webhook_body(StoredAlert(0, row.alert_id, row.stream, row.body))
            headers = signed_headers(
                [SecretStr(SECRET)], message_id=row.alert_id, at_s=int(time.time()), body=body
            )
            answer = await client.post(url, content=body, headers=headers)
            assert answer.status_code == 204

    began_s = time.perf_counter()
    async with httpx.AsyncClient(trust_env=False) as client, asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work(client))
    return len(rows) / (time.perf_counter() - began_s)


@contextmanager
def a_receiver() -> Iterator[str]:
    """The URL of a process that takes everything."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_receive, args=(theirs,), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{ours.recv()}/"
    finally:
        process.kill()
        process.join()


def _receive(told: Any) -> None:
    uvloop.run(_serve(told))


async def _serve(told: Any) -> None:
    server = await asyncio.start_server(_answer, "127.0.0.1", 0)
    told.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    async for _ in _messages(reader):
        writer.write(ANSWER)
        await writer.drain()
    writer.close()


async def _messages(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The bodies of requests, as long as they come."""
    while True:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return
        (length,) = (
            int(line[16:])
            for line in head.split(b"\r\n")
            if line[:15].lower() == b"content-length:"
        )
        yield await reader.readexactly(length)


async def measure(quick: bool) -> tuple[dict[str, float], dict[str, Any]]:
    rows, pairs = alerts(1_000 if quick else 4_000), 3 if quick else 9
    rates: list[float] = []
    bares: list[float] = []
    with a_receiver() as url:
        for pair in range(pairs):
            for first in (True, False):
                if first == (pair % 2 == 0):
                    rates.append(await through_sink(url, rows))
                else:
                    bares.append(await bare(url, rows))
    ratios = [ours / theirs for ours, theirs in zip(rates, bares, strict=True)]
    figures = {"webhook_alerts_per_s": median(rates), "webhook_over_bare": median(ratios)}
    return figures, {"alerts_per_s": rates, "bare_per_s": bares, "alerts": len(rows)}


def main() -> None:
    args = report.parse_args(__doc__.splitlines()[0] if __doc__ else "")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        figures, details = runner.run(measure(args.quick))
    report.write(figures, details, args)


if __name__ == "__main__":
    main()
