"""The moderation sink over an outbox, with a platform that acts on cue and a hook that answers."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent, Retryable
from streammon.core.moderation import (
    ActionOutcome,
    ActionRequest,
    ActionStatus,
    AuthorRole,
    KnownAuthor,
    ModerationAction,
)
from streammon.core.types import StreamId
from streammon.sinks.moderation.docket import NotNow
from streammon.sinks.moderation.records import State
from streammon.sinks.moderation.sink import ModerationSink
from streammon.sinks.moderation.steward import AT_A_TIME
from streammon.sinks.outbox import MEMORY, NewAlert, Outbox, pump
from streammon.sinks.standard_webhooks import verify_webhook
from tests.answering import Answer, Asked, answering
from tests.moderating import (
    CHAT,
    SOON_S,
    Platform,
    an_alert,
    entered,
    named,
    settings,
    stored,
    until,
)

SECRET = "whsec_" + "c2VjcmV0" * 6


async def test_an_incident_is_acted_on_by_its_source_once(tmp_path: Path) -> None:
    platform = Platform(["a", "b"])
    async with entered(settings(tmp_path), platform) as (sink, desk):
        alert = stored(an_alert(named("a", "m1", "m2"), named("b", "m3")))
        await sink.deliver_alerts([alert, alert])
        await until(desk, State.DONE, count=2)
        await sink.deliver_alerts([alert])
    async with entered(settings(tmp_path), platform) as (sink, desk):  # after a restart
        await sink.deliver_alerts([alert])
        await sink.deliver_alerts([stored(an_alert(named("a"), severity="warning"), 2)])
        await until(desk, State.DONE, count=4)
    asked = [(request.action.value, request.author_id) for request in platform.asked]
    assert asked == [("delete", "a"), ("delete", "b"), ("timeout", "a"), ("ban", "a")]
    assert platform.asked[0].message_ids == ("m1", "m2")
    assert platform.asked[2].duration_s == 600
    assert len({request.key for request in platform.asked}) == 4


async def test_a_rehearsal_asks_nobody(tmp_path: Path) -> None:
    platform = Platform(["a"])
    async with entered(settings(tmp_path, dry_run=True), platform) as (sink, desk):
        await sink.deliver_alerts([stored(an_alert(named("a", "m1"), severity="warning"))])
        found = await until(desk, State.WOULD, count=2)
        assert all(each.dry_run for each in found)
        await asyncio.sleep(0.6)  # longer than two looks of the steward
    assert platform.asked == []


async def test_nothing_is_lost_while_the_platform_is_away(tmp_path: Path) -> None:
    away = ActionOutcome(ActionStatus.FAILED, "not connected", retry_after_s=0.1)
    platform = Platform(["a"], outcomes=[away])
    async with entered(settings(tmp_path), platform) as (sink, desk):
        await sink.deliver_alerts([stored(an_alert(named("a", "m1")))])
        await until(desk, State.DONE)
    first, second = platform.asked
    assert first.key == second.key


async def test_a_restart_goes_on_with_what_was_due(tmp_path: Path) -> None:
    alert = stored(an_alert(named("a", "m1")))
    async with entered(settings(tmp_path), None) as (sink, desk):  # the stream is not there yet
        await sink.deliver_alerts([alert])
        await until(desk, State.DUE)
    platform = Platform(["a"])
    async with entered(settings(tmp_path), platform) as (_, desk):
        (done,) = await until(desk, State.DONE)
        assert done.message_ids == ("m1",)


async def test_whom_the_platform_trusts_is_spared_even_if_made_so_a_moment_ago(
    tmp_path: Path,
) -> None:
    platform = Platform(["mod", "late"], roles={"mod": frozenset({AuthorRole.MODERATOR})})
    config = settings(tmp_path, policy={"chat_flood": [{"at": "info", "do": "ban", "hold": True}]})
    async with entered(config, platform) as (sink, desk):
        await sink.deliver_alerts([stored(an_alert(named("mod"), named("late")))])
        (held,) = await until(desk, State.HELD)
        assert held.author_id == "late"
        platform.roles["late"] = frozenset({AuthorRole.VIP})
        await desk.decide(held.decision_id, "confirm", by="person:ann")
        spared = await until(desk, State.SPARED, count=2)
        assert {each.cause for each in spared} == {
            "the author is moderator there",
            "the author is vip there",
        }
    assert platform.asked == []


async def test_whom_the_platform_does_not_know_is_not_acted_on_until_seen(tmp_path: Path) -> None:
    platform = Platform()
    async with entered(settings(tmp_path), platform) as (sink, desk):
        await sink.deliver_alerts([stored(an_alert(named("a", "m1")))])
        (due,) = await until(desk, State.DUE)
        await asyncio.sleep(0.4)
        assert platform.asked == []
        platform.known.add("a")
        (done,) = await until(desk, State.DONE)
        assert done.decision_id == due.decision_id


class Reader:
    """A source that knows its authors and cannot act."""

    def author(self, author_id: str) -> KnownAuthor | None:
        return KnownAuthor("Ann")


async def test_a_source_that_cannot_act_refuses_and_says_so(tmp_path: Path) -> None:
    async with entered(settings(tmp_path), Reader()) as (sink, desk):
        await sink.deliver_alerts([stored(an_alert(named("a", "m1")))])
        (refused,) = await until(desk, State.REFUSED)
    assert refused.cause == "the source of this stream cannot act"


async def test_a_person_lifts_a_ban_with_what_the_platform_said_of_it(tmp_path: Path) -> None:
    platform = Platform(["a"])
    ladder = {"chat_flood": [{"at": "info", "do": "ban"}]}
    async with entered(settings(tmp_path, policy=ladder), platform) as (sink, desk):
        await sink.deliver_alerts([stored(an_alert(named("a")))])
        (ban,) = await until(desk, State.DONE)
    platform.known.clear()  # a restart has forgotten who that is
    async with entered(settings(tmp_path, policy=ladder), platform) as (_, desk):
        await desk.decide(ban.decision_id, "undo", by="person:ann")
        (undone,) = await until(desk, State.UNDONE)
        with pytest.raises(NotNow):
            await desk.decide(ban.decision_id, "undo", by="person:ann")
    assert undone.receipt == ""
    lift = platform.asked[-1]
    assert (lift.action, lift.receipt) == (ModerationAction.UNBAN, "mask-a")
    assert lift.key != platform.asked[0].key


async def test_alerts_reach_it_through_the_outbox_though_it_was_down(tmp_path: Path) -> None:
    platform, clock = Platform(["a"]), MonotonicClock()
    async with Outbox(OutboxConfig(), MEMORY, clock=clock) as outbox:
        await outbox.join("moderation")
        alert = stored(an_alert(named("a", "m1")))
        await outbox.append(NewAlert(alert.alert_id, alert.stream, alert.body))
        async with (
            entered(settings(tmp_path), platform) as (sink, desk),
            asyncio.TaskGroup() as group,
        ):
            pumping = group.create_task(
                pump(outbox, "moderation", sink, clock=clock, report=lambda state, why: None)
            )
            await until(desk, State.DONE)
            await outbox.settled()
            pumping.cancel()
    assert [request.message_ids for request in platform.asked] == [("m1",)]


# --- the hook --------------------------------------------------------------------------------


def hooked(url: str, **changes: Any) -> dict[str, Any]:
    return {"hook": {"url": url, "secret": SECRET, "answer_within_s": SOON_S, **changes}}


def saying(body: bytes, status: int = 200) -> Callable[[Asked], Answer]:
    return lambda asked: Answer(body, status)


async def test_the_hook_is_asked_signed_and_its_confirmation_acts(tmp_path: Path) -> None:
    platform = Platform(["a"])
    with answering(saying(b'{"decision": "confirm"}')) as bot:
        async with entered(settings(tmp_path, **hooked(bot.url)), platform) as (sink, desk):
            await sink.deliver_alerts([stored(an_alert(named("a", "m1")))])
            (done,) = await until(desk, State.DONE)
        (question,) = bot.asked
    assert done.by == "hook"
    verify_webhook(question.headers, question.body, secrets=[SECRET], now_s=time.time())
    said = json.loads(question.body)
    assert said["type"] == "moderation.suggested"
    assert said["data"]["action"] == "delete"
    assert said["data"]["message_ids"] == ["m1"]
    assert said["data"]["needs_person"] is False
    assert "name of a" not in question.body.decode()


async def test_a_veto_of_the_hook_stops_it(tmp_path: Path) -> None:
    platform = Platform(["a"])
    with answering(saying(b'{"decision": "veto"}')) as bot:
        async with entered(settings(tmp_path, **hooked(bot.url)), platform) as (sink, desk):
            await sink.deliver_alerts([stored(an_alert(named("a", "m1")))])
            (vetoed,) = await until(desk, State.VETOED)
    assert (vetoed.by, platform.asked) == ("hook", [])


@pytest.mark.parametrize(
    "answer",
    [
        Answer(b"", 204),
        Answer(b"confirm", 200),
        Answer(b'{"decision": "ban everyone"}', 200),
        Answer(b'{"decision": "confirm", "decision_id": "another"}', 200),
        Answer(b'{"decision": "confirm", "padding": "' + b"x" * 5000 + b'"}', 200),
        Answer(b"[" * 4000, 200),
        Answer(b'{"decision": "confirm"}', 302),
        Answer(b'{"decision": "confirm"}', 403),
        Answer(b'{"decision": "confirm"}', 500),
    ],
)
async def test_anything_else_is_silence_and_silence_holds(tmp_path: Path, answer: Answer) -> None:
    platform = Platform(["a"])
    with answering(lambda asked: answer) as bot:
        config = settings(tmp_path, **hooked(bot.url, answer_within_s=0.4))
        async with entered(config, platform) as (sink, desk):
            await sink.deliver_alerts([stored(an_alert(named("a", "m1")))])
            (held,) = await until(desk, State.HELD)
    assert (held.by, held.cause) == ("timer", "the hook gave no answer in time")
    assert platform.asked == []


async def test_a_bot_without_a_source_of_ours_does_it_itself(tmp_path: Path) -> None:
    with answering(saying(b'{"decision": "confirm"}')) as bot:
        async with entered(settings(tmp_path, **hooked(bot.url)), Reader()) as (sink, desk):
            await sink.deliver_alerts([stored(an_alert(named("a", "m1")))])
            (over,) = await until(desk, State.HANDED_OVER)
    assert over.by == "hook"


# --- what else it writes ---------------------------------------------------------------------


async def test_every_step_is_a_line_for_programs_and_names_nobody(tmp_path: Path) -> None:
    out = tmp_path / "actions.jsonl"
    config = settings(tmp_path, out=str(out))
    async with entered(config, Platform(["a"])) as (sink, desk):
        await sink.deliver_alerts([stored(an_alert(named("a", "m1")))])
        await until(desk, State.DONE)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(line["type"], line["state"]) for line in lines] == [
        ("moderation", "due"),
        ("moderation", "done"),
    ]
    assert "name of a" not in out.read_text()
    async with entered(config, Platform(["a"])):
        pass
    assert len(out.read_text().splitlines()) == 2  # a restart repeats nothing


async def test_lines_that_the_disk_refused_come_once_it_takes_them(tmp_path: Path) -> None:
    out = tmp_path / "not yet" / "actions.jsonl"
    sink = ModerationSink("moderation", settings(tmp_path, out=str(out)))
    sink.meet({CHAT: Platform(["a"])}.get)

    async def run_until_it_fails() -> None:
        async with asyncio.timeout(SOON_S), sink:
            await sink.deliver_alerts([stored(an_alert(named("a", "m1")))])
            await asyncio.Event().wait()

    with pytest.raises(Retryable, match="cannot be written: No such file"):
        await run_until_it_fails()
    out.parent.mkdir()
    async with asyncio.timeout(SOON_S), sink:  # as the monitor does, after a pause
        assert sink.desk is not None
        await until(sink.desk, State.DONE)
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["state"] for line in lines] == ["due", "done"]


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir())


async def test_names_are_shown_from_memory_only(tmp_path: Path) -> None:
    config = settings(tmp_path, policy={"chat_flood": [{"at": "info", "do": "ban", "hold": True}]})
    async with entered(config, Platform(["a"])) as (sink, desk):
        await sink.deliver_alerts([stored(an_alert(named("a")))])
        await until(desk, State.HELD)
        (shown,) = await desk.waiting(10)
        assert (shown.name, shown.can_act) == ("name of a", True)
    assert b"name of a" not in everything_in(tmp_path)


async def test_a_second_monitor_on_the_same_file_is_refused(tmp_path: Path) -> None:
    async with entered(settings(tmp_path), None):
        with pytest.raises(Permanent, match="another monitor"):
            async with entered(settings(tmp_path), None):
                pass


async def test_alerts_of_other_streams_find_no_actor(tmp_path: Path) -> None:
    platform = Platform(["a"])
    async with entered(settings(tmp_path, give_up_after_s=0.1), platform) as (sink, desk):
        alert = an_alert(named("a", "m1"))
        alert["stream"] = StreamId("other")
        await sink.deliver_alerts([stored(alert)])
        (failed,) = await until(desk, State.FAILED)
    assert failed.cause == "the stream is not watched now"
    assert platform.asked == []


class Stuck(Platform):
    """Never answers."""

    async def act(self, request: ActionRequest) -> ActionOutcome:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_platform_that_hangs_holds_up_no_other_stream(tmp_path: Path) -> None:
    many, other = [f"bot-{number}" for number in range(AT_A_TIME + 50)], StreamId("other")
    platforms = {CHAT: Stuck(many), other: Platform(["a"])}
    sink = ModerationSink("moderation", settings(tmp_path))
    sink.meet(platforms.get)
    async with asyncio.timeout(SOON_S), sink:
        assert sink.desk is not None
        await sink.deliver_alerts([stored(an_alert(*(named(bot, f"m-{bot}") for bot in many)))])
        await until(sink.desk, State.DUE, count=len(many))
        await sink.deliver_alerts([stored({**an_alert(named("a", "m1")), "stream": other}, 2)])
        (done,) = await until(sink.desk, State.DONE)
        assert done.stream == other
