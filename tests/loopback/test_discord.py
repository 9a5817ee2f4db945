"""Discord's gateway and REST API, against a fake written from their documents."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streammon.core.errors import Permanent, Retryable
from streammon.core.moderation import ActionStatus, AuthorRole, ModerationAction
from streammon.core.types import ChatMessage
from streammon.ingest.chat import discord
from streammon.ingest.chat.discord import DiscordChat, DiscordConfig
from streammon.ingest.chat.discord_events import INTENTS
from tests.chat_sources import STREAM, Chat, a_request, is_done, reading
from tests.line_sources import each_law, held_to, met
from tests.loopback.fake_discord import (
    BOT,
    CHANNEL,
    EVERYONE,
    GUILD,
    MODS,
    OWNER,
    TOKEN,
    FakeDiscord,
    fake_discord,
)
from tests.web_lines import Peer

Happens = Callable[[Peer], Awaitable[Any]]


async def nothing(peer: Peer) -> None:
    """Happens."""


def a_source(fake: FakeDiscord, folder: Path, **more: Any) -> DiscordChat:
    settings = {
        "token": TOKEN,
        "guild": GUILD,
        "api_url": fake.url,
        "author_key_file": folder / "authors.key",
        **more,
    }
    return DiscordConfig(**settings).build(STREAM)


def connected(
    source: DiscordChat, fake: FakeDiscord, number: int = 0
) -> AbstractAsyncContextManager[tuple[Chat, Peer]]:
    """The source, open, and the fake's end of its connection, ready."""
    return met(source, fake.ready(number))


async def lived(source: DiscordChat, fake: FakeDiscord, happens: Happens) -> None:
    """A connection on which one message comes, then this happens, until it ends."""
    async with connected(source, fake) as (chat, peer):
        await fake.say(peer, "one")
        await happens(peer)
        await chat.to_the_end()


async def said_after(source: DiscordChat, fake: FakeDiscord) -> Any:
    """What the second connection begins with."""
    greeting = asyncio.create_task(fake.hello(1))
    async with reading(source):
        _, said = await greeting
        return said


async def one_message(fake: FakeDiscord, chat: Chat, peer: Peer, **more: Any) -> ChatMessage:
    await fake.say(peer, "spam", **more)
    return await chat.next()


async def test_messages_come_with_roles(tmp_path: Path) -> None:
    async with fake_discord() as fake:
        source = a_source(fake, tmp_path)
        async with connected(source, fake) as (chat, peer):
            await fake.say(peer, "mine", by=OWNER)
            await fake.say(peer, "careful", by="41", roles=[EVERYONE, MODS])
            await fake.say(peer, "hi", by="42", roles=[EVERYONE])
            await fake.say(peer, "beep", by="43", bot=True)
            messages = [await chat.next() for _ in range(4)]
            roles = [source.author(each.author_id) for each in messages]
        assert [each.roles for each in roles if each] == [
            {AuthorRole.BROADCASTER},
            {AuthorRole.MODERATOR},
            frozenset(),
            {AuthorRole.BOT},
        ]
        assert {message.room for message in messages} == {CHANNEL}


async def test_it_identifies_with_the_intents_that_it_needs(tmp_path: Path) -> None:
    async with fake_discord() as fake, asyncio.TaskGroup() as group:
        greeting = group.create_task(fake.hello())
        async with reading(a_source(fake, tmp_path)):
            peer, said = await greeting
        assert said["d"]["token"] == TOKEN
        assert said["d"]["intents"] == INTENTS == 1 | 512 | 32_768
        assert peer.path == "/?v=10&encoding=json"


async def test_roles_follow_what_is_told_of_the_server(tmp_path: Path) -> None:
    async with fake_discord() as fake:
        source = a_source(fake, tmp_path)
        async with connected(source, fake) as (chat, peer):
            changed = {"guild_id": GUILD, "role": {"id": MODS, "permissions": "0"}}
            await fake.dispatch(peer, "GUILD_ROLE_UPDATE", changed)
            message = await one_message(fake, chat, peer, roles=[MODS])
            known = source.author(message.author_id)
            assert known is not None
            assert known.roles == frozenset()


async def test_other_servers_channels_and_the_bot_itself_are_not_read(tmp_path: Path) -> None:
    async with fake_discord() as fake:
        source = a_source(fake, tmp_path, channels=(CHANNEL,))
        async with connected(source, fake) as (chat, peer):
            await fake.say(peer, "elsewhere", guild_id="99999999")
            await fake.say(peer, "another channel", channel_id="39999999")
            await fake.say(peer, "a warning", by=BOT)
            await fake.say(peer, "here")
            assert await chat.texts(1) == ["here"]


async def test_an_edit_is_read_as_what_it_says_now(tmp_path: Path) -> None:
    async with fake_discord() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        await fake.say(peer, "harmless", message_id="7")
        edit = {"edited_timestamp": "2026-11-22T08:00:05+00:00", "kind": "MESSAGE_UPDATE"}
        await fake.say(peer, "harmless", message_id="7", kind="MESSAGE_UPDATE")
        await fake.say(peer, "spam", message_id="7", **edit)
        messages = [await chat.next() for _ in range(2)]
        assert [message.text for message in messages] == ["harmless", "spam"]
        assert is_done(await chat.act(ModerationAction.DELETE, messages[1]))
        assert fake.message_ids == set()


async def test_it_beats_and_answers_when_asked_to(tmp_path: Path) -> None:
    async with fake_discord() as fake:
        fake.heartbeat_ms = 300
        async with connected(a_source(fake, tmp_path), fake) as (chat, peer):
            seq = await fake.say(peer, "one")
            await chat.next()
            beats: list[Any] = []
            while len(beats) < 3:
                beat = await peer.receive()
                await peer.send({"op": 11})
                if beats or beat["d"] == seq:  # the first may have come before the message
                    beats.append(beat)
            assert beats == 3 * [{"op": 1, "d": seq}]
            fake.heartbeat_ms = 45_000
            await peer.send({"op": 1})
            assert (await peer.receive())["op"] == 1


async def test_a_connection_that_answers_no_heartbeat_is_resumed(tmp_path: Path) -> None:
    async with fake_discord() as fake:
        fake.heartbeat_ms = 200
        source = a_source(fake, tmp_path)
        with pytest.raises(Retryable):
            await lived(source, fake, nothing)
        closed = await fake.lines.peers[0].closed_by_client()
        assert closed == 4900, "neither 1000 nor 1001: they end the session"
        greeting = asyncio.create_task(fake.hello(1))
        async with reading(source) as chat:
            again, said = await greeting
            known = {"token": TOKEN, "session_id": "the-session", "seq": 3}
            assert said == {"op": 6, "d": known}
            assert again.path.startswith("/resume/")
            await fake.say(again, "missed")
            await fake.dispatch(again, "RESUMED", {})
            assert await chat.texts(1) == ["missed"]


async def test_asked_to_reconnect_it_resumes_at_once_and_loses_nothing(tmp_path: Path) -> None:
    async with fake_discord() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        await fake.say(peer, "before")
        seq = await fake.say(peer, "last", message_id="7")
        await peer.send({"op": 7, "d": None})
        again, said = await fake.hello(1)
        assert said["op"] == 6
        assert said["d"]["seq"] == seq
        await fake.say(again, "last", message_id="7")
        await fake.say(again, "missed")
        await fake.dispatch(again, "RESUMED", {})
        messages = [await chat.next() for _ in range(3)]
        assert [each.text for each in messages] == ["before", "last", "missed"]
        assert {each.epoch for each in messages} == {0}


@pytest.mark.parametrize(("resumable", "operation"), [(True, 6), (False, 2)])
async def test_an_invalid_session_is_begun_anew_unless_it_can_be_resumed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resumable: bool, operation: int
) -> None:
    monkeypatch.setattr(discord, "ANEW_LEAST_S", 0.0)
    monkeypatch.setattr(discord, "ANEW_MOST_MORE_S", 0.1)
    async with fake_discord() as fake:
        source = a_source(fake, tmp_path)
        with pytest.raises(Retryable, match="did not take the session up"):
            await lived(source, fake, lambda peer: peer.send({"op": 9, "d": resumable}))
        assert (await said_after(source, fake))["op"] == operation


@pytest.mark.parametrize(("code", "operation"), [(4000, 6), (4008, 6), (4007, 2), (4009, 2)])
async def test_a_closed_connection_is_resumed_where_that_can_be(
    tmp_path: Path, code: int, operation: int
) -> None:
    async with fake_discord() as fake:
        source = a_source(fake, tmp_path)
        with pytest.raises(Retryable, match=str(code)):
            await lived(source, fake, lambda peer: peer.close(code))
        assert (await said_after(source, fake))["op"] == operation


@pytest.mark.parametrize(
    ("code", "words"),
    [(4004, "set `token`"), (4014, "Message Content Intent"), (4011, "split"), (4012, "update")],
)
async def test_some_ends_need_a_person(tmp_path: Path, code: int, words: str) -> None:
    async with fake_discord() as fake:
        with pytest.raises(Permanent, match=words):
            await lived(a_source(fake, tmp_path), fake, lambda peer: peer.close(code))


async def test_a_wrong_token_needs_a_person_and_is_not_told(tmp_path: Path) -> None:
    async with fake_discord() as fake:
        with pytest.raises(Permanent, match="set `token`") as caught:
            async with reading(a_source(fake, tmp_path, token="wrong-token")):
                raise AssertionError("it was opened")
        assert "wrong-token" not in str(caught.value)


async def test_no_session_is_begun_when_none_is_left(tmp_path: Path) -> None:
    async with fake_discord() as fake:
        fake.sessions_left = 0
        with pytest.raises(Retryable, match="no new session for 60 s"):
            async with reading(a_source(fake, tmp_path)):
                raise AssertionError("it was opened")
        assert fake.lines.peers == []


async def test_a_server_that_the_bot_is_not_in_needs_a_person(tmp_path: Path) -> None:
    async with fake_discord() as fake:
        with pytest.raises(Permanent, match="check `guild`"):
            await lived(a_source(fake, tmp_path, guild="88888888"), fake, nothing)


async def test_removed_from_the_server_needs_a_person(tmp_path: Path) -> None:
    async def goes(peer: Peer) -> None:
        await fake.dispatch(peer, "GUILD_DELETE", {"id": GUILD, "unavailable": True})
        await fake.say(peer, "an outage is no reason")
        await fake.dispatch(peer, "GUILD_DELETE", {"id": GUILD})

    async with fake_discord() as fake:
        with pytest.raises(Permanent, match="invite it again"):
            await lived(a_source(fake, tmp_path), fake, goes)


async def test_nonsense_is_passed_over(tmp_path: Path) -> None:
    async with fake_discord() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        for text in ("", "[]", "{", '{"op": "x"}', '{"op": 0, "t": 7, "d": 8, "s": "y"}'):
            await peer.send_text(text)
        await fake.dispatch(peer, "MESSAGE_CREATE", {"guild_id": GUILD, "member": [], "author": 1})
        await fake.dispatch(peer, "GUILD_UPDATE", {"id": GUILD, "roles": [None, {"id": 3}]})
        await fake.say(peer, "sense")
        assert await chat.texts(1) == ["sense"]


@pytest.mark.parametrize(
    "settings",
    [{"api_url": "http://discord.com/api"}, {"guild": "my server"}, {"channels": ("general",)}],
)
def test_what_cannot_work_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DiscordConfig(**{"token": "token", "guild": GUILD, **settings})


# --- acting ----------------------------------------------------------------------------------


async def test_every_action_and_back(tmp_path: Path) -> None:
    async with fake_discord() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        message = await one_message(fake, chat, peer)
        for action in (ModerationAction.DELETE, ModerationAction.WARN):
            assert is_done(await chat.act(action, message))
        assert fake.message_ids == set()
        (warning,) = fake.written.values()
        assert warning["content"] == "<@42> Too many links."
        assert warning["allowed_mentions"] == {"users": ["42"]}

        timeout = await chat.act(ModerationAction.TIMEOUT, message, duration_s=90.0)
        until = datetime.fromisoformat(fake.members["42"]["communication_disabled_until"])
        assert timedelta(seconds=80) < until - datetime.now(UTC) <= timedelta(seconds=90)
        lifting = {"receipt": timeout.receipt, "author_id": "forgotten"}
        assert is_done(await chat.act(ModerationAction.UNTIMEOUT, message, **lifting))
        assert fake.members["42"] == {"communication_disabled_until": None}

        ban = await chat.act(ModerationAction.BAN, message)
        assert fake.banned == {"42"}
        lifting = {"receipt": ban.receipt, "author_id": "forgotten"}
        assert is_done(await chat.act(ModerationAction.UNBAN, message, **lifting))
        again = await chat.act(ModerationAction.UNBAN, message, key="another", **lifting)
        assert again.status is ActionStatus.ALREADY
        assert set(fake.reasons) == {"Too%20many%20links."}


async def test_many_messages_are_deleted_at_once(tmp_path: Path) -> None:
    async with fake_discord() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        messages = [await one_message(fake, chat, peer) for _ in range(3)]
        ids = tuple(message.message_id for message in messages)
        assert is_done(await chat.act(ModerationAction.DELETE, messages[0], message_ids=ids))
        assert fake.message_ids == set()
        gone = await chat.act(ModerationAction.DELETE, messages[0], key="again")
        assert gone.status is ActionStatus.ALREADY


async def test_a_ban_may_be_set_to_kick(tmp_path: Path) -> None:
    async with fake_discord() as fake:
        source = a_source(fake, tmp_path, ban_as="kick")
        async with connected(source, fake) as (chat, peer):
            message = await one_message(fake, chat, peer)
            assert is_done(await chat.act(ModerationAction.BAN, message))
            assert ("42" in fake.members, fake.banned) == (False, set())
            left = await chat.act(ModerationAction.TIMEOUT, message)
            assert left.status is ActionStatus.REFUSED


async def test_without_the_permission_it_is_refused_by_name(tmp_path: Path) -> None:
    async with fake_discord() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        message = await one_message(fake, chat, peer)
        fake.permitted = False
        outcome = await chat.act(ModerationAction.TIMEOUT, message)
        assert outcome.status is ActionStatus.REFUSED
        assert "Moderate Members" in outcome.cause


async def test_asked_to_wait_it_says_for_how_long(tmp_path: Path) -> None:
    async with fake_discord() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        message = await one_message(fake, chat, peer)
        fake.retry_after_s = 0.65
        outcome = await chat.act(ModerationAction.BAN, message)
        assert (outcome.status, outcome.retry_after_s) == (ActionStatus.FAILED, 0.65)
        fake.retry_after_s = None
        assert is_done(await chat.act(ModerationAction.BAN, message))


async def test_a_message_id_cannot_lead_elsewhere(tmp_path: Path) -> None:
    async with fake_discord() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        message = await one_message(fake, chat, peer)
        for more in ({"message_ids": ("../../guilds",)}, {"room": "1/pins"}):
            outcome = await chat.act(ModerationAction.DELETE, message, key=str(more), **more)
            assert outcome.status is ActionStatus.REFUSED


async def test_nothing_is_done_while_not_connected(tmp_path: Path) -> None:
    async with fake_discord() as fake:
        source = a_source(fake, tmp_path)
        async with connected(source, fake) as (chat, peer):
            message = await one_message(fake, chat, peer)
        outcome = await source.act(a_request(ModerationAction.BAN, message))
        assert outcome.status is ActionStatus.FAILED


# --- what every source promises ---------------------------------------------------------------


@each_law
async def test_it_keeps_the_promises_of_sources(law: Any, tmp_path: Path) -> None:
    async with fake_discord() as fake:

        async def greet(number: int) -> Peer:
            peer, said = await fake.hello(number)
            if said["op"] == 2:
                await fake.begin(peer)
            return peer

        await held_to(
            law,
            partial(a_source, fake, tmp_path),
            refused={"token": "not-told"},
            greet=greet,
            say=fake.say,
        )
