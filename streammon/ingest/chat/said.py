"""What a platform's adapter hands over for each message."""

from __future__ import annotations

from dataclasses import dataclass, field

from streammon.core.moderation import AuthorRole


@dataclass(frozen=True, slots=True)
class Said:
    """One message as the platform told of it, before anything is hashed, bounded or put on a clock.

    Lives no longer than it takes to make a `ChatMessage` of it.
    """

    author_id: str = field(repr=False)
    """The platform's id of the account: stays the same when the account changes its name."""
    text: str = field(repr=False)
    message_id: str | None = None
    """The platform's id, by which a repeat is known and the message can be deleted. `None`: there
    is none, and every message is a new one."""
    room: str = ""
    """The platform's name or id of the channel."""
    sent_unix_s: float | None = None
    """When the platform says that it was sent."""
    name: str = field(default="", repr=False)
    """As the platform shows the author; empty: not told."""
    roles: frozenset[AuthorRole] = frozenset()
    """Of the author, in this room."""
    address: str = field(default="", repr=False)
    """What the platform needs beside the id to act on the author, as IRC's `nick!user@host`."""
