"""Alerts through Apprise to real receivers on this machine: an HTTP server, a mail server."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Coroutine, Generator, Iterator
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from streammon.core.errors import ConfigError, Retryable
from streammon.core.types import AlertState, Severity, StreamId
from streammon.sinks.apprise import AppriseConfig
from streammon.sinks.apprise_sink import AppriseSink
from tests.answering import Answer, Answering, Asked, answering
from tests.fakes import FakeClock
from tests.outgoing import an_overlay, stored

SOON_S = 20.0


@pytest.fixture
def peer() -> Generator[Answering]:
    with answering(lambda asked: Answer()) as server:
        yield server


def a_sink(url: str, *, clock: FakeClock | None = None, **settings: Any) -> AppriseSink:
    config = AppriseConfig.model_validate({"url": url, **settings})
    return AppriseSink("phones", config, clock=clock)


def json_url(peer: Answering, rest: str = "/k3ykey") -> str:
    return peer.url.replace("http://", "json://") + rest


def told(peer: Answering) -> list[str]:
    return [asked.json()["title"] for asked in peer.asked]


async def test_an_alert_is_told_in_a_few_words(peer: Answering) -> None:
    async with a_sink(json_url(peer)) as sink:
        await sink.deliver_alerts(
            [stored(1), stored(2, state=AlertState.UPDATED), stored(3, state=AlertState.CLOSED)]
        )
    first, second = (asked.json() for asked in peer.asked)
    assert first["title"] == "cam: freeze [warning]"
    assert first["message"] == "the picture has not changed for 2 s"
    assert (first["type"], second["type"]) == ("warning", "success")
    assert second["title"] == "cam: freeze, over"
    assert "attachments" not in first or not first["attachments"]


async def test_what_comes_too_fast_is_told_together(peer: Answering) -> None:
    clock = FakeClock()
    async with a_sink(json_url(peer), clock=clock, most_per_minute=3) as sink:
        await sink.deliver_alerts([stored(number) for number in range(1, 15)])
        await sink.deliver_alerts([stored(number) for number in range(15, 30)])
        await sink.deliver_alerts([stored(30, severity=Severity.CRITICAL)])
    assert told(peer) == [
        "cam: freeze [warning]", "cam: freeze [warning]", "and 12 more alerts",
        "and 15 more alerts", "cam: freeze [critical]",
    ]  # fmt: skip
    assert peer.asked[2].json()["message"] == "cam: freeze opened (12 times)"
    assert clock.now_ns() == pytest.approx(40e9, rel=0.01)


async def test_what_was_told_is_not_told_again_when_the_rest_fails(peer: Answering) -> None:
    answers = [Answer(), Answer(status=500), Answer(), Answer()]
    peer.answer = lambda asked: answers.pop(0)
    batch = [stored(1, stream=StreamId("a")), stored(2, stream=StreamId("b"))]
    async with a_sink(json_url(peer)) as sink:
        with pytest.raises(Retryable, match="JSON did not take the message") as caught:
            await sink.deliver_alerts(batch)
        await sink.deliver_alerts(batch)
        await sink.deliver_alerts([stored(3, stream=StreamId("c"))])
    assert [title[0] for title in told(peer)] == ["a", "b", "b", "c"]
    assert "500" in str(caught.value)


async def test_no_part_of_the_url_is_shown(
    peer: Answering, caplog: pytest.LogCaptureFixture
) -> None:
    peer.answer = lambda asked: Answer(status=401)
    caplog.set_level(logging.DEBUG)
    url = json_url(peer, "/k3ykey?+X-Token=hunter2").replace("://", "://me:passw0rd@")
    sink = a_sink(url)
    async with sink:
        with pytest.raises(Retryable) as caught:
            await sink.deliver_alerts([stored(1)])
    shown = str(caught.value) + repr(sink) + caplog.text
    for secret in ("k3ykey", "hunter2", "passw0rd"):
        assert secret not in shown


async def test_a_channel_that_hangs_is_left_and_asked_again_once_it_is_done(
    peer: Answering,
) -> None:
    answers = threading.Event()

    def when_told(asked: Asked) -> Answer:
        answers.wait(SOON_S)
        return Answer()

    peer.answer = when_told
    async with a_sink(json_url(peer), timeout_s=0.1) as sink:
        with pytest.raises(Retryable, match=r"took longer than 0\.1 s"):
            await sink.deliver_alerts([stored(1)])
        with pytest.raises(Retryable, match="still busy"):
            await sink.deliver_alerts([stored(1)])
        answers.set()
        sink._config = sink._config.model_copy(update={"timeout_s": SOON_S})
    assert len(peer.asked) == 1


async def test_a_picture_is_attached_only_if_told_and_fresh(peer: Answering) -> None:
    clock = FakeClock(auto=False)
    async with a_sink(json_url(peer), clock=clock, picture=True) as sink:
        assert sink.wants(an_overlay())
        await sink.deliver(an_overlay())
        await sink.deliver_alerts([stored(1)])
        await clock.advance(31.0)
        await sink.deliver_alerts([stored(2)])
    with_it, without = (asked.json().get("attachments") for asked in peer.asked)
    assert with_it[0]["mimetype"] == "image/jpeg"
    assert not without
    assert not a_sink(json_url(peer)).wants(an_overlay())


async def test_a_name_that_is_markup_stays_a_name(mails: Mails) -> None:
    async with a_sink(mails.url) as sink:
        await sink.deliver_alerts([stored(1, stream=StreamId("<b>x</b>"), why="<script>")])
    (mail,) = mails.got
    html = mail.get_body(("html",))
    assert html is None or "<script>" not in html.get_content()
    assert "<b>x</b>: freeze [warning]" in mail["Subject"]


async def test_mail_comes_with_title_and_text(mails: Mails) -> None:
    async with a_sink(mails.url) as sink:
        await sink.deliver_alerts([stored(1)])
    (mail,) = mails.got
    assert "cam: freeze [warning]" in mail["Subject"]
    body = mail.get_body(("plain", "html"))
    assert body is not None
    assert "the picture has not changed for 2 s" in body.get_content()


class Mails:
    """A mail server on this machine, and what it got."""

    def __init__(self) -> None:
        self.got: list[EmailMessage] = []
        self.url = ""

    async def handle_DATA(  # noqa: N802 - the library's name
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        assert isinstance(envelope.content, bytes)
        mail = BytesParser(EmailMessage, policy=default).parsebytes(envelope.content)
        self.got.append(mail)
        return "250 taken"


class OnSocket(Controller):
    """Listens on a socket that is bound already: nobody else can take its port."""

    def __init__(self, mails: Mails, listening: socket.socket) -> None:
        host, port = listening.getsockname()
        super().__init__(mails, hostname=host, port=port, ready_timeout=SOON_S)
        self._listening = listening

    def _create_server(self) -> Coroutine[Any, Any, asyncio.Server]:
        return self.loop.create_server(self._factory_invoker, sock=self._listening)


@pytest.fixture
def mails() -> Iterator[Mails]:
    mails = Mails()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        controller = OnSocket(mails, listening)
        controller.start()
        mails.url = (
            f"mailto://localhost:{controller.port}"
            "?from=monitor@example.org&to=me@example.org&mode=insecure"
        )
        yield mails
        controller.stop()


@pytest.mark.parametrize("url", ["nonsense://k3ykey", "tgram://k3ykey", "k3ykey", ""])
def test_a_channel_that_apprise_does_not_know_is_refused_without_its_url(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ConfigError, match=r"sinks\.phones\.url: Apprise knows no") as caught:
        a_sink(url)
    assert "k3ykey" not in str(caught.value) + caplog.text
