"""Anybody's JSON is read as a message by dotted paths, and nothing in it is a surprise."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from streammon.core.moderation import AuthorRole
from streammon.ingest.chat.fields import MessageFields, objects, value_at
from streammon.ingest.chat.lines import BadLine

PLAIN = MessageFields()
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from([*"ab", "text"]), inner),
)


def test_a_message_as_we_would_have_it() -> None:
    said = PLAIN.read(
        {
            "author_id": 81,
            "text": "hello",
            "message_id": "m1",
            "room": "main",
            "sent": "2026-11-22T07:20:00Z",
            "name": "Ann",
            "roles": ["moderator", "king", 5],
            "other": {"ignored": True},
        }
    )
    assert (said.author_id, said.text, said.message_id, said.room) == ("81", "hello", "m1", "main")
    assert (said.sent_unix_s, said.name) == (1795332000.0, "Ann")
    assert said.roles == {AuthorRole.MODERATOR}


def test_a_message_of_somebody_elses_making() -> None:
    fields = MessageFields(author_id="user.id", text="parts.0.body", message_id="id", sent="ts")
    said = fields.read({"user": {"id": "u"}, "parts": [{"body": "hi"}], "ts": 1795332000500})
    assert (said.author_id, said.text, said.sent_unix_s) == ("u", "hi", 1795332000.5)


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"text": "hi"}, "author_id is missing"),
        ({"author_id": "u"}, "text is missing"),
        ({"author_id": "u", "text": ["secret"]}, "text is missing or not a string"),
        ({"author_id": True, "text": "hi"}, "author_id is missing"),
        (["secret"], "not an object"),
        (None, "not an object"),
    ],
)
def test_what_is_no_message_is_named_by_its_field(given: object, cause: str) -> None:
    with pytest.raises(BadLine, match=cause) as caught:
        PLAIN.read(given)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "sent",
    ["soon", True, 1e308, -1e308, float("nan"), 10**400, [], "9999-12-31T23:59:59-23:59"],
)
def test_a_time_that_is_none_is_left_out_or_finite(sent: object) -> None:
    said = PLAIN.read({"author_id": "u", "text": "hi", "sent": sent})
    assert said.sent_unix_s is None or abs(said.sent_unix_s) < 1e300


@given(JSON, st.sampled_from(["a", "a.b", "0", "a.0.b", "99999999999999.b"]))
def test_nothing_inside_is_a_surprise(value: Any, path: str) -> None:
    value_at(value, path)
    with contextlib.suppress(BadLine):
        MessageFields(author_id=path, text=path).read(value)


def test_one_many_and_lines_are_read_alike() -> None:
    assert list(objects('{"a": 1}')) == [{"a": 1}]
    assert list(objects(b'[{"a": 1}, 2]')) == [{"a": 1}, 2]
    assert list(objects(b'{"a": 1}\n\n{bad\n2\r\n', in_lines=True)) == [{"a": 1}, None, 2]
    for bad in (b"", b"{", b"\xff", b"[" * 100_000):
        with pytest.raises(BadLine):
            list(objects(bad))


@pytest.mark.parametrize("path", ["", ".a", "a..b", "a b", "a." * 11 + "a"])
def test_a_path_that_leads_nowhere_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        MessageFields(text=path)
