"""Names those who wrote, by the ids their source gave them, for whoever moderates. Bounded."""

from __future__ import annotations

from collections.abc import Sequence

from streammon.core.types import ChatMessage, Json

MOST_AUTHORS = 24
MOST_MESSAGES = 5
MOST_ID = 256
"""Characters of an id; whoever has a longer one is not named."""


def named_authors(messages: Sequence[ChatMessage]) -> list[Json]:
    """`{"author_id", "room", "message_ids"}` of those who wrote last, each with their newest
    messages, oldest first. `messages`: in order.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for message in reversed(messages):
        key = message.author_id, message.room
        if not message.author_id or max(map(len, key)) > MOST_ID:
            continue
        if key not in found and len(found) >= MOST_AUTHORS:
            continue
        ids = found.setdefault(key, [])
        if len(ids) < MOST_MESSAGES and 0 < len(message.message_id) <= MOST_ID:
            ids.append(message.message_id)
    return [
        {"author_id": author_id, "room": room, "message_ids": [*reversed(ids)]}
        for (author_id, room), ids in found.items()
    ]
