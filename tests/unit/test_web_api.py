from __future__ import annotations

import math

import pytest

from streammon.core.errors import Retryable
from streammon.ingest.chat.web_api import (
    MOST_WAIT_S,
    WebApi,
    fields_of,
    private_url,
    wait_of,
    whole_of,
)
from tests.answering import Answer, Asked, answering


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("https://chat.example", "https"),
        ("http://127.0.0.1:8008", "https"),
        ("http://localhost", "https"),
        ("wss://chat.example/ws", "wss"),
        ("ws://127.0.0.1:1/ws", "wss"),
    ],
)
def test_what_nobody_can_listen_to_is_private(url: str, scheme: str) -> None:
    assert private_url(url, scheme) == private_url(f"{url}/", scheme) == url


@pytest.mark.parametrize(
    "url",
    ["http://chat.example", "ws://chat.example", "ftp://127.0.0.1", "https://", "chat.example", "",
     "https://user:pass@chat.example", "https://chat.example:99999", "https://[::1"],
)  # fmt: skip
def test_what_others_can_read_is_not(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected|not a URL|credentials"):
        private_url(url, "https")


@pytest.mark.parametrize(
    ("said", "wait_s"),
    [
        *[("2", 2.0), (1.5, 1.5), (-3, 0.0), (10**9, MOST_WAIT_S)],
        *[(bad, None) for bad in ("soon", None, True, math.inf, "nan")],
    ],
)
def test_a_wait_is_bounded(said: object, wait_s: float | None) -> None:
    assert wait_of(said) == wait_s


def test_only_objects_and_whole_numbers_are_taken() -> None:
    assert fields_of("[1]") == fields_of("{") == fields_of("[" * 100_000) == {}
    assert [whole_of(each) for each in ("7", 7, True, "x", 1.5)] == [7, 7, None, None, None]


async def test_an_answer_is_an_answer_whatever_its_status() -> None:
    def reply(asked: Asked) -> Answer:
        return Answer(status=429, body=b'{"error": "slow down"}', headers={"Retry-After": "3"})

    with answering(reply) as server:
        async with WebApi.opened("Chat", server.url) as api:
            answer = await api.ask("POST", "/x", body={})
    assert (answer.status, answer.text("error"), answer.retry_after_s) == (429, "slow down", 3.0)
    assert not answer.good


async def test_an_endless_answer_is_cut_off() -> None:
    with answering(lambda asked: Answer(body=b"x" * 2_000)) as server:
        async with WebApi.opened("Chat", server.url) as api:
            with pytest.raises(Retryable, match="more than 1000 bytes"):
                await api.ask("GET", "/x", most_bytes=1_000)


async def test_nobody_there_is_said_without_the_path() -> None:
    async with WebApi.opened("Chat", "http://127.0.0.1:9") as api:
        with pytest.raises(Retryable, match="Chat: connection refused") as caught:
            await api.ask("GET", "/bans/secret-name")
    assert "secret-name" not in str(caught.value)
