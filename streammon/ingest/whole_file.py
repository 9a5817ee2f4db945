"""Reads a small file whole, within a bound."""

from __future__ import annotations

from pathlib import Path

from streammon.core.errors import Permanent, TooLarge


def must_be_file(path: Path) -> None:
    """Raises `Permanent` for what is missing, or is a folder, a pipe or a device."""
    if path.is_dir():
        raise Permanent(f"{path}: it is a folder, not a file")
    if not path.is_file():
        raise Permanent(f"{path}: {'not a regular file' if path.exists() else 'no such file'}")


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
