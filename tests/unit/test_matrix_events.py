from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.moderation import AuthorRole
from streammon.ingest.chat.matrix_events import CREATE, POWER, Trust, said_of

OWNER, MODERATOR, VIP = (
    frozenset({AuthorRole.BROADCASTER}),
    frozenset({AuthorRole.MODERATOR}),
    frozenset({AuthorRole.VIP}),
)


def trust(**levels: Any) -> Trust:
    made = Trust()
    made.take({"type": POWER, "content": levels})
    return made


def message(**content: Any) -> dict[str, Any]:
    return {
        "type": "m.room.message",
        "event_id": "$1",
        "sender": "@a:x",
        "origin_server_ts": 1_500,
        "content": {"msgtype": "m.text", "body": "hello", **content},
    }


def text(**content: Any) -> str | None:
    said = said_of(message(**content), room="#r", trust=Trust())
    return None if said is None else said.text


@pytest.mark.parametrize(
    ("level", "roles"),
    [
        (100, OWNER),
        (50, MODERATOR),
        ("50", MODERATOR),
        (49, VIP),
        (0, frozenset()),
        (-1, frozenset()),
    ],
)
def test_roles_follow_the_power_levels(level: object, roles: frozenset[AuthorRole]) -> None:
    assert trust(users={"@a:x": level}).roles("@a:x") == roles


def test_moderators_are_told_by_what_kicking_and_banning_take() -> None:
    assert trust(users={"@a:x": 30}, kick=30, ban=60).roles("@a:x") == MODERATOR
    assert trust(users={"@a:x": 30}, kick=40, ban=60).roles("@a:x") == VIP


def test_where_everybody_may_do_everything_nobody_is_spared() -> None:
    """Else a room that is set up so could not be moderated at all."""
    assert trust(users_default=100, kick=0, ban=0).roles("@a:x") == frozenset()


def test_creators_stand_above_the_levels_of_newer_rooms_only() -> None:
    for version, roles in (("12", OWNER), ("11", frozenset())):
        made = trust(users={})
        content = {"room_version": version, "additional_creators": ["@b:x", 7]}
        made.take({"type": CREATE, "sender": "@a:x", "content": content})
        assert made.roles("@a:x") == made.roles("@b:x") == roles


def test_a_change_names_whom_it_raised_and_whom_it_lowered() -> None:
    made = trust(users={"@a:x": 50})
    assert made.take({"type": POWER, "content": {"users": {"@b:x": 50}}}) == {"@a:x", "@b:x"}


def test_a_message_is_said_with_its_time_and_its_sender() -> None:
    said = said_of(message(), room="#r", trust=trust(users={"@a:x": 50}))
    assert said is not None
    assert (said.author_id, said.text, said.message_id, said.room) == ("@a:x", "hello", "$1", "#r")
    assert said.sent_unix_s == 1.5
    assert said.roles == MODERATOR


def test_what_holds_no_text_is_nothing() -> None:
    assert text(msgtype="m.image") is None
    assert said_of({**message(), "content": {}}, room="#r", trust=Trust()) is None


def test_what_is_shown_counts_not_what_is_written_beside_it() -> None:
    html = {"format": "org.matrix.custom.html"}
    assert text(formatted_body="<p>buy</p><p>now &lt;3</p>", **html) == "buy\nnow <3"
    assert text(formatted_body="<mx-reply>quote</mx-reply>mine", **html) == "mine"
    assert text(formatted_body="not shown", format="else") == "hello"


def test_a_reply_is_what_was_added() -> None:
    reply = {"m.relates_to": {"m.in_reply_to": {"event_id": "$0"}}}
    assert text(body="> <@b:x> what\n> he said\n\nmy answer", **reply) == "my answer"
    assert text(body="> no blank line\nmy answer", **reply) == "> no blank line\nmy answer"
    assert text(body="> <@b:x> quoting on purpose\n\nx") == "> <@b:x> quoting on purpose\n\nx"


NAMES = st.sampled_from(
    [
        "type",
        "content",
        "sender",
        "event_id",
        "users",
        "@a:x",
        "kick",
        "ban",
        "users_default",
        "room_version",
        "body",
        "msgtype",
        "additional_creators",
        "m.relates_to",
        "m.new_content",
        "m.in_reply_to",
        "formatted_body",
        "format",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
)


@given(event=st.dictionaries(NAMES, JSON), kind=st.sampled_from([POWER, CREATE, "m.room.message"]))
def test_no_event_can_do_harm(event: dict[str, Any], kind: str) -> None:
    made = Trust()
    made.take({**event, "type": kind})
    made.roles("@a:x")
    said_of({**event, "type": kind}, room="#r", trust=made)
