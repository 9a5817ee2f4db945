"""A moderation sink that is to settle: deeds begun are seen through, and none is begun."""

from __future__ import annotations

import asyncio
from pathlib import Path

from streammon.core.moderation import ActionOutcome, ActionRequest
from streammon.sinks.moderation.records import State
from streammon.sinks.moderation.sink import ModerationSink
from tests.moderating import SOON_S, Platform, an_alert, entered, named, settings, stored, until


class Slow(Platform):
    """Answers when told to."""

    def __init__(self, known: list[str]) -> None:
        super().__init__(known)
        self.answers = asyncio.Event()

    async def act(self, request: ActionRequest) -> ActionOutcome:
        done = await super().act(request)
        await self.answers.wait()
        return done


async def test_who_is_to_settle_waits_for_the_answer_and_leaves_the_rest_for_the_next_run(
    tmp_path: Path,
) -> None:
    platform = Slow(["a", "b"])
    async with entered(settings(tmp_path), platform) as (sink, desk):
        await sink.deliver_alerts([stored(an_alert(named("a", "m1"), named("b", "m2")))])
        while not platform.asked:  # noqa: ASYNC110 - looked at from outside
            await asyncio.sleep(0.01)
        settling = asyncio.create_task(sink.settle())
        await asyncio.sleep(0.1)
        assert not settling.done()
        platform.answers.set()
        await settling
        await asyncio.sleep(0.6)  # longer than two looks of the steward
        assert len(await until(desk, State.DONE)) == len(await until(desk, State.DUE)) == 1
    assert [request.author_id for request in platform.asked] == ["a"]
    async with entered(settings(tmp_path), platform) as (_, desk):
        await until(desk, State.DONE, count=2)
    assert [request.author_id for request in platform.asked] == ["a", "b"]


async def test_a_sink_that_is_down_has_nothing_to_settle(tmp_path: Path) -> None:
    async with asyncio.timeout(SOON_S):
        await ModerationSink("moderation", settings(tmp_path)).settle()
