"""Files of weights and code that a user points to: read once, hashed, held to what was pinned."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from streammon.core.errors import Permanent

CHUNK_BYTES = 2**20


def pinned_bytes(path: Path, sha256: str | None) -> tuple[bytes, str]:
    """The content of a file and its SHA-256: what is checked is what is used.

    Blocking. Raises `Permanent` when it cannot be read or is not what was pinned.
    """
    try:
        data = path.expanduser().read_bytes()
    except OSError as error:
        raise Permanent(
            f"{path}: the model cannot be read ({error.strerror}); set `model` to a file that "
            "exists and can be read"
        ) from error
    found = hashlib.sha256(data).hexdigest()
    if sha256 is not None and found != sha256.lower():
        raise Permanent(
            f"{path}: SHA-256 is {found}, expected {sha256.lower()}; fetch the file again, or set "
            "`sha256` to the hash of the file that you mean"
        )
    return data, found


class Seal:
    """The hash of a set of files, worked out again only after one of them has changed."""

    def __init__(self) -> None:
        self._seen: list[tuple[str, int, int]] = []
        self._sha256 = ""

    def of(self, files: Iterable[Path]) -> str:
        """SHA-256 over names and contents, in order of the names. Blocking; raises `OSError`."""
        ordered = sorted(files)
        seen = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in ordered]
        if seen != self._seen:
            whole = hashlib.sha256()
            for path in ordered:
                whole.update(f"{path.name}\n{path.stat().st_size}\n".encode())
                with path.open("rb") as file:
                    while chunk := file.read(CHUNK_BYTES):
                        whole.update(chunk)
            self._seen, self._sha256 = seen, whole.hexdigest()
        return self._sha256


def first_line(error: BaseException) -> str:
    """What went wrong, in one line of at most 240 characters."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    return (" ".join(lines[:2]) or type(error).__name__)[:240]
