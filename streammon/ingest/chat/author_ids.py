"""Author ids as everyone but their source sees them: hashed with the key of this installation."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from dataclasses import replace
from pathlib import Path

from streammon.core.errors import Permanent
from streammon.core.types import ChatMessage

KEY_BYTES = 32
DIGEST_BYTES = 12
FILE_NAME = "authors.key"
RECORDED_KEY = bytes(KEY_BYTES)
"""For recordings, known to all: they have the same pseudonyms on every machine, so that replays
compare. Whoever knows an account can find it there."""
LINES = "lines"
"""The platform of chat as JSON lines."""


class AuthorIds:
    """Turns a platform's author ids into pseudonyms: keyed BLAKE2b, 24 hexadecimal digits.

    The same account has the same pseudonym in every room of a platform for as long as the key is
    there; without the key nobody can find out whose it is by trying known accounts.
    """

    def __init__(self, key: bytes, *, platform: str) -> None:
        """`platform` keeps equal ids of two platforms apart. `key`: 16 to 64 bytes."""
        self._keyed = hashlib.blake2b(platform.encode() + b"\0", key=key, digest_size=DIGEST_BYTES)

    def hashed(self, author_id: str) -> str:
        digest = self._keyed.copy()
        digest.update(author_id.encode(errors="surrogatepass"))
        return digest.hexdigest()


def hashed_author(message: ChatMessage, ids: AuthorIds | None) -> ChatMessage:
    """The same message under its author's pseudonym; nobody stays nobody."""
    if ids is None or not message.author_id:
        return message
    return replace(message, author_id=ids.hashed(message.author_id))


def load_key(path: Path) -> bytes:
    """The key in `path`, made there, readable by its owner alone, if there is none.

    Raises `Permanent` where it cannot be had, or where others may read it. Two processes that
    begin at once get the same key.
    """
    try:
        if not path.exists():
            _make(path)
        with path.open("rb") as file:
            if os.name == "posix" and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise Permanent(f"{path}: others may read the key of author ids: chmod 600 it")
            key = file.read(KEY_BYTES + 1)
    except OSError as error:
        raise Permanent(
            f"{path}: the key of author ids cannot be had: {error.strerror}; set "
            "`author_key_file` to a file in a folder that may be written to"
        ) from error
    if len(key) != KEY_BYTES:
        raise Permanent(
            f"{path}: not a key of author ids ({KEY_BYTES} bytes): delete it, and a new one is made"
        )
    return key


def _make(path: Path) -> None:
    """Write a key beside the path first: whoever sees the path sees a whole key."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    beside = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(beside, path)
    except FileExistsError:
        return  # another process was first: its key is ours
    finally:
        beside.unlink(missing_ok=True)
