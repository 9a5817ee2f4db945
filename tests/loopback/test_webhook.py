"""Alerts posted to real HTTP servers that take them, refuse them, go down, or misbehave."""

from __future__ import annotations

import asyncio
import os
import random
import ssl
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from streammon.config import OutboxConfig
from streammon.core.clock import MonotonicClock
from streammon.core.errors import Permanent, Retryable
from streammon.core.types import AlertState, HealthState, Severity, StreamId
from streammon.pipelines.outlets import Outlet
from streammon.sinks.outbox import MEMORY, Outbox
from streammon.sinks.outbox_post import Gone, Later, Refused
from streammon.sinks.standard_webhooks import verify_webhook
from streammon.sinks.webhook import WebhookConfig, WebhookSink, parse_retry_after
from streammon.telemetry.metrics import Metrics
from tests.answering import Answer, Answering, Asked, answering
from tests.fakes import Reports
from tests.outgoing import a_row, stored

CLOCK = MonotonicClock()
OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
CHILD = Path(__file__).with_name("webhook_child.py")
ROOT = CHILD.parents[2]


@pytest.fixture
def peer() -> Generator[Answering]:
    with answering(lambda asked: Answer()) as server:
        yield server


def a_sink(url: str, **settings: object) -> WebhookSink:
    given = {"url": url, "allow_private": True, **settings}
    return WebhookConfig.model_validate(given).build("hook")


class Receiver:
    """A receiver as the specification wants it: verifies, and drops ids that it knows."""

    def __init__(self) -> None:
        self.down = False
        self.seen: dict[str, str] = {}
        """Streams by alert id, in the order of their first arrival."""
        self.posts = 0
        self.secrets: list[str] = []

    def __call__(self, asked: Asked) -> Answer:
        self.posts += 1
        if self.down:
            return Answer(status=503)
        if self.secrets:
            verify_webhook(asked.headers, asked.body, secrets=self.secrets, now_s=time.time())
        said = asked.json()["data"]
        assert asked.headers["webhook-id"] == said["alert_id"]
        self.seen.setdefault(said["alert_id"], said["stream"])
        return Answer(status=204)

    def by_stream(self) -> dict[str, list[int]]:
        found: dict[str, list[int]] = defaultdict(list)
        for alert_id, stream in self.seen.items():
            found[stream].append(int(alert_id.removeprefix("alert-")))
        return found


# --- one try ---------------------------------------------------------------------------------


async def test_what_is_posted_is_what_the_specification_says(peer: Answering) -> None:
    async with a_sink(peer.url + "/hooks/k3y?x=1", secret=[NEW, OLD]) as sink:
        await sink.post(stored(7, state=AlertState.CLOSED))
    (asked,) = peer.asked
    assert (asked.method, asked.path, asked.query) == ("POST", "/hooks/k3y", {"x": "1"})
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["user-agent"].startswith("streammon/")
    said = asked.json()
    assert set(said) == {"type", "timestamp", "data"}
    assert said["type"] == "alert.closed"
    assert said["data"]["alert_id"] == "alert-7"
    for secret in (OLD, NEW):
        found = verify_webhook(asked.headers, asked.body, secrets=[secret], now_s=time.time())
        assert found == "alert-7"


async def test_each_try_has_the_same_id_and_body_and_its_own_time(peer: Answering) -> None:
    moments = [1_000_000_060 * 10**9, 1_000_000_000 * 10**9]
    config = WebhookConfig.model_validate({"url": peer.url, "allow_private": True, "secret": OLD})
    sink = WebhookSink("hook", config, wall_ns=moments.pop)
    async with sink:
        await sink.post(stored(1))
        await sink.post(stored(1))
    first, second = peer.asked
    assert (first.headers["webhook-id"], first.body) == (second.headers["webhook-id"], second.body)
    assert first.headers["webhook-timestamp"] == "1000000000"
    assert second.headers["webhook-timestamp"] == "1000000060"
    assert first.headers["webhook-signature"] != second.headers["webhook-signature"]


@pytest.mark.parametrize(
    ("answer", "error", "why"),
    [
        (Answer(status=500), Retryable, "answered 500"),
        (Answer(status=404), Retryable, "answered 404"),
        (Answer(status=401), Retryable, "answered 401"),
        (Answer(status=302, headers={"Location": "http://127.0.0.1/"}), Retryable, "redirect"),
        (Answer(status=400), Refused, "answered 400: it refuses"),
        (Answer(status=413), Refused, "answered 413"),
        (Answer(status=410), Gone, "answered 410: it wants no more"),
        (Answer(status=429, headers={"Retry-After": "7"}), Later, "answered 429"),
        (Answer(closes=True), Retryable, "broke off"),
        (Answer(hangs=True), Retryable, "did not answer within 0.3 s"),
        (Answer(trickles=True), Retryable, "did not answer within 0.3 s"),
        (Answer(body=b"x" * 100, cut_to=3), Retryable, "broke off"),
    ],
)
async def test_every_answer_has_its_meaning(
    peer: Answering, answer: Answer, error: type[Exception], why: str
) -> None:
    peer.answer = lambda asked: answer
    timeout_s = 0.3 if answer.hangs or answer.trickles else 10.0
    async with a_sink(peer.url + "/k3y", timeout_s=timeout_s) as sink:
        with pytest.raises(error, match=why) as caught:
            await sink.post(stored(1))
    assert type(caught.value) is error
    assert "k3y" not in str(caught.value)
    # A busy machine may not have read yet what is given up after 0.3 s.
    assert len(peer.asked) <= 1, "nothing is followed"


async def test_an_endless_answer_is_not_read_to_its_end(peer: Answering) -> None:
    peer.answer = lambda asked: Answer(body=b"x" * 10_000_000)
    async with asyncio.timeout(10.0), a_sink(peer.url) as sink:
        await sink.post(stored(1))
        while not peer.broken_off:  # noqa: ASYNC110 - on another thread
            await asyncio.sleep(0.01)


async def test_connections_are_used_again(peer: Answering) -> None:
    async with a_sink(peer.url) as sink:
        for number in range(5):
            await sink.post(stored(number))
    assert (len(peer.asked), peer.connections) == (5, 1)


async def test_nobody_there_is_said_without_the_url() -> None:
    async with a_sink("http://127.0.0.1:1/k3y") as sink:
        with pytest.raises(Retryable, match="cannot be reached") as caught:
            await sink.post(stored(1))
    assert "k3y" not in str(caught.value)


async def test_a_name_that_leads_inside_is_not_posted_to(peer: Answering) -> None:
    port = peer.url.rpartition(":")[2]
    sink = WebhookConfig.model_validate({"url": f"https://hook.example:{port}/k3y"}).build("hook")
    loop: Any = asyncio.get_running_loop()

    async def lead_inside(host: str, port: int, **more: object) -> list[object]:
        return [(2, 1, 6, "", ("127.0.0.1", port))]

    loop.getaddrinfo = lead_inside
    async with sink:
        with pytest.raises(Retryable, match=r"private network.*allow_private"):
            await sink.post(stored(1))
    assert peer.asked == []
    assert peer.connections == 0


@pytest.fixture
def own_certificate(tmp_path: Path) -> Path:
    """For `localhost`, with its key, vouched for by nobody."""
    pem = tmp_path / "own.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "-",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
    pem.write_bytes(made.stdout)
    return pem


async def test_a_certificate_that_nobody_vouches_for_is_refused(own_certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own_certificate)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://localhost:{server.sockets[0].getsockname()[1]}/"
        async with a_sink(url) as sink:
            with pytest.raises(Retryable, match="certificate is refused"):
                await sink.post(stored(1))
        async with a_sink(url, ca_file=own_certificate) as sink:
            await sink.post(stored(1))


async def test_certificates_that_cannot_be_read_need_a_person(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="ca_file"):
        async with a_sink("https://127.0.0.1:1/", ca_file=tmp_path / "none.pem"):
            pass


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        (None, None), ("7", 7.0), ("0", 0.0), ("-5", 0.0), ("1e9", 3600.0), ("inf", 3600.0),
        ("nan", None), ("soon", None), ("", None), (formatdate(1_000_060, usegmt=True), 60.0),
        (formatdate(0, usegmt=True), 0.0), ("Fri, 99 Foo 2026", None), ("9" * 5000, 3600.0),
    ],
)  # fmt: skip
def test_retry_after_is_believed_within_bounds(value: str | None, wait_s: float | None) -> None:
    assert parse_retry_after(value, now_s=1_000_000.0) == wait_s


@pytest.mark.parametrize(
    "change",
    [
        {"url": "http://example.org/k3y"}, {"url": "ftp://example.org/k3y"}, {"url": "k3y"},
        {"url": "https://127.0.0.1/k3y"}, {"url": "https://localhost/k3y"},
        {"url": "https://[::ffff:10.0.0.1]/k3y"}, {"url": "https://169.254.169.254/k3y"},
        {"url": "https://me:k3y@example.org/"}, {"secret": "whsec_k3y!"}, {"timeout_s": 0},
        {"choose": {"kind": ["freeze"]}}, {"at_once": 0}, {"give_up_after_h": 1000},
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        WebhookConfig.model_validate({"url": "https://example.org/k3y", **change})
    assert "k3y" not in " ".join(problem["msg"] for problem in caught.value.errors())


# --- through the outbox ----------------------------------------------------------------------


@asynccontextmanager
async def posting(sink: WebhookSink, reports: Reports) -> AsyncGenerator[Outbox]:
    """A monitor's way out with this sink; what can be delivered is, before it ends."""
    async with (
        asyncio.timeout(30.0),
        Outbox(OutboxConfig(), MEMORY, clock=CLOCK) as outbox,
        asyncio.TaskGroup() as group,
    ):
        await outbox.join("hook")
        outlet = Outlet(sink, outbox, clock=CLOCK, report=reports, metrics=Metrics())
        group.create_task(outlet.run())
        yield outbox
        outlet.events.close()


async def _until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - no event tells this
        await asyncio.sleep(0.01)


async def test_a_receiver_that_was_down_gets_every_alert_once_by_id_and_in_order(
    peer: Answering,
) -> None:
    receiver, reports = Receiver(), Reports()
    receiver.secrets = [OLD]
    peer.answer = receiver
    sink = a_sink(peer.url, secret=OLD, first_pause_s=0.02, most_pause_s=0.1)
    async with posting(sink, reports) as outbox:
        for number in range(60):
            if number == 45:  # not before its being down was met
                await _until(lambda: any(state is HealthState.RETRYING for state, _ in reports))
            receiver.down = 15 <= number < 45
            await outbox.append(a_row(number, stream=StreamId(f"cam-{number % 3}")))
            await asyncio.sleep(0.005)
        await _until(lambda: len(receiver.seen) == 60)
        await _until(lambda: reports[-1] == (HealthState.UP, ""))
    assert receiver.by_stream() == {f"cam-{k}": list(range(k, 60, 3)) for k in range(3)}


async def test_each_endpoint_gets_what_it_chose(peer: Answering) -> None:
    receiver = Receiver()
    peer.answer = receiver
    choose = {"kinds": ["voice_spoof"], "least_severity": "warning", "streams": ["phone.*"]}
    async with posting(a_sink(peer.url, choose=choose), Reports()) as outbox:
        base = {"kind": "voice_spoof", "stream": StreamId("phone.1"), "severity": Severity.CRITICAL}
        await outbox.append(a_row(0, **base))
        await outbox.append(a_row(1, **{**base, "kind": "freeze"}))
        await outbox.append(a_row(2, **{**base, "stream": StreamId("lobby")}))
        await outbox.append(a_row(3, **{**base, "severity": Severity.INFO}))
        await outbox.append(a_row(4, **base))
    assert receiver.by_stream() == {"phone.1": [0, 4]}


async def test_an_endpoint_that_is_down_holds_up_no_other(peer: Answering) -> None:
    """Several endpoints are several sinks of one monitor."""
    receiver = Receiver()
    peer.answer = lambda asked: receiver(asked) if asked.path == "/up" else Answer(hangs=True)
    async with (
        asyncio.timeout(30.0),
        Outbox(OutboxConfig(), MEMORY, clock=CLOCK) as outbox,
        asyncio.TaskGroup() as group,
    ):
        running = []
        for name, timeout_s in (("up", 15.0), ("down", 0.2)):
            await outbox.join(name)
            sink = WebhookConfig.model_validate(
                {"url": f"{peer.url}/{name}", "allow_private": True, "timeout_s": timeout_s}
            ).build(name)
            outlet = Outlet(sink, outbox, clock=CLOCK, report=Reports(), metrics=Metrics())
            running.append(group.create_task(outlet.run()))
        for number in range(20):
            await outbox.append(a_row(number, stream=StreamId(f"cam-{number % 2}")))
        await _until(lambda: len(receiver.seen) == 20)
        left = await outbox.look(lambda store: store.letters.streams("down"))
        for task in running:
            task.cancel()
    assert sorted(left) == ["cam-0", "cam-1"]


async def test_an_endpoint_that_says_gone_is_left_alone_and_health_says_so(
    peer: Answering,
) -> None:
    reports = Reports()
    peer.answer = lambda asked: Answer(status=410)
    async with posting(a_sink(peer.url), reports) as outbox:
        await outbox.append(a_row(0))
        await _until(lambda: reports[-1][0] is HealthState.FAILED)
        await outbox.append(a_row(1))
        await _until(lambda: "2 alerts" in reports[-1][1])
    assert len(peer.asked) == 1
    assert "answered 410" in reports[-1][1]
    assert "streammon outbox retry --sink hook" in reports[-1][1]


def test_a_process_killed_in_between_loses_nothing(peer: Answering, tmp_path: Path) -> None:
    """Killed three times with signal 9 while the receiver comes and goes."""
    receiver, chance = Receiver(), random.Random(7)
    peer.answer = receiver
    last = 0
    for _ in range(3):
        receiver.down, before = not receiver.down, receiver.posts
        last = _run_until_killed(
            peer.url,
            tmp_path / "o.db",
            lines=15 + chance.randrange(20),
            met=lambda before=before: receiver.posts > before,  # type: ignore[misc]
        )
    receiver.down = False
    with _child(peer.url, tmp_path / "o.db", "drain") as child:
        assert child.wait(timeout=30.0) == 0
    found = receiver.by_stream()
    for stream in range(3):
        numbers = found[f"cam-{stream}"]
        assert numbers == list(range(numbers[0], numbers[-1] + 1, 3)), "in order, without holes"
        assert numbers[0] <= 3
    assert max(map(max, found.values())) >= last
    assert receiver.posts > len(receiver.seen), "some were posted more than once"


def _child(url: str, path: Path, todo: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(CHILD), url, str(path), todo]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, cwd=ROOT)


def _run_until_killed(url: str, path: Path, *, lines: int, met: Callable[[], bool]) -> int:
    """The last alert that the process is known to have stored; killed after so many, and not
    before it has met the receiver.
    """
    with _child(url, path, "0.005") as child:
        assert child.stdout is not None
        number = 0
        while lines > 0 or not met():
            number = int(child.stdout.readline())
            lines -= 1
        child.kill()
        for line in child.stdout:
            number = int(line)
    return number
