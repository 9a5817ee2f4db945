"""Structured logs on one stream: logfmt for people, JSON for machines, without secrets.

A log call names an event and gives fields: `log.info("stream_up", extra={"stream": "door"})`.
Every text is redacted before it is written. Nothing a caller logs can make the logging fail:
only plain values are written out; of any other object, only its type is named.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from itertools import islice
from numbers import Integral, Real
from pathlib import PurePath
from typing import TextIO, TypeAlias

from streammon.telemetry.redact import HIDDEN, redact_url

MOST_TEXT = 2_000
"""Characters of one text that are written."""
MOST_ITEMS = 20
"""Items of one list or mapping that are written."""
MOST_DEPTH = 4
MOST_TRACEBACK_LINES = 200
"""Of a traceback; its end says most."""

SECRETIVE = re.compile(
    r"passw|secret|token|authorization|api_?key|credential|cookie", re.IGNORECASE
)
"""Fields with such names are never written."""
NOISY = (
    "uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi", "websockets", "asyncio",
    "httpcore", "httpx", "aioice", "aiortc",
)  # fmt: skip
"""Loggers that tell of every connection: kept to warnings, through our handler."""

Plain: TypeAlias = "str | int | float | bool | list[Plain] | dict[str, Plain] | None"

_STANDARD = frozenset(
    {*vars(logging.LogRecord("", 0, "", 0, "", None, None)), "message", "asctime", "color_message"}
)
_BARE = re.compile(r"[\w./:+@%-]+")


def setup_logging(level: str, *, as_json: bool, stream: TextIO | None = None) -> None:
    """Send everything from `level` up to `stream` (standard error), once, however often called.

    Raises `ValueError` for a level that does not exist.
    """
    target = sys.stderr if stream is None else stream
    handler = _Handler(target)
    handler.setFormatter(JsonLines() if as_json else Logfmt(encoding=target.encoding))
    root = logging.getLogger()
    root.setLevel(level.upper())
    for earlier in [known for known in root.handlers if isinstance(known, _Handler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    for name in NOISY:
        noisy = logging.getLogger(name)
        noisy.handlers.clear()
        noisy.propagate = True
        noisy.setLevel(max(logging.WARNING, root.level))


class JsonLines(logging.Formatter):
    """One JSON object per line: `time`, `level`, `logger`, `event`, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Plain] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": _event(record),
        }
        for name, value in _fields(record).items():
            line[name if name not in line else f"{name}_"] = value
        if trace := _traceback(record):
            line["traceback"] = trace
        return json.dumps(line)


class Logfmt(logging.Formatter):
    """`time level event name=value ...`; a traceback follows on its own lines, indented."""

    def __init__(self, *, encoding: str | None = None) -> None:
        """What `encoding` (UTF-8) cannot write is written as an escape."""
        super().__init__()
        self._encoding = encoding or "utf-8"

    def format(self, record: logging.LogRecord) -> str:
        event = _event(record)
        head = f"{_time(record)} {record.levelname.lower():<7} {_value(event, spaces=True)}"
        fields = "".join(
            f" {_value(name)}={_value(value)}" for name, value in _fields(record).items()
        )
        trace = "".join(f"\n    {line}" for line in _traceback(record).splitlines())
        line = head + fields + trace
        return line.encode(self._encoding, "backslashreplace").decode(self._encoding)


class _Handler(logging.StreamHandler[TextIO]):
    """Ours, so that a second `setup_logging` finds and replaces it."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """A line that cannot be written is lost: the library would print it unredacted."""


def _time(record: logging.LogRecord) -> str:
    """RFC 3339, UTC, milliseconds."""
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    return when.replace("+00:00", "Z")


def _event(record: logging.LogRecord) -> str:
    """The message; with arguments that do not fit it, the message as it stands."""
    event = plain(record.msg)
    text = event if isinstance(event, str) else json.dumps(event)
    if not record.args:
        return text
    args = record.args
    values = (
        {str(name): plain(value) for name, value in args.items()}
        if isinstance(args, Mapping)
        else tuple(plain(value) for value in args)
    )
    try:
        return plain_text(text % values)
    except (TypeError, ValueError, KeyError, OverflowError):
        return text


def _fields(record: logging.LogRecord) -> dict[str, Plain]:
    """What the caller gave in `extra`, in that order."""
    given = {name: value for name, value in vars(record).items() if name not in _STANDARD}
    return {
        plain_text(name): HIDDEN if SECRETIVE.search(name) else plain(value)
        for name, value in given.items()
    }


def _traceback(record: logging.LogRecord) -> str:
    """The end of the traceback, redacted; empty if there is none."""
    if not record.exc_info or record.exc_info[0] is None:
        return ""
    lines = logging.Formatter().formatException(record.exc_info).splitlines()
    return "\n".join(plain_text(line) for line in lines[-MOST_TRACEBACK_LINES:])


def plain(value: object, *, depth: int = 0) -> Plain:
    """The value as JSON can hold it, redacted and bounded; runs no code of unknown types."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return plain_text(value if isinstance(value, str) else value.name)
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, Real):
        return _number(value)
    if isinstance(value, PurePath):
        return plain_text(str(value))
    if depth >= MOST_DEPTH:
        return f"<{type(value).__name__}>"
    if isinstance(value, BaseException):
        said = plain(value.args, depth=depth + 1)
        words = ", ".join(map(str, said)) if isinstance(said, list) else ""
        return f"{type(value).__name__}: {words}" if words else type(value).__name__
    if isinstance(value, dict):
        pairs = islice(value.items(), MOST_ITEMS)
        return {
            plain_text(name): HIDDEN if SECRETIVE.search(name) else plain(item, depth=depth + 1)
            for name, item in pairs
            if isinstance(name, str)
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item, depth=depth + 1) for item in islice(value, MOST_ITEMS)]
    return f"<{type(value).__name__}>"


def plain_text(text: str) -> str:
    """The text, redacted. What is too long is cut between words, so that no URL is cut in two:
    half a URL might not be recognized as one.
    """
    if len(text) > MOST_TEXT:
        text = f"{text[:MOST_TEXT].rpartition(' ')[0]} … ({len(text)} characters)"
    return redact_url(text)


def _number(value: Real) -> Plain:
    """A number that JSON knows; others by name."""
    try:
        number = int(value) if isinstance(value, Integral) else float(value)
    except (OverflowError, ValueError):
        return f"<{type(value).__name__}>"
    if isinstance(number, int):
        return number if number.bit_length() <= 1024 else "<large number>"
    return number if math.isfinite(number) else str(number)


def _value(value: Plain, *, spaces: bool = False) -> str:
    """For people: bare where that is unmistakable, else quoted as JSON."""
    if isinstance(value, str):
        bare = value.replace(" ", "") if spaces else value
        return value if _BARE.fullmatch(bare) else json.dumps(value, ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)
