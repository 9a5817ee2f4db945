"""Twitch's EventSub and Helix, against a fake written from their documents."""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streammon.core.errors import Permanent, Retryable
from streammon.core.moderation import ActionStatus, AuthorRole, ModerationAction
from streammon.ingest.chat import twitch
from streammon.ingest.chat.twitch import TwitchChat, TwitchConfig
from tests.chat_sources import STREAM, Chat, a_request, is_done, reading, take
from tests.line_sources import each_law, held_to, met
from tests.loopback.fake_eventsub import CHANNEL, CHANNEL_ID, CLIENT_ID, FakeTwitch, fake_twitch
from tests.web_lines import Peer

RENEWAL = {
    "client_id": CLIENT_ID,
    "client_secret": "the-secret",
    "refresh_token": "good-refresh",
}


def a_source(fake: FakeTwitch, folder: Path, **more: Any) -> TwitchChat:
    settings = {
        "channel": CHANNEL,
        "token": "good-token",
        "api_url": f"{fake.url}/helix",
        "accounts_url": fake.url,
        "eventsub_url": f"{fake.lines.url}/ws",
        "author_key_file": folder / "authors.key",
        **more,
    }
    return TwitchConfig(**settings).build(STREAM)


def connected(
    source: TwitchChat, fake: FakeTwitch, number: int = 0
) -> AbstractAsyncContextManager[tuple[Chat, Peer]]:
    """The source, open, and the fake's end of its connection."""
    return met(source, fake.greeted(number))


async def test_messages_come_with_badges_as_roles(tmp_path: Path) -> None:
    async with fake_twitch() as fake:
        source = a_source(fake, tmp_path)
        async with connected(source, fake) as (chat, peer):
            for badges in (["broadcaster"], ["moderator", "subscriber"], ["vip"], []):
                await fake.say(peer, "hi", by=str(len(badges)) + str(badges), badges=badges)
            messages = [await chat.next() for _ in range(4)]
            known = [source.author(message.author_id) for message in messages]
        assert [each.roles for each in known if each] == [
            {AuthorRole.BROADCASTER},
            {AuthorRole.MODERATOR},
            {AuthorRole.VIP},
            frozenset(),
        ]
        assert {message.room for message in messages} == {CHANNEL}
        (subscription,) = fake.subscriptions
        assert subscription["condition"] == {"broadcaster_user_id": CHANNEL_ID, "user_id": "2002"}
        assert subscription["transport"] == {"method": "websocket", "session_id": "session-0"}


async def test_what_is_sent_twice_is_read_once(tmp_path: Path) -> None:
    async with fake_twitch() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        await fake.say(peer, "one", message_id="e1", chat_id="c1")
        await fake.say(peer, "one", message_id="e1", chat_id="c1")
        await fake.say(peer, "two")
        assert await chat.texts(2) == ["one", "two"]


async def test_moving_to_another_connection_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(twitch, "REST_S", 0.2)
    async with fake_twitch() as fake, connected(a_source(fake, tmp_path), fake) as (chat, old):
        await fake.say(old, "before")
        url = f"{fake.lines.url}/ws?again=1"
        moved = fake.session("session-0", reconnect_url=url, keepalive_timeout_seconds=None)
        await fake.send(old, "session_reconnect", moved)
        await fake.say(old, "while it moves")
        async with asyncio.TaskGroup() as group:
            taking = group.create_task(take(chat, 4))
            new = await fake.greeted(1)
            await fake.say(old, "still on the old one", chat_id="both")
            await fake.say(new, "still on the old one", chat_id="both")
            await fake.say(new, "after")
        spoken = ["before", "while it moves", "still on the old one", "after"]
        messages = taking.result()
        assert [message.text for message in messages] == spoken
        assert {message.epoch for message in messages} == {0}
        assert new.path == "/ws?again=1"
        assert await old.closed_by_client() == 1000
        assert len(fake.subscriptions) == 1, "the session keeps its subscriptions"


async def test_silence_beyond_the_keepalive_is_a_dead_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with fake_twitch() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        await fake.say(peer, "alive")
        assert await chat.texts(1) == ["alive"]
        monkeypatch.setattr(twitch, "GRACE_S", -9.6)
        await fake.send(peer, "session_keepalive", {})  # from here on 0.4 s are to be too long
        with pytest.raises(Retryable, match="silent"):
            await chat.next()


@pytest.mark.parametrize("code", [4000, 4003, 4005, 4006, 1001])
async def test_a_closed_connection_is_opened_again(tmp_path: Path, code: int) -> None:
    async with fake_twitch() as fake:
        source = a_source(fake, tmp_path)
        async with connected(source, fake) as (chat, peer):
            await peer.close(code)
            with pytest.raises(Retryable, match=str(code)):
                await chat.next()
        async with connected(source, fake, 1) as (chat, peer):
            await fake.say(peer, "again")
            assert (await chat.next()).epoch == 1
        assert len(fake.subscriptions) == 2


async def test_a_lost_connection_is_opened_again(tmp_path: Path) -> None:
    async with fake_twitch() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        peer.drop()
        with pytest.raises(Retryable, match="1006"):
            await chat.next()


@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("authorization_revoked", "sign in again"),
        ("user_removed", "no longer exists"),
        ("x", "rev"),
    ],
)
async def test_a_revoked_subscription_needs_a_person(
    tmp_path: Path, status: str, words: str
) -> None:
    async with fake_twitch() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        subscription = {"type": "channel.chat.message", "status": status}
        await fake.send(peer, "revocation", {"subscription": subscription})
        with pytest.raises(Permanent, match=words):
            await chat.next()


async def test_nonsense_is_passed_over(tmp_path: Path) -> None:
    async with fake_twitch() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        for text in ("", "[]", "{", '{"metadata": 7}', '{"metadata": {"message_type": []}}'):
            await peer.send_text(text)
        await fake.send(peer, "notification", {"subscription": 3, "event": []})
        await fake.say(peer, "sense")
        assert await chat.texts(1) == ["sense"]


# --- tokens ----------------------------------------------------------------------------------


async def test_a_wrong_token_needs_a_person_and_is_not_told(tmp_path: Path) -> None:
    async with fake_twitch() as fake:
        source = a_source(fake, tmp_path, token="wrong-token")
        with pytest.raises(Permanent, match="set `token`") as caught:
            async with reading(source):
                raise AssertionError("it was opened")
        assert "wrong-token" not in str(caught.value)


async def test_a_token_without_the_scope_needs_a_person(tmp_path: Path) -> None:
    async with fake_twitch() as fake:
        fake.scopes = ["moderator:manage:banned_users"]
        with pytest.raises(Permanent, match="user:read:chat"):
            async with reading(a_source(fake, tmp_path)):
                raise AssertionError("it was opened")


async def test_an_unknown_channel_needs_a_person(tmp_path: Path) -> None:
    async with fake_twitch() as fake:
        with pytest.raises(Permanent, match="knows no channel"):
            async with reading(a_source(fake, tmp_path, channel="nobody")):
                raise AssertionError("it was opened")


async def test_a_token_that_runs_out_is_renewed(tmp_path: Path) -> None:
    async with fake_twitch() as fake:
        source = a_source(fake, tmp_path, token="out-of-date", **RENEWAL)
        async with connected(source, fake) as (chat, peer):
            await fake.say(peer, "spam")
            message = await chat.next()
            fake.good_tokens.clear()
            assert is_done(await chat.act(ModerationAction.BAN, message))
            assert fake.renewals == 2


async def test_a_refresh_token_that_is_refused_needs_a_person(tmp_path: Path) -> None:
    async with fake_twitch() as fake:
        renewal = {**RENEWAL, "refresh_token": "spent"}
        source = a_source(fake, tmp_path, token="out-of-date", **renewal)
        with pytest.raises(Permanent, match="does not renew") as caught:
            async with reading(source):
                raise AssertionError("it was opened")
        assert "spent" not in str(caught.value)


def test_half_a_renewal_is_refused() -> None:
    with pytest.raises(ValidationError, match="or none"):
        TwitchConfig(channel=CHANNEL, token="token", client_id="x")


@pytest.mark.parametrize("name", ["api_url", "accounts_url", "eventsub_url"])
def test_addresses_without_tls_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="expected"):
        TwitchConfig(channel=CHANNEL, token="token", **{name: "http://api.twitch.tv"})


# --- acting ----------------------------------------------------------------------------------


async def test_every_action_and_back(tmp_path: Path) -> None:
    async with fake_twitch() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        chat_id = await fake.say(peer, "spam")
        message = await chat.next()
        assert is_done(await chat.act(ModerationAction.DELETE, message))
        assert is_done(await chat.act(ModerationAction.WARN, message))
        timeout = await chat.act(ModerationAction.TIMEOUT, message, duration_s=59.2)
        assert fake.banned["42"]["duration"] == 60
        lifting = {"receipt": timeout.receipt, "author_id": "forgotten"}
        assert is_done(await chat.act(ModerationAction.UNTIMEOUT, message, **lifting))
        ban = await chat.act(ModerationAction.BAN, message)
        assert "duration" not in fake.banned["42"]
        assert ban.receipt == "42"
        lifting = {"receipt": ban.receipt, "author_id": "forgotten"}
        assert is_done(await chat.act(ModerationAction.UNBAN, message, **lifting))
        assert (fake.deleted, fake.banned) == ([chat_id], {})
        assert fake.warned == [{"user_id": "42", "reason": "Too many links."}]


async def test_what_was_so_before_is_already_done(tmp_path: Path) -> None:
    async with fake_twitch() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        await fake.say(peer, "spam")
        message = await chat.next()
        fake.banned["42"] = {}
        fake.deleted.append(message.message_id)
        again = {"key": "another", "receipt": "7"}
        outcomes = [
            await chat.act(ModerationAction.BAN, message),
            await chat.act(ModerationAction.DELETE, message),
            await chat.act(ModerationAction.UNBAN, message, **again),
        ]
        assert {outcome.status for outcome in outcomes} == {ActionStatus.ALREADY}


async def test_the_broadcaster_cannot_be_banned(tmp_path: Path) -> None:
    async with fake_twitch() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        await fake.say(peer, "mine", by=CHANNEL_ID)
        outcome = await chat.act(ModerationAction.BAN, await chat.next())
        assert outcome.status is ActionStatus.REFUSED


async def test_without_its_scope_an_action_is_not_offered(tmp_path: Path) -> None:
    async with fake_twitch() as fake:
        fake.scopes = ["user:read:chat", "moderator:manage:chat_messages"]
        async with connected(a_source(fake, tmp_path), fake) as (chat, peer):
            await fake.say(peer, "spam")
            message = await chat.next()
            assert chat.source.actions == {ModerationAction.DELETE}
            outcome = await chat.act(ModerationAction.BAN, message)
            assert outcome.status is ActionStatus.REFUSED
            assert fake.banned == {}


async def test_out_of_points_it_says_when_to_come_back(tmp_path: Path) -> None:
    async with fake_twitch() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        await fake.say(peer, "spam")
        message = await chat.next()
        fake.run_out_of_points(30)
        outcome = await chat.act(ModerationAction.BAN, message)
        assert outcome.status is ActionStatus.FAILED
        assert 25.0 < (outcome.retry_after_s or 0.0) <= 30.0


@pytest.mark.parametrize("status", [409, 500, 503])
async def test_what_may_work_later_has_failed_for_now(tmp_path: Path, status: int) -> None:
    async with fake_twitch() as fake, connected(a_source(fake, tmp_path), fake) as (chat, peer):
        await fake.say(peer, "spam")
        message = await chat.next()
        fake.bans_status = status
        outcome = await chat.act(ModerationAction.BAN, message)
        assert outcome.status is ActionStatus.FAILED
        fake.bans_status = None
        assert is_done(await chat.act(ModerationAction.BAN, message))


async def test_nothing_is_done_while_not_connected(tmp_path: Path) -> None:
    async with fake_twitch() as fake:
        source = a_source(fake, tmp_path)
        async with connected(source, fake) as (chat, peer):
            await fake.say(peer, "spam")
            message = await chat.next()
        outcome = await source.act(a_request(ModerationAction.BAN, message))
        assert outcome.status is ActionStatus.FAILED


# --- what every source promises ---------------------------------------------------------------


@each_law
async def test_it_keeps_the_promises_of_sources(law: Any, tmp_path: Path) -> None:
    async with fake_twitch() as fake:
        await held_to(
            law,
            partial(a_source, fake, tmp_path),
            refused={"token": "not-told"},
            greet=fake.greeted,
            say=fake.say,
        )
