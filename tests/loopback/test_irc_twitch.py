"""Twitch's dialect of IRC, against a fake that speaks the documented lines."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from streammon.core.moderation import ActionRequest, ActionStatus, AuthorRole, ModerationAction
from streammon.core.types import HealthState, StreamId
from streammon.ingest.chat.irc.source import IrcConfig, IrcSource
from tests.loopback.fake_twitch import TOKEN, FakeTwitch, fake_twitch
from tests.loopback.watched_chat import watched


@pytest.fixture
async def twitch() -> AsyncGenerator[FakeTwitch]:
    async with fake_twitch() as fake:
        yield fake


def a_source(twitch: FakeTwitch, folder: Path, **settings: object) -> IrcSource:
    given = {
        "dialect": "twitch",
        "host": "127.0.0.1",
        "port": twitch.port,
        "tls": False,
        "nick": "justinfan12345",
        "channels": ["#dallas"],
        "author_key_file": folder / "authors.key",
        **settings,
    }
    return IrcConfig.model_validate(given).build(StreamId("twitch"))


async def test_anybody_reads_with_tags_and_without_an_account(
    twitch: FakeTwitch, tmp_path: Path
) -> None:
    source = a_source(twitch, tmp_path, clock="sent")
    async with watched(source) as seen:
        await seen.up()
        assert not [line for line in twitch.heard if line.startswith("PASS")]
        assert "CAP REQ :twitch.tv/commands twitch.tv/tags" in twitch.heard
        twitch.message("Kappa Keepo", id="m1", badges="moderator/1,subscriber/12")
        twitch.message("Kappa Keepo", id="m1")  # said twice is told once
        twitch.message("\x01ACTION dances\x01", id="m2", user="8", badges="vip/1")
        first, second = await seen.next(), await seen.next()
    assert (first.text, first.room, first.message_id) == ("Kappa Keepo", "#dallas", "m1")
    assert (second.text, second.message_id) == ("dances", "m2")
    assert first.author_id != second.author_id
    moderator, vip = source.author(first.author_id), source.author(second.author_id)
    assert moderator is not None
    assert vip is not None
    assert moderator.name == "Ronni"
    assert moderator.roles == {AuthorRole.MODERATOR}
    assert vip.roles == {AuthorRole.VIP}


async def test_what_a_subscriber_adds_is_said_and_a_deleted_message_is_forgotten(
    twitch: FakeTwitch, tmp_path: Path
) -> None:
    source = a_source(twitch, tmp_path)
    async with watched(source) as seen:
        await seen.up()
        usernotice = "@badges=staff/1;display-name=Ann;id=n1;login=ann;msg-id=resub;user-id=9"
        twitch.say(f"{usernotice} :tmi.twitch.tv USERNOTICE #dallas :Great stream")
        twitch.say(f"{usernotice[:-1]}8;id=n2 :tmi.twitch.tv USERNOTICE #dallas")
        twitch.say("@ban-duration=350;target-user-id=9 :tmi.twitch.tv CLEARCHAT #dallas :ann")
        said = await seen.next()
        assert said.text == "Great stream"
        assert source._feed.book.message("n1") is not None
        twitch.say("@login=ann;target-msg-id=n1 :tmi.twitch.tv CLEARMSG #dallas :Great stream")
        twitch.message("next", id="m9")
        assert (await seen.next()).text == "next"
        assert source._feed.book.message("n1") is None


async def test_reconnect_is_obeyed_and_pings_are_answered(
    twitch: FakeTwitch, tmp_path: Path
) -> None:
    async with watched(a_source(twitch, tmp_path)) as seen:
        await seen.up()
        twitch.say("PING :tmi.twitch.tv")
        twitch.say(":tmi.twitch.tv RECONNECT")
        assert await seen.told(HealthState.RETRYING) == "the server asks to connect anew"
        await seen.up()
        assert "PONG tmi.twitch.tv" in twitch.heard
        twitch.message("back", id="m3")
        assert (await seen.next()).text == "back"


async def test_a_token_is_shown_and_a_wrong_one_needs_a_person(
    twitch: FakeTwitch, tmp_path: Path
) -> None:
    async with watched(a_source(twitch, tmp_path, nick="ronni", password=TOKEN)) as seen:
        await seen.up()
    async with watched(a_source(twitch, tmp_path, nick="ronni", password="oauth:x")) as seen:
        cause = await seen.told(HealthState.FAILED)
    assert cause == "Twitch refused the token: make a new one with chat:read"


async def test_a_ban_from_the_channel_is_named(twitch: FakeTwitch, tmp_path: Path) -> None:
    async with watched(a_source(twitch, tmp_path)) as seen:
        await seen.up()
        twitch.say("@msg-id=msg_banned :tmi.twitch.tv NOTICE #dallas :You are banned")
        cause = await seen.told(HealthState.RETRYING)
    assert cause == "not in #dallas: we are banned from it"


async def test_lines_that_are_none_are_counted_and_the_next_is_read(
    twitch: FakeTwitch, tmp_path: Path
) -> None:
    async with watched(a_source(twitch, tmp_path)) as seen:
        await seen.up()
        twitch.say("@")
        twitch.say("@tags=" + "x" * 40_000 + " :a!b@c PRIVMSG #dallas :too long")
        twitch.message("fine", id="m4")
        assert (await seen.next()).text == "fine"
        assert "left out" in await seen.told(HealthState.DEGRADED)


async def test_on_twitch_nothing_is_done_over_irc(twitch: FakeTwitch, tmp_path: Path) -> None:
    source = a_source(twitch, tmp_path)
    assert source.actions == frozenset()
    request = ActionRequest("k", StreamId("twitch"), ModerationAction.BAN, "someone")
    assert (await source.act(request)).status is ActionStatus.REFUSED


async def test_a_server_that_closes_is_come_back_to(twitch: FakeTwitch, tmp_path: Path) -> None:
    async with watched(a_source(twitch, tmp_path)) as seen:
        await seen.up()
        for writer in tuple(twitch._writers):
            writer.close()
        assert await seen.told(HealthState.RETRYING) == "the server ended the connection"
        await seen.up()
    assert len([line for line in twitch.heard if line.startswith("NICK")]) == 2
