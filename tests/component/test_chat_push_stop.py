"""Chat that was answered with 202 is judged whenever the monitor is stopped."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from streammon.core.clock import MonotonicClock
from streammon.core.ports import Answering, SourceContext
from streammon.core.types import ChatMessage, DetectionResult, StreamId, Window
from streammon.ingest.chat.push import Busy, ChatPush, ChatPushConfig
from streammon.pipelines.monitor import Monitor
from tests.component.test_quiet_chat import Chatty, eventually, watch
from tests.fakes import RecordingSink, Reports, WantAll


class Hearing(Chatty):
    """Remembers which messages it was shown."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.heard: set[str] = set()

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        shown = (item for window in batch for item in window.items)
        self.heard |= {item.message_id for item in shown if isinstance(item, ChatMessage)}
        return super().score(batch)


def a_source(folder: Path) -> ChatPush:
    settings = ChatPushConfig(author_key_file=folder / "authors.key")
    return settings.build(StreamId("chat"))


def a_message(number: int) -> dict[str, object]:
    return {"author_id": f"u{number}", "text": f"text {number}", "message_id": str(number)}


@pytest.mark.parametrize("passes", [0, 1, 2, 3, 5, 8])
async def test_what_was_taken_is_judged_and_from_the_stop_on_nothing_is_taken(
    passes: int, tmp_path: Path
) -> None:
    """One message in each of so many passes of the loop after the stop, until one is refused."""
    source, hearing = a_source(tmp_path), Hearing("chatty")
    taken: list[str] = []
    refused: list[str] = []

    def push(number: int) -> None:
        try:
            source.push([a_message(number)])
        except Busy as busy:
            refused.append(str(busy))
        else:
            taken.append(str(number))

    async def push_until_stopped(monitor: Monitor, sink: RecordingSink) -> None:
        await eventually(lambda: source.is_open)
        push(0)
        loop = asyncio.get_running_loop()

        def push_later(number: int) -> None:
            push(number)
            if number < passes:
                loop.call_soon(push_later, number + 1)

        if passes:
            loop.call_soon(push_later, 1)

    await watch(source, MonotonicClock(), push_until_stopped, detector=hearing)
    assert taken[0] == "0"
    assert set(taken) == hearing.heard, "as many as were answered with 202, and no other"
    push(99)
    assert refused[-1] == "the monitor is stopping"
    assert not source.is_open


async def test_what_waits_is_handed_over_once_and_a_new_opening_takes_again(
    tmp_path: Path,
) -> None:
    source = a_source(tmp_path)
    assert isinstance(source, Answering)
    assert not source.stop()
    context = SourceContext(WantAll(), MonotonicClock(), Reports())
    async with source.open(context) as items:
        source.push([a_message(1), a_message(2)])
        first = await anext(items)
        source.push([a_message(3)])
        left = source.stop()
        with pytest.raises(Busy, match="stopping"):
            source.push([a_message(4)])
        assert not source.stop()
        with pytest.raises(StopAsyncIteration):
            await anext(items)
    got = [item.message_id for item in (first, *left) if isinstance(item, ChatMessage)]
    assert got == ["1", "2", "3"]
    async with source.open(context) as items:
        assert source.push([a_message(3), a_message(4)]).accepted == 1
        again = await anext(items)
    assert isinstance(again, ChatMessage)
    assert again.message_id == "4"
