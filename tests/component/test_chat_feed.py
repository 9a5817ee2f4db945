"""A platform's connections as one source: epochs, losses, and whose error it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent, Retryable
from streammon.core.moderation import AuthorBook
from streammon.core.ports import RealTime, SourceContext
from streammon.core.types import ChatMessage, HealthState, Item, StreamId
from streammon.flow.channel import Channel, WhenFull
from streammon.ingest.chat.feed import ChatConfig, ChatFeed, Desk, Losses, fed
from streammon.ingest.chat.said import Said
from tests.fakes import FakeClock, Reports, WantAll, settle


def a_feed(
    folder: Path,
    *connections: Sequence[Said | Exception],
    when_full: WhenFull = WhenFull.BLOCK,
    **settings: object,
) -> ChatFeed:
    """A feed whose connections say these things in turn, and fail where an exception stands."""
    turns = iter(connections)

    @asynccontextmanager
    async def connect(desk: Desk) -> AsyncGenerator[AsyncIterator[Said]]:
        desk.up()

        async def run(channel: Channel[Said]) -> None:
            for each in next(turns):
                if isinstance(each, Exception):
                    raise each
                await channel.send(each)

        async with fed("fake", run) as said:
            yield said

    config = ChatConfig.model_validate({"author_key_file": folder / "authors.key", **settings})
    return ChatFeed(StreamId("chat"), config, platform="fake", connect=connect, when_full=when_full)


def said(number: int) -> Said:
    return Said(author_id="ann", text=f"message {number}", message_id=str(number), name="Ann")


async def read(feed: ChatFeed, reports: Reports, got: list[Item]) -> None:
    """One connection, to its end; what it raises is raised."""
    context = SourceContext(WantAll(), FakeClock(auto=False), reports)
    async with asyncio.timeout(20), feed.open(context) as items:
        got.extend([item async for item in items])


async def messages(feed: ChatFeed, reports: Reports) -> list[ChatMessage]:
    got: list[Item] = []
    with pytest.raises(Retryable, match="the server ended the connection"):
        await read(feed, reports, got)
    return [item for item in got if isinstance(item, ChatMessage)]


async def test_each_connection_is_an_epoch_and_what_came_before_is_not_told_twice(
    tmp_path: Path,
) -> None:
    feed, reports = a_feed(tmp_path, [said(1), said(2)], [said(2), said(3)]), Reports()
    assert isinstance(feed, RealTime)
    assert isinstance(feed, AuthorBook)
    first, second = await messages(feed, reports), await messages(feed, reports)
    assert [(each.epoch, each.seq, each.message_id) for each in first + second] == [
        (0, 0, "1"),
        (0, 1, "2"),
        (1, 2, "3"),
    ]
    assert reports[-1] == (HealthState.UP, "")
    known = feed.author(first[0].author_id)
    assert known is not None
    assert known.name == "Ann"
    assert first[0].author_id == feed.hashed("ann")


async def test_what_is_not_as_wanted_is_told_again_once_messages_come(tmp_path: Path) -> None:
    @asynccontextmanager
    async def connect(desk: Desk) -> AsyncGenerator[AsyncIterator[Said]]:
        desk.degraded("not in #b")

        async def run(channel: Channel[Said]) -> None:
            await channel.send(said(1))
            await channel.send(said(2))

        async with fed("fake", run) as saying:
            yield saying

    config = ChatConfig.model_validate({"author_key_file": tmp_path / "authors.key"})
    feed, reports = ChatFeed(StreamId("chat"), config, platform="fake", connect=connect), Reports()
    assert len(await messages(feed, reports)) == 2
    assert reports == [(HealthState.DEGRADED, "not in #b")] * 2


async def test_the_cause_of_the_platform_is_raised_after_all_that_was_said(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, [said(1), Permanent("the token was taken back")])
    got: list[Item] = []
    with pytest.raises(Permanent, match="taken back"):
        await read(feed, Reports(), got)
    assert len(got) == 1


async def test_a_defect_of_the_adapter_comes_out_as_it_is(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, [ZeroDivisionError("defect")])
    with pytest.raises(ZeroDivisionError):
        await read(feed, Reports(), [])


async def test_an_error_of_the_reader_comes_out_as_it_is(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, [said(1)])
    with pytest.raises(KeyError, match="mine"):
        async with feed.open(SourceContext(WantAll(), MonotonicClock(), Reports())):
            raise KeyError("mine")


async def test_what_is_above_the_rate_is_left_out_and_told(tmp_path: Path) -> None:
    feed, reports = a_feed(tmp_path, [said(n) for n in range(9)], max_per_s=2.0), Reports()
    assert len(await messages(feed, reports)) == 4
    cause = "1 message was left out on this connection, mostly: more than max_per_s (2)"
    told_again = (HealthState.DEGRADED, cause)  # after whoever reads it has called it up
    assert reports == [(HealthState.UP, ""), (HealthState.DEGRADED, cause), told_again]


async def test_losses_are_told_for_as_long_as_they_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streammon.ingest.chat.feed.TELL_EVERY_S", 0.02)
    over = asyncio.Event()
    reports: list[tuple[HealthState, str]] = []

    def report(state: HealthState, cause: str) -> None:
        reports.append((state, cause))
        if state is HealthState.UP:
            over.set()

    losses = Losses(StreamId("chat"), report, recovered=lambda: report(HealthState.UP, ""))
    for why in ("unreadable", "too fast", "too fast"):
        losses.add(why)
    async with asyncio.timeout(5):
        await over.wait()
    told = "messages were left out on this connection, mostly:"
    assert [cause for _, cause in reports] == [
        "1 message was left out on this connection, mostly: unreadable",
        f"3 {told} too fast",
        "",
    ]
    losses.add("unreadable")
    assert reports[-1][1].startswith(f"4 {told}")
    losses.close()


async def read_late(feed: ChatFeed, reports: Reports) -> list[ChatMessage]:
    """All of a connection, but only once nothing more of it can come."""
    clock, got = FakeClock(auto=False), list[Item]()

    async def read_on() -> None:
        async with feed.open(SourceContext(WantAll(), clock, reports)) as items:
            await settle()
            await clock.advance(60.0)
            got.extend([item async for item in items])

    with pytest.raises(Retryable, match="the server ended the connection"):
        await read_on()
    return [item for item in got if isinstance(item, ChatMessage)]


async def test_what_waits_for_a_reader_is_of_the_moment_when_it_came(tmp_path: Path) -> None:
    feed = a_feed(tmp_path, [said(n) for n in range(9)])
    got = await read_late(feed, Reports())
    assert [each.captured_ns for each in got] == [0] * 9


async def test_a_platform_that_waits_is_left_alone_while_too_much_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streammon.ingest.chat.feed.MOST_UNREAD", 4)
    reports = Reports()
    got = await read_late(a_feed(tmp_path, [said(n) for n in range(9)]), reports)
    assert [each.message_id for each in got] == [str(n) for n in range(9)]
    assert [each.captured_ns for each in got] == [0] * 5 + [60 * 10**9] * 4
    assert reports == [(HealthState.UP, "")]


async def test_of_one_that_does_not_wait_messages_are_left_out_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("streammon.ingest.chat.feed.MOST_UNREAD", 4)
    reports = Reports()
    all_said = [said(n) for n in range(9)]
    feed = a_feed(tmp_path, all_said, all_said[:7], when_full=WhenFull.DROP_NEWEST)
    got = await read_late(feed, reports)
    assert [each.message_id for each in got] == ["0", "1", "2", "3"]
    cause = "1 message was left out on this connection, mostly: more come than are looked at"
    assert reports == [
        (HealthState.UP, ""),
        (HealthState.DEGRADED, cause),
        (HealthState.DEGRADED, cause),
    ], "again, after whoever reads it has called it up"
    again = await read_late(feed, Reports())
    assert [each.message_id for each in again] == ["4", "5", "6"], "they may be said again"
