"""Reads a small file whole, within a bound."""

from __future__ import annotations

from pathlib import Path

from streammon.core.errors import Permanent, TooLarge
from streammon.core.files import why_no_file


def must_be_file(path: Path) -> None:
    """Raises `Permanent` for what is missing, or is a folder, a pipe or a device."""
    if why := why_no_file(path):
        raise Permanent(f"{path}: {why}")


def read_file(path: Path, *, most_bytes: int) -> bytes:
    """All of a regular file. Raises `Permanent`, and `TooLarge` beyond the bound."""
    must_be_file(path)
    try:
        with path.open("rb") as file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise Permanent(f"{path}: cannot be read: {error.strerror}") from error
    if len(data) > most_bytes:
        raise TooLarge(f"{path}: larger than {most_bytes} bytes")
    return data
