"""What Twitch, Discord and Slack say, read without a connection: above all nothing does harm."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.errors import Permanent, Retryable
from streammon.core.moderation import AuthorRole
from streammon.ingest.chat import discord_events, slack_events, twitch_events
from streammon.ingest.chat.discord_events import Guild
from streammon.ingest.chat.twitch_login import reset_s
from streammon.ingest.chat.web_api import Answer

WORDS = [
    *["metadata", "payload", "session", "subscription", "event", "message", "badges", "set_id"],
    *["type", "channel.chat.message", "chatter_user_id", "message_id", "message_timestamp"],
    *["id", "author", "member", "roles", "permissions", "owner_id", "role", "guild_id", "bot"],
    *["user", "ts", "subtype", "message_changed", "edited", "channel", "text", "is_admin"],
    *["keepalive_timeout_seconds", "status", "timestamp", "content", "role_id"],
]
NAMES = st.sampled_from(WORDS)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=20,
)
OBJECTS = st.dictionaries(NAMES, JSON, max_size=8)


@given(message=OBJECTS)
def test_nothing_that_twitch_might_say_does_harm(message: dict[str, Any]) -> None:
    twitch_events.kind_of(message)
    assert 10.0 <= twitch_events.silence_s_of(message) <= 600.0
    assert twitch_events.why_revoked(message)
    twitch_events.said_of(message, room="r")


@given(
    event=OBJECTS,
    kind=st.sampled_from(
        ["GUILD_CREATE", "GUILD_UPDATE", "GUILD_ROLE_CREATE", "GUILD_ROLE_DELETE", "READY"]
    ),
)
def test_nothing_that_discord_might_say_does_harm(event: dict[str, Any], kind: str) -> None:
    guild = Guild()
    guild.take(kind, event)
    discord_events.said_of(event, guild=guild)


@given(payload=OBJECTS)
def test_nothing_that_slack_might_say_does_harm(payload: dict[str, Any]) -> None:
    slack_events.said_of(payload)
    slack_events.roles_of(payload)
    slack_events.said_of({"event": {**payload, "type": "message"}})


def test_times_of_twitch_have_nanoseconds() -> None:
    message = {
        "metadata": {"message_timestamp": "2023-07-19T10:11:12.464757833Z"},
        "payload": {
            "subscription": {"type": "channel.chat.message"},
            "event": {"chatter_user_id": "1", "message_id": "m", "message": {"text": "hi"}},
        },
    }
    said = twitch_events.said_of(message, room="r")
    assert said is not None
    assert said.sent_unix_s == pytest.approx(1689761472.464757)


def test_the_reset_of_points_is_a_moment_and_becomes_a_wait() -> None:
    def wait_s(**headers: str) -> float | None:
        answer = Answer(429, {}, {name.replace("_", "-"): text for name, text in headers.items()})
        return reset_s(answer, now_unix_s=lambda: 1_000.0)

    assert wait_s(ratelimit_reset="1030") == 30.0
    assert wait_s(ratelimit_reset="900") == 0.0
    assert wait_s(ratelimit_reset="soon", retry_after="7") == 7.0
    assert wait_s() is None
    assert reset_s(Answer(429, {}, {"ratelimit-reset": str(int(time.time()) + 60)})) is not None


@pytest.mark.parametrize("bit", [1, 2, 3, 5, 13, 40])
def test_each_right_to_act_on_others_makes_a_moderator(bit: int) -> None:
    guild = Guild()
    role = {"id": "7", "permissions": str(1 << bit)}
    guild.take("GUILD_CREATE", {"id": "1", "owner_id": "5", "roles": [role]})
    assert guild.roles({"id": "6"}, ["7"]) == {AuthorRole.MODERATOR}
    guild.take("GUILD_ROLE_DELETE", {"guild_id": "1", "role_id": "7"})
    assert guild.roles({"id": "6"}, ["7"]) == frozenset()


def test_what_everybody_in_a_server_may_do_spares_nobody() -> None:
    guild = Guild()
    everyone = {"id": "1", "permissions": str(1 << 13)}
    guild.take("GUILD_CREATE", {"id": "1", "owner_id": "5", "roles": [everyone]})
    assert guild.roles({"id": "6"}, ["1"]) == frozenset()
    assert guild.roles({"id": "5"}, ["1"]) == {AuthorRole.BROADCASTER}


@pytest.mark.parametrize(
    ("error", "raised"),
    [("invalid_auth", Permanent), ("missing_scope", Permanent), ("internal_error", Retryable)],
)
def test_errors_of_slack_say_who_has_to_act(error: str, raised: type[Exception]) -> None:
    told = slack_events.failure(error, token="app_token", scope="connections:write")
    assert type(told) is raised


def test_an_answer_of_slack_is_good_only_if_it_says_so() -> None:
    assert slack_events.error_of(Answer(200, {"ok": True}, {})) == ""
    assert slack_events.error_of(Answer(200, {"ok": False, "error": "x"}, {})) == "x"
    assert slack_events.error_of(Answer(502, {}, {})) == "status 502"
