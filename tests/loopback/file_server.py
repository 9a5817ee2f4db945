"""A small HTTP server of files that answers range requests, and breaks when it is told to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.http_thread import http_thread


@dataclass
class FileServer:
    """What it serves, how it behaves, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    etag: str = '"one"'
    cuts: list[int] = field(default_factory=list)
    """The line breaks after so many bytes of the first answer, of the second, ..."""
    statuses: list[int] = field(default_factory=list)
    """Answer these first, with nothing."""
    redirects: dict[str, str] = field(default_factory=dict)
    ranges: bool = True
    asked: list[str] = field(default_factory=list)
    """The `Range` of each request for a file; '' for the whole."""
    url: str = ""

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        if self.statuses:
            self._end(request, self.statuses.pop(0))
        elif request.path in self.redirects:
            self._end(request, 302, {"Location": self.redirects[request.path]})
        elif request.path not in self.files:
            self._end(request, 404)
        else:
            self._send(request, self.files[request.path])

    def _send(self, request: BaseHTTPRequestHandler, data: bytes) -> None:
        wanted = request.headers.get("Range", "")
        self.asked.append(wanted)
        if_range = request.headers.get("If-Range", self.etag)
        match = re.fullmatch(r"bytes=(\d+)-", wanted)
        first = int(match[1]) if match and self.ranges and if_range == self.etag else 0
        if match and first >= len(data):
            self._end(request, 416)
            return
        body = data[first:]
        request.send_response(206 if first else 200)
        request.send_header("ETag", self.etag)
        request.send_header("Content-Length", str(len(body)))
        if first:
            request.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
        request.end_headers()
        request.wfile.write(body[: self.cuts.pop(0)] if self.cuts else body)
        request.close_connection = True

    def _end(
        self, request: BaseHTTPRequestHandler, status: int, headers: dict[str, str] | None = None
    ) -> None:
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.send_header("Content-Length", "0")
        request.end_headers()


@contextmanager
def serving_files(server: FileServer) -> Iterator[FileServer]:
    """Serve on a free port of this machine until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    with http_thread(Handler) as server.url:
        yield server
