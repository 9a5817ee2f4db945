"""What Discord's gateway says: who said what, and who is trusted in a server. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from streammon.core.moderation import AuthorRole
from streammon.ingest.chat.said import Said
from streammon.ingest.chat.web_api import Fields, fields_in, objects_in, text_of, whole_of

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT = 0, 1, 2, 6, 7
INVALID_SESSION, HELLO, HEARTBEAT_ACK = 9, 10, 11
INTENTS: Final = 1 << 0 | 1 << 9 | 1 << 15
"""Servers and their roles, messages in servers, and the content of messages (privileged)."""
MODERATES: Final = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 13 | 1 << 40
"""Any of: kick, ban, administrator, manage the server, manage messages, moderate members."""
NEEDS_A_PERSON: Final = {
    4004: "Discord refused the token: set `token` to the bot's token",
    4010: "Discord refused the shard",
    4011: "Discord wants bots in so many servers to be split: give this one a bot of its own",
    4012: "Discord no longer speaks this version of the gateway: update streammon",
    4013: "Discord does not know an intent: update streammon",
    4014: "Discord refused the message content intent: switch on `Message Content Intent` for the "
    "bot, in the developer portal under Bot",
}
"""Close codes after which no other try can work."""
BEGIN_ANEW: Final = frozenset({1000, 1001, 4007, 4009})
"""Close codes after which the session is gone."""


class Guild:
    """Who may act on others in a server, by its owner and its roles."""

    def __init__(self) -> None:
        self._owner = ""
        self._permissions: dict[str, int] = {}
        self._everyone = ""

    def take(self, kind: str, event: Fields) -> None:
        """Learn from what is told of the server."""
        match kind:
            case "GUILD_CREATE" | "GUILD_UPDATE":
                self._everyone = text_of(event, "id")  # the role that everybody has
                self._owner = text_of(event, "owner_id") or self._owner
                if isinstance(event.get("roles"), list):
                    self._permissions = {}
                    for role in objects_in(event, "roles"):
                        self._take_role(role)
            case "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE":
                self._take_role(fields_in(event, "role"))
            case "GUILD_ROLE_DELETE":
                self._permissions.pop(text_of(event, "role_id"), None)

    def roles(self, author: Fields, role_ids: Iterable[str]) -> frozenset[AuthorRole]:
        """Of an author with these roles. What everybody may do makes nobody a moderator."""
        found = set()
        if text_of(author, "id") == self._owner:
            found.add(AuthorRole.BROADCASTER)
        own = [self._permissions.get(each, 0) for each in role_ids if each != self._everyone]
        if any(permissions & MODERATES for permissions in own):
            found.add(AuthorRole.MODERATOR)
        if author.get("bot") is True:
            found.add(AuthorRole.BOT)
        return frozenset(found)

    def _take_role(self, role: Fields) -> None:
        permissions = whole_of(role.get("permissions"))
        if permissions is not None and (role_id := text_of(role, "id")):
            self._permissions[role_id] = permissions


def said_of(event: Fields, *, guild: Guild) -> Said | None:
    """What was said in a message or its edit; the room is the channel's number.

    An edit is what it says now, under the id `<message>@<time>`.
    """
    author = fields_in(event, "author")
    author_id, message_id = text_of(author, "id"), text_of(event, "id")
    if not author_id or not message_id:
        return None
    if edited := text_of(event, "edited_timestamp"):
        message_id = f"{message_id}@{edited}"
    named = fields_in(event, "member").get("roles")
    role_ids = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
    return Said(
        author_id=author_id,
        text=text_of(event, "content"),
        message_id=message_id,
        room=text_of(event, "channel_id"),
        sent_unix_s=_unix_s(text_of(event, "timestamp")),
        name=text_of(author, "username"),
        roles=guild.roles(author, role_ids),
    )


def message_number(message_id: str) -> str:
    """The number of the message, of an edit too."""
    return message_id.partition("@")[0]


def _unix_s(timestamp: str) -> float | None:
    try:
        at = datetime.fromisoformat(timestamp)
    except ValueError:
        return None
    return None if at.tzinfo is None else at.timestamp()
