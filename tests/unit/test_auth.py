"""Tokens, hosts and origins, with hostile input."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.datastructures import Headers

from streammon.server.auth import bearer_allowed, host_allowed, origin_allowed, socket_allowed

TOKEN = SecretStr("s3cret/with=signs")


def sent(**headers: str) -> Headers:
    return Headers(headers)


def test_without_a_token_everyone_may_ask() -> None:
    assert bearer_allowed(None, sent())
    assert socket_allowed(None, sent(), subprotocols=["streammon.v1"])


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_right_token_is_taken_whatever_the_case_of_the_scheme(scheme: str) -> None:
    assert bearer_allowed(TOKEN, sent(authorization=f"{scheme} s3cret/with=signs"))


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Bearer s3cret", "s3cret/with=signs", "Basic s3cret/with=signs"],
)
def test_anything_else_is_refused(value: str) -> None:
    assert not bearer_allowed(TOKEN, sent(authorization=value))
    assert not bearer_allowed(TOKEN, sent())


def test_a_browser_brings_its_token_as_a_subprotocol() -> None:
    plain = SecretStr("abc.DEF-123")
    assert socket_allowed(plain, sent(), subprotocols=["streammon.v1", "bearer.abc.DEF-123"])
    assert not socket_allowed(plain, sent(), subprotocols=["streammon.v1", "bearer.abc"])
    assert not socket_allowed(plain, sent(), subprotocols=["streammon.v1"])


@given(st.text(min_size=1).filter(lambda text: text == text.encode("utf-8", "ignore").decode()))
def test_any_token_fits_into_a_subprotocol_as_base64(text: str) -> None:
    encoded = base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")
    offered = ["streammon.v1", f"bearer64.{encoded}"]
    assert socket_allowed(SecretStr(text), sent(), subprotocols=offered)


@given(st.lists(st.text(max_size=40), max_size=4))
def test_no_subprotocols_break_it_or_get_in(offered: list[str]) -> None:
    assert not socket_allowed(SecretStr("x" * 50), sent(), subprotocols=offered)


@pytest.mark.parametrize("broken", ["bearer64.", "bearer64.%%%", "bearer64._w", "bearer64.a"])
def test_broken_base64_is_refused(broken: str) -> None:
    assert not socket_allowed(TOKEN, sent(), subprotocols=[broken])


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8787", "localhost:8787", "localhost", "[::1]:8787", "127.8.9.1"]
)
def test_this_machine_is_known_by_its_own_names(host: str) -> None:
    assert host_allowed(None, sent(host=host))


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.evil.example:8787",
        "localhost.evil.example",
        "127.0.0.1@evil.example",
        "",
        "[::1",
        "192.168.1.4:8787",
    ],
)
def test_without_a_token_other_names_are_refused(host: str) -> None:
    assert not host_allowed(None, sent(host=host))
    assert host_allowed(TOKEN, sent(host=host)), "the token guards it, a proxy may name it"


def test_a_page_of_another_site_is_refused() -> None:
    here = "127.0.0.1:8787"
    assert origin_allowed(None, sent(host=here, origin=f"http://{here}"))
    assert origin_allowed(None, sent(host=here)), "programs send no origin"
    for origin in ["http://evil.example", "null", "http://127.0.0.1:9999", "http://[::1"]:
        assert not origin_allowed(None, sent(host=here, origin=origin))
    assert origin_allowed(TOKEN, sent(host=here, origin="https://portal.example"))
