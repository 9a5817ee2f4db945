"""A process to be killed: appends numbered alerts to an outbox and posts them to a webhook.

    python webhook_child.py URL OUTBOX (PAUSE_S | drain)

Prints each number once the outbox has it. With `drain` it appends nothing and ends when the
receiver has everything.
"""

from __future__ import annotations

import asyncio
import json
import sys

from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.types import StreamId
from streammon.sinks.outbox import NewAlert, Outbox
from streammon.sinks.outbox_post import Post
from streammon.sinks.webhook import WebhookConfig


async def main(url: str, path: str, todo: str) -> None:
    clock = MonotonicClock()
    config = WebhookConfig.model_validate(
        {"url": url, "allow_private": True, "first_pause_s": 0.05, "most_pause_s": 0.2}
    )
    async with (
        Outbox(OutboxConfig(), path, clock=clock) as outbox,
        config.build("hook") as sink,
        asyncio.TaskGroup() as group,
    ):
        await outbox.join("hook")
        post = Post(outbox, "hook", sink, clock=clock, report=lambda state, cause: None)
        posting = group.create_task(post.run())
        while todo == "drain":
            await asyncio.sleep(0.02)
            if post.resting and not await outbox.look(lambda store: store.letters.streams("hook")):
                posting.cancel()
                return
        number = outbox.last_seq
        while True:
            number += 1
            said = {
                "alert_id": f"alert-{number}", "stream": f"cam-{number % 3}", "kind": "freeze",
                "state": "opened", "severity": "warning", "time": "2026-11-22T07:00:00.000Z",
            }  # fmt: skip
            row = NewAlert(said["alert_id"], StreamId(said["stream"]), json.dumps(said).encode())
            assert await outbox.append(row) == number
            print(number, flush=True)
            await asyncio.sleep(float(todo))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
