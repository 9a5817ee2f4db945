from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.sinks.websocket_auth import bearer_token, origin_matches, token_matches


@pytest.mark.parametrize(
    ("authorization", "subprotocols", "token"),
    [
        ("Bearer abc", [], "abc"),
        ("bearer  abc ", [], "abc"),
        ("Basic abc", [], None),
        (None, [], None),
        (None, ["streammon.v1", "bearer.abc"], "abc"),
        (None, ["streammon.v1"], None),
        ("Bearer abc", ["bearer.other"], "abc"),
    ],
)
def test_the_token_comes_in_a_header_or_as_a_subprotocol(
    authorization: str | None, subprotocols: list[str], token: str | None
) -> None:
    assert bearer_token(authorization, subprotocols) == token


def test_without_a_token_in_the_settings_everyone_may_come_in() -> None:
    assert token_matches(None, None)
    assert token_matches(None, "anything")


@given(st.text(min_size=1), st.none() | st.text())
def test_only_the_token_itself_matches(expected: str, given_: str | None) -> None:
    assert token_matches(expected, expected)
    assert token_matches(expected, given_) == (expected == given_)


def test_an_empty_token_opens_nothing() -> None:
    assert not token_matches("", "")


@pytest.mark.parametrize(
    ("origin", "host", "matches"),
    [
        (None, "127.0.0.1:8787", True),
        ("http://127.0.0.1:8787", "127.0.0.1:8787", True),
        ("https://Wall.example", "wall.example", True),
        ("http://evil.example", "127.0.0.1:8787", False),
        ("http://127.0.0.1:8787.evil.example", "127.0.0.1:8787", False),
        ("http://127.0.0.1:8788", "127.0.0.1:8787", False),
        ("null", "127.0.0.1:8787", False),
        ("http://[", "127.0.0.1:8787", False),
        ("http://127.0.0.1", None, False),
    ],
)
def test_only_the_pages_of_this_host_may_connect(
    origin: str | None, host: str | None, matches: bool
) -> None:
    assert origin_matches(origin, host) is matches
