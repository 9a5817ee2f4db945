"""From bytes to chat lines: cut at newlines, parsed, put on one clock. Pure."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from streammon.core.moderation import AuthorRole
from streammon.core.types import ChatMessage, StreamId

BACK_TO_START_S = 60.0
"""A line that lies further back than this begins a new epoch; less far, it is only late."""
MOST_AHEAD_S = 86_400.0
"""A line further ahead of the one before it than this has a wrong clock."""


class BadLine(ValueError):
    """Why a line cannot be used: never with anything of its content."""


@dataclass(frozen=True, slots=True)
class Line:
    captured_s: float | None
    author_id: str
    text: str
    message_id: str | None
    room: str
    name: str = ""
    roles: frozenset[AuthorRole] = frozenset()


def parse_line(raw: bytes) -> Line:
    """Read `{"captured_s"?, "author_id", "text", "message_id"?, "room"?, "name"?, "roles"?}`;
    raises `BadLine`.

    Other fields are passed over, as recordings of other programs have them, and so are roles that
    nobody knows.
    """
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadLine("not JSON") from None
    if not isinstance(fields, dict):
        raise BadLine("not an object")
    message_id = fields.get("message_id")
    return Line(
        captured_s=_seconds(fields.get("captured_s")),
        author_id=_text(fields, "author_id"),
        text=_text(fields, "text"),
        message_id=None if message_id is None else _text(fields, "message_id"),
        room="" if fields.get("room") is None else _text(fields, "room"),
        name=name if isinstance(name := fields.get("name"), str) else "",
        roles=_roles(fields.get("roles")),
    )


def _roles(value: object) -> frozenset[AuthorRole]:
    """Those of the list that are roles: another program may say anything there."""
    named = value if isinstance(value, list) else []
    return frozenset(role for role in AuthorRole if role.value in named)


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadLine("captured_s is not a number")
    try:
        seconds = float(value)
    except OverflowError:
        seconds = math.inf
    if not math.isfinite(seconds):
        raise BadLine("captured_s is not a finite number")
    return seconds


def _text(fields: dict[str, object], name: str) -> str:
    value = fields.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and name != "text":
        return str(value)  # many platforms number their accounts
    if not isinstance(value, str):
        raise BadLine(f"{name} is missing or not a string")
    # Half of a surrogate pair can be written in JSON, but never sent on as UTF-8.
    return value.encode("utf-8", "replace").decode("utf-8")


class LineCutter:
    """Bytes in, whole lines out, never holding more than one line of `max_bytes`.

    A longer line comes out as `None`, once, whatever its length.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = bytearray()
        self._too_long = False

    def push(self, data: bytes) -> Iterator[bytes | None]:
        *whole, rest = data.split(b"\n")
        for part in whole:
            self._grow(part)
            yield self._take()
        self._grow(rest)

    def flush(self) -> Iterator[bytes | None]:
        """At the end: the last line, when no newline ended it."""
        if self._rest or self._too_long:
            yield self._take()

    def _grow(self, part: bytes) -> None:
        self._too_long = self._too_long or len(self._rest) + len(part) > self._max_bytes
        if self._too_long:
            self._rest.clear()
        else:
            self._rest += part

    def _take(self) -> bytes | None:
        line, self._rest = bytes(self._rest), bytearray()
        too_long, self._too_long = self._too_long, False
        return None if too_long else line


@dataclass(slots=True)
class Numbers:
    """The running numbers of a source: they go on over epochs and connections."""

    seq: int = 0
    epoch: int = 0


@dataclass(slots=True)
class Stamper:
    """Puts lines on the stream's clock: seconds since its first line, never going back."""

    stream: StreamId
    numbers: Numbers
    _line: int = 0
    _origin_s: float | None = None
    _media_s: float = field(default=0.0)

    def begin_epoch(self) -> None:
        """The next line is at 0 seconds of a new epoch."""
        if self._origin_s is not None:
            self.numbers.epoch += 1
        self._origin_s, self._media_s = None, 0.0

    def stamp(self, line: Line, *, since_open_s: float) -> ChatMessage:
        """The message of a line, captured when its media time says, as in a replay.

        `since_open_s` stands in for a line without a time. Raises `BadLine` for a time that
        cannot be true.
        """
        self._line += 1
        media_s = self._place(line, since_open_s)
        message = ChatMessage(
            stream=self.stream,
            seq=self.numbers.seq,
            media_s=media_s,
            captured_ns=round(media_s * 1e9),
            author_id=line.author_id,
            text=line.text,
            message_id=line.message_id or self._made_up_id(line),
            room=line.room,
            epoch=self.numbers.epoch,
        )
        self.numbers.seq += 1
        return message

    def _place(self, line: Line, since_open_s: float) -> float:
        if line.captured_s is None:
            if self._origin_s is None:
                self._origin_s = 0.0
            self._media_s = max(self._media_s, since_open_s)
            return self._media_s
        if self._origin_s is not None:
            step_s = line.captured_s - self._origin_s - self._media_s
            if step_s > MOST_AHEAD_S:
                raise BadLine("captured_s is more than a day ahead of the line before")
            if step_s < -BACK_TO_START_S:
                self.begin_epoch()
        if self._origin_s is None:
            self._origin_s = line.captured_s
        self._media_s = max(self._media_s, line.captured_s - self._origin_s)
        return self._media_s

    def _made_up_id(self, line: Line) -> str:
        """The same for the same line at the same place of the same stream."""
        parts = (self.stream, self._line, line.captured_s, line.author_id, line.text)
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
