"""A model hub on localhost: as much of its HTTP API as a pinned download needs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote

from tests.http_thread import http_thread


@dataclass
class Hub:
    """What the server has and what it was asked."""

    folder: Path
    commit: str
    name: str = "org/model"
    url: str = ""
    asked: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    starts: list[int] = field(default_factory=list)
    """The first byte of each file that was asked for."""
    needs_token: str | None = None
    extra: dict[str, bytes] = field(default_factory=dict)
    """More files that the repository lists, such as names that lead elsewhere."""
    break_after: int = 0
    """Bytes of a large file after which the connection is cut."""
    breaks: int = 0
    """How often it is."""
    swap: bytes | None = None
    """What is sent in place of a large file's content, of the same length."""

    def files(self) -> dict[str, bytes]:
        found = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        return {**found, **self.extra}

    def large(self, name: str) -> bool:
        return name.endswith(".safetensors")

    def info(self) -> bytes:
        siblings = []
        for name, data in self.files().items():
            digest = hashlib.sha256(data).hexdigest()
            lfs = {"sha256": digest, "size": len(data), "pointerSize": 130}
            entry = {"rfilename": name, "size": len(data), "blobId": digest[:40]}
            siblings.append({**entry, "lfs": lfs} if self.large(name) else entry)
        return json.dumps(
            {
                "_id": "1", "id": self.name, "modelId": self.name, "sha": self.commit,
                "private": False, "disabled": False, "gated": False, "downloads": 0, "likes": 0,
                "tags": [], "siblings": siblings, "createdAt": "2024-01-01T00:00:00.000Z",
            }
        ).encode()  # fmt: skip


class _Answers(BaseHTTPRequestHandler):
    """For one hub, which a subclass names."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def answer(self, *, body: bool) -> None:
        hub = self.hub
        path = unquote(self.path.partition("?")[0])
        hub.asked.append(f"{self.command} {path}")
        token = self.headers.get("Authorization")
        hub.tokens.add(token)
        if hub.needs_token is not None and token != f"Bearer {hub.needs_token}":
            self.send({"X-Error-Code": "GatedRepo"}, b"", status=403, body=body)
        elif path in {f"/api/models/{hub.name}/revision/{each}" for each in (hub.commit, "main")}:
            self.send({"Content-Type": "application/json"}, hub.info(), body=body)
        elif path.startswith(f"/{hub.name}/resolve/{hub.commit}/"):
            name = path.split(f"/resolve/{hub.commit}/")[1]
            self.file(name, hub.files()[name], body=body)
        else:
            code = "RevisionNotFound" if hub.name in path else "RepoNotFound"
            self.send({"X-Error-Code": code}, b"", status=404, body=body)

    def file(self, name: str, data: bytes, *, body: bool) -> None:
        hub = self.hub
        digest = hashlib.sha256(data).hexdigest()
        etag = digest if hub.large(name) else digest[:40]
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": hub.commit}
        if hub.large(name) and hub.swap is not None:
            data = hub.swap
        start = int((self.headers.get("Range") or "bytes=0-")[6:].partition("-")[0])
        hub.starts.append(start)
        status = 206 if start else 200
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cut = hub.break_after if hub.large(name) and body and hub.breaks > 0 else None
        self.send(headers, data[start:], status=status, body=body, cut=cut)
        if cut is not None:
            hub.breaks -= 1
            self.close_connection = True

    def send(
        self,
        headers: dict[str, str],
        data: bytes,
        *,
        status: int = 200,
        body: bool = True,
        cut: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data[:cut])
            self.wfile.flush()


@contextmanager
def serving(folder: Path, commit: str) -> Generator[Hub]:
    """A hub with one repository, whose files are those of the folder."""
    hub = Hub(folder, commit)
    with http_thread(type("Answers", (_Answers,), {"hub": hub})) as hub.url:
        yield hub
