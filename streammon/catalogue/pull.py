"""Fetches a model's files: goes on where it was cut, and keeps nothing of another hash.

The bytes on their way lie beside their place as `<name>.part`, with the server's entity tag in
`<name>.part.etag`, so that a later pull asks for the rest of the same file (RFC 9110, 13.1.5 and
14.2). Only a whole file of the right hash is moved to its place, in one step.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from filelock import FileLock, Timeout

from streammon.catalogue.entries import Entry, ModelFile, is_safe
from streammon.catalogue.hashes import hash_of
from streammon.catalogue.store import State, Store, is_right, part_of
from streammon.core.errors import Permanent, Retryable

Progress = Callable[[str, int, int], None]
"""Called with a file's name, its bytes so far, and its bytes in all."""

ATTEMPTS = 5
MOST_REDIRECTS = 5
TIMEOUTS = httpx.Timeout(30.0, connect=10.0)
SPARE_BYTES = 64 << 20
"""Left free on the disk whatever is fetched."""


def pull(
    entry: Entry,
    store: Store,
    *,
    progress: Progress = lambda name, done, total: None,
    pause: Callable[[float], None] = time.sleep,
) -> list[Path]:
    """Fetch what is missing of a model of `files` and return where they are. Blocking.

    A line that breaks is tried again up to `ATTEMPTS` times, each going on where the last one
    ended; interrupted for good, the next pull goes on there too. Raises `Permanent` for a file
    that is not the one in the catalogue, of which nothing is kept, and `Retryable` when the line
    keeps breaking.
    """
    folder = store.folder / entry.name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=0):
            if store.state_of(entry) is not State.PRESENT:
                check_space(store.folder, entry.name, entry.bytes)
            with httpx.Client(timeout=TIMEOUTS, headers={"Accept-Encoding": "identity"}) as client:
                return [
                    _Fetch(client, file, store.place_of(entry, file), progress).run(pause)
                    for file in entry.files
                ]
    except Timeout as error:
        raise Permanent(f"{entry.name} is being pulled by another process; wait for it") from error
    except OSError as error:
        raise Permanent(f"{folder}: cannot be written: {error.strerror or error}") from error


def check_space(folder: Path, name: str, needed: int) -> None:
    """Raises `Permanent` when so many more bytes would fill the disk of the models' folder."""
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE_BYTES:
        raise Permanent(
            f"{folder}: {free / 1e6:.0f} MB free, {name} needs {needed / 1e6:.0f}; make room, or "
            "set STREAMMON_MODELS to a folder with more"
        )


class _Fetch:
    """One file on its way."""

    def __init__(
        self, client: httpx.Client, file: ModelFile, place: Path, progress: Progress
    ) -> None:
        self._client = client
        self._file = file
        self._place = place
        self._part = part_of(place)
        self._tag = self._part.with_name(self._part.name + ".etag")
        self._progress = progress

    def run(self, pause: Callable[[float], None]) -> Path:
        """Fetch it unless it is here already."""
        if is_right(self._file, self._place, hashing=True):
            return self._place
        cause = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                pause(2.0 ** (attempt - 1))
            resumed = self._so_far() > 0
            try:
                self._fetch_rest()
            except (httpx.TransportError, Retryable) as error:
                cause = str(error) or type(error).__name__
                continue
            found = hash_of(self._part)
            if found == self._file.sha256:
                self._part.replace(self._place)
                self._tag.unlink(missing_ok=True)
                return self._place
            self._discard()
            if not resumed:
                raise Permanent(
                    f"{self._file.url}: SHA-256 is {found}, expected {self._file.sha256}; not "
                    "kept: what lies there is not the file in the catalogue"
                )
            cause = "what had been fetched before was of another file; begun again"
        raise Retryable(
            f"{self._file.url}: {cause}; {self._so_far()} of {self._file.bytes} bytes are kept: "
            "pull again to go on from there"
        )

    def _fetch_rest(self) -> None:
        """Ask for what is missing and write it down. Raises `Retryable` when it was cut short."""
        have = self._so_far()
        if have > self._file.bytes:
            self._discard()
            have = 0
        if have == self._file.bytes:
            return
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and (tag := self._known_tag()):
            headers["If-Range"] = tag
        with self._open(headers) as answer:
            self._check(answer)
            fresh = answer.status_code == httpx.codes.OK
            if not fresh and _first_byte(answer) != have:
                self._discard()
                raise Retryable("the server sent another part than was asked for")
            self._remember_tag(answer)
            with self._part.open("wb" if fresh else "ab") as out:
                done = 0 if fresh else have
                for chunk in answer.iter_raw():
                    done += len(chunk)
                    if done > self._file.bytes:
                        break
                    out.write(chunk)
                    self._progress(self._file.name, done, self._file.bytes)
                out.flush()
                os.fsync(out.fileno())
        if done > self._file.bytes:
            self._discard()
            raise Permanent(
                f"{self._file.url}: longer than the {self._file.bytes} bytes in the catalogue; not "
                "kept: what lies there is not the file that was meant"
            )
        if done < self._file.bytes:
            raise Retryable(f"cut short at {done} of {self._file.bytes} bytes")

    @contextmanager
    def _open(self, headers: dict[str, str]) -> Iterator[httpx.Response]:
        """The answer at the end of the redirects, none of which may lead off a safe way."""
        url = httpx.URL(self._file.url)
        for _ in range(MOST_REDIRECTS + 1):
            if not is_safe(str(url)):
                raise Permanent(
                    f"{self._file.url}: leads to {url.host} without https; not followed"
                )
            with self._client.stream("GET", url, headers=headers) as answer:
                if answer.next_request is None:
                    yield answer
                    return
                url = answer.next_request.url
        raise Permanent(f"{self._file.url}: more than {MOST_REDIRECTS} redirects")

    def _check(self, answer: httpx.Response) -> None:
        """Raises for every answer that does not carry the file or the rest of it."""
        status = answer.status_code
        if status in {httpx.codes.OK, httpx.codes.PARTIAL_CONTENT}:
            return
        if status == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._discard()
            raise Retryable("the server has no such part; begun again")
        if status >= 500 or status in {httpx.codes.REQUEST_TIMEOUT, httpx.codes.TOO_MANY_REQUESTS}:
            raise Retryable(f"the server answered {status}")
        raise Permanent(f"{self._file.url}: the server answered {status} {answer.reason_phrase}")

    def _so_far(self) -> int:
        return self._part.stat().st_size if self._part.is_file() else 0

    def _known_tag(self) -> str:
        try:
            return self._tag.read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return ""

    def _remember_tag(self, answer: httpx.Response) -> None:
        """Only a strong tag promises the same bytes."""
        tag = answer.headers.get("ETag", "")
        if tag and tag.isascii() and not tag.startswith("W/"):
            self._tag.write_text(tag, "ascii")
        else:
            self._tag.unlink(missing_ok=True)

    def _discard(self) -> None:
        for path in (self._part, self._tag):
            path.unlink(missing_ok=True)


def _first_byte(answer: httpx.Response) -> int | None:
    """Where the part begins that a 206 carries (RFC 9110, 14.4)."""
    match = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(match[1]) if match else None
