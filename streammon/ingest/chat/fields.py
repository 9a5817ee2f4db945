"""Messages of chat in anybody's JSON: which field means what. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from streammon.core.moderation import AuthorRole
from streammon.ingest.chat.lines import BadLine
from streammon.ingest.chat.said import Said

Path = Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+){0,9}$", max_length=200)]
"""Names of fields from the outside in, with dots between them; a number is a place in a list."""
ROLES = {str(role): role for role in AuthorRole}
MILLISECONDS_FROM = 1e11
"""A number above this is a time in milliseconds: as seconds it would lie after the year 5000."""


class MessageFields(BaseModel):
    """Where a message's parts stand in an object."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    author_id: Path = "author_id"
    text: Path = "text"
    message_id: Path = "message_id"
    room: Path = "room"
    sent: Path = "sent"
    """Unix time in seconds or milliseconds, or RFC 3339."""
    name: Path = "name"
    roles: Path = "roles"
    """A list of `broadcaster`, `moderator`, `vip`, `bot`; others in it are passed over."""

    def read(self, fields: object) -> Said:
        """Raises `BadLine` that names the field, never with what is in it."""
        if not isinstance(fields, Mapping):
            raise BadLine("not an object")
        author_id, text = _text(fields, self.author_id), _text(fields, self.text)
        if author_id is None or text is None:
            missing = self.author_id if author_id is None else self.text
            raise BadLine(f"{missing} is missing or not a string")
        roles = value_at(fields, self.roles)
        held = roles if isinstance(roles, list) else []
        return Said(
            author_id=author_id,
            text=text,
            message_id=_text(fields, self.message_id),
            room=_text(fields, self.room) or "",
            sent_unix_s=_unix_s(value_at(fields, self.sent)),
            name=(_text(fields, self.name) or "")[:200],
            roles=frozenset(
                ROLES[each] for each in held if isinstance(each, str) and each in ROLES
            ),
        )


def value_at(value: object, path: str) -> object:
    """What stands there, or `None`."""
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step[:6]) < len(value):
            value = value[int(step[:6])]
        else:
            return None
    return value


def objects(raw: bytes | str, *, in_lines: bool = False) -> Iterator[object]:
    """The values of one JSON object, of an array, or of one line each.

    Raises `BadLine` when the whole is not JSON; a line that is not comes as `None`.
    """
    if in_lines:
        lines = raw.splitlines() if isinstance(raw, bytes) else raw.encode().splitlines()
        for line in lines:
            if line.strip():
                try:
                    yield json.loads(line)
                except (ValueError, RecursionError):
                    yield None
        return
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        raise BadLine("not JSON") from None
    yield from said if isinstance(said, list) else [said]


def _text(fields: Mapping[str, object], path: str) -> str | None:
    value = value_at(fields, path)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if abs(value) < 10**30 else None  # platforms number accounts, messages
    return value if isinstance(value, str) else None


def _unix_s(value: object) -> float | None:
    """Unix time of a number or of RFC 3339; `None` for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        seconds = float(value) if abs(value) < 1e300 else math.nan
        seconds = seconds / 1e3 if abs(seconds) >= MILLISECONDS_FROM else seconds
        return seconds if math.isfinite(seconds) else None
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else None
        if at is None:
            return None
        return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
