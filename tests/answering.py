"""An HTTP server on this machine that answers as a test says, and misbehaves as a test says."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.http_thread import http_thread


@dataclass(frozen=True)
class Asked:
    """One request, as it came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def parts(self) -> dict[str, EmailMessage]:
        """The fields of a multipart form, by name."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        whole = BytesParser(EmailMessage, policy=HTTP).parsebytes(head + self.body)
        found: dict[str, EmailMessage] = {}
        for part in whole.iter_parts():
            assert isinstance(part, EmailMessage)
            name = part.get_param("name", header="content-disposition")
            found[str(name)] = part
        return found


@dataclass(frozen=True)
class Answer:
    """What to answer, or how not to."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    after_s: float = 0.0
    hangs: bool = False
    """Nothing comes until the server ends."""
    trickles: bool = False
    """The head comes a byte at a time, for ever: never silent for long, never done."""
    closes: bool = False
    """The connection is closed without an answer."""
    cut_to: int | None = None
    """So many bytes of the body come, then the connection is closed."""


def as_json(document: Any, **more: Any) -> Answer:
    return Answer(json.dumps(document).encode(), **more)


class Answering:
    """What the server was asked so far, and how it answers from now on."""

    def __init__(self, answer: Callable[[Asked], Answer]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.at_once = self.most_at_once = 0
        self.connections = 0
        self.broken_off = 0
        """Answers that the other side did not take to their end."""
        self.url = ""
        self._closing = threading.Event()
        self._lock = threading.Lock()

    def handle(self, request: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(request.path)
        length = int(request.headers.get("Content-Length", "0"))
        asked = Asked(
            request.command,
            parts.path,
            dict(parse_qsl(parts.query)),
            {name.lower(): value for name, value in request.headers.items()},
            request.rfile.read(length),
        )
        with self._lock:
            self.asked.append(asked)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self._send(request, self.answer(asked))
        except (BrokenPipeError, ConnectionResetError):
            request.close_connection = True  # the other side has had enough
            with self._lock:
                self.broken_off += 1
        finally:
            with self._lock:
                self.at_once -= 1

    def _send(self, request: BaseHTTPRequestHandler, answer: Answer) -> None:
        time.sleep(answer.after_s)
        if answer.hangs:
            self._closing.wait(30.0)
        if answer.hangs or answer.closes:
            request.close_connection = True
            return
        if answer.trickles:
            request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
            while not self._closing.wait(0.02):
                request.wfile.write(b"x")
        request.send_response(answer.status)
        for name, value in answer.headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(answer.body)))
        request.end_headers()
        request.wfile.write(answer.body[: answer.cut_to])
        request.close_connection = answer.cut_to is not None

    def end(self) -> None:
        self._closing.set()


@contextmanager
def answering(answer: Callable[[Asked], Answer]) -> Iterator[Answering]:
    """Serve on a free port of this machine until the block ends; close clients before that."""
    server = Answering(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10.0

        def setup(self) -> None:
            with server._lock:
                server.connections += 1
            super().setup()

        def do_GET(self) -> None:
            server.handle(self)

        def do_POST(self) -> None:
            server.handle(self)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with http_thread(Handler, waits=True) as server.url:
        try:
            yield server
        finally:
            server.end()
