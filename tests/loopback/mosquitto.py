"""A real MQTT broker (Debian's mosquitto) that tests may kill, freeze and start again."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.loopback.server_process import free_ports

MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
USER, PASSWORD = "monitor", "hunter2"
SOON_S = 10.0

needs_mosquitto = pytest.mark.skipif(MOSQUITTO is None, reason="needs Debian's mosquitto")


class Broker:
    """On a port of its own; `tls_port` too, with a certificate of its own for `localhost`."""

    def __init__(self, folder: Path) -> None:
        self.port, self.tls_port = free_ports(2)
        self.certificate = folder / "cert.pem"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "password").touch(mode=0o600)
        subprocess.run(
            ["mosquitto_passwd", "-b", folder / "password", USER, PASSWORD],
            check=True, capture_output=True,
        )  # fmt: skip
        _make_certificate(folder)
        (folder / "mosquitto.conf").write_text(
            f"persistence true\npersistence_location {folder}/\nautosave_interval 1\n"
            f"autosave_on_changes true\npassword_file {folder}/password\n"
            f"allow_anonymous false\nuser root\nmax_queued_messages 0\n"
            f"listener {self.port} 127.0.0.1\n"
            f"listener {self.tls_port} 127.0.0.1\n"
            f"certfile {folder}/cert.pem\nkeyfile {folder}/key.pem\n"
        )

    def start(self) -> None:
        assert MOSQUITTO is not None
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", str(self._folder / "mosquitto.conf")],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + SOON_S
        while not _listens(self.port):
            assert time.monotonic() < deadline, "mosquitto does not start"
            time.sleep(0.01)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGCONT)
            self._process.send_signal(how)
            self._process.wait(SOON_S)
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)


@contextmanager
def a_broker(folder: Path) -> Iterator[Broker]:
    broker = Broker(folder)
    broker.start()
    try:
        yield broker
    finally:
        broker.stop(signal.SIGKILL)


class Listener:
    """Somebody at the broker who hears everything, and comes back to what was kept for him."""

    def __init__(self, broker: Broker, *, name: str = "listener") -> None:
        self.heard: list[tuple[str, bytes]] = []
        self._ready = False
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        self._client.username_pw_set(USER, PASSWORD)
        self._client.on_connect = lambda client, *_: client.subscribe("#", qos=1)
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._hear
        self._client.reconnect_delay_set(1, 1)
        self._client.connect_async("127.0.0.1", broker.port)

    def _subscribed(self, *_: object) -> None:
        self._ready = True

    def _hear(self, client: object, data: object, message: paho.MQTTMessage) -> None:
        self.heard.append((message.topic, bytes(message.payload)))

    def __enter__(self) -> Listener:
        self._client.loop_start()
        deadline = time.monotonic() + SOON_S
        while not self._ready:
            assert time.monotonic() < deadline, "nobody could subscribe"
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def at(self, topic: str) -> list[bytes]:
        return [payload for heard, payload in self.heard if heard == topic]

    def newest(self) -> dict[str, bytes]:
        """What stands at each topic."""
        return dict(self.heard)

    async def in_turn(self, topic: str, *payloads: bytes, since: int) -> None:
        """Once these came one after the other, after the first `since` of all messages."""
        async with asyncio.timeout(2 * SOON_S):
            while not _holds(self.heard[since:], [(topic, each) for each in payloads]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def until(self, topic: str, payload: bytes) -> None:
        """Once this stands there. What is there for a moment alone may be missed: `in_turn`."""
        async with asyncio.timeout(2 * SOON_S):
            while self.newest().get(topic) != payload:  # noqa: ASYNC110 - on another thread
                await asyncio.sleep(0.01)


def _holds(heard: Sequence[tuple[str, bytes]], wanted: Sequence[tuple[str, bytes]]) -> bool:
    """Whether all that is wanted is in there, in its order."""
    rest = iter(heard)
    return all(each in rest for each in wanted)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _make_certificate(folder: Path) -> None:
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
         "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost"],
        check=True, capture_output=True,
    )  # fmt: skip
