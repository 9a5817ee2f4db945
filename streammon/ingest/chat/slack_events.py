"""What Slack says over Socket Mode, and what its web API's errors mean. Pure."""

from __future__ import annotations

import html
from typing import Final

from streammon.core.errors import Permanent, Retryable, StreammonError
from streammon.core.moderation import AuthorRole
from streammon.ingest.chat.said import Said
from streammon.ingest.chat.web_api import Answer, Fields, fields_in, text_of

SPOKEN: Final = frozenset({"", "me_message", "bot_message", "thread_broadcast", "file_share"})
"""Kinds of message that are somebody's words; others tell of joining, pinning, renaming."""
EDITED = "message_changed"
BAD_TOKEN: Final = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "account_inactive",
        "token_revoked",
        "token_expired",
        "not_allowed_token_type",
    }
)
LACKS_RIGHT: Final = frozenset(
    {"missing_scope", "no_permission", "access_denied", "ekm_access_denied"}
)


def error_of(answer: Answer) -> str:
    """The name of the error, which Slack tells with status 200; empty when all went well."""
    if answer.body.get("ok") is True:
        return ""
    return text_of(answer.body, "error") or f"status {answer.status}"


def failure(error: str, *, token: str, scope: str) -> StreammonError:
    """What to raise when a connection cannot be made. `token` and `scope` are what it took."""
    if error in BAD_TOKEN:
        return Permanent(f"Slack refused the token ({error}): set `{token}`, see docs/chat.md")
    if error in LACKS_RIGHT:
        return Permanent(f"Slack: `{token}` lacks the scope {scope}: add it, and install it again")
    return Retryable(f"Slack answered {error}")


def said_of(payload: Fields) -> Said | None:
    """What was said in an event; `None` for one that is nobody's words.

    An edit is what it says now, under the id `<message>@<time>`; the room is the channel's id.
    """
    event = fields_in(payload, "event")
    channel, subtype = text_of(event, "channel"), text_of(event, "subtype")
    if text_of(event, "type") != "message":
        return None
    edited = ""
    if subtype == EDITED:
        event = fields_in(event, "message")
        subtype, edited = text_of(event, "subtype"), text_of(fields_in(event, "edited"), "ts")
        if not edited:
            return None  # a preview was added
    stamp, bot = text_of(event, "ts"), text_of(event, "bot_id")
    author = text_of(event, "user") or bot
    if subtype not in SPOKEN or not author or not stamp or not channel:
        return None
    return Said(
        author_id=author,
        text=html.unescape(text_of(event, "text")),
        message_id=f"{stamp}@{edited}" if edited else stamp,
        room=channel,
        sent_unix_s=_unix_s(edited or stamp),
        name=author,
        roles=frozenset({AuthorRole.BOT}) if bot else frozenset(),
    )


def roles_of(user: Fields) -> frozenset[AuthorRole]:
    """Of an account as `users.info` tells of it."""
    roles = set()
    if user.get("is_owner") is True or user.get("is_primary_owner") is True:
        roles.add(AuthorRole.BROADCASTER)
    if user.get("is_admin") is True:
        roles.add(AuthorRole.MODERATOR)
    if user.get("is_bot") is True:
        roles.add(AuthorRole.BOT)
    return frozenset(roles)


def stamp_of(message_id: str) -> str:
    """The time by which Slack knows a message, of an edit too."""
    return message_id.partition("@")[0]


def _unix_s(stamp: str) -> float | None:
    try:
        at_s = float(stamp)
    except ValueError:
        return None
    return at_s if 0.0 < at_s < 1e11 else None
