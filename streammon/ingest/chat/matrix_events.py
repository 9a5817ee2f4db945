"""What events of a Matrix room say: who said what, and who is trusted there. Pure."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping
from typing import Final

from streammon.core.moderation import AuthorRole
from streammon.ingest.chat.said import Said
from streammon.ingest.chat.web_api import Fields, fields_in, text_of, whole_of

MESSAGE, ENCRYPTED = "m.room.message", "m.room.encrypted"
POWER, CREATE = "m.room.power_levels", "m.room.create"
SPOKEN: Final = [MESSAGE, ENCRYPTED]
TRUST: Final = [POWER, CREATE]
MEMBER = "m.room.member"
"""Asked for because a server tells that we were removed only to who wants to hear of members."""
TEXTS = frozenset({"m.text", "m.notice", "m.emote"})
CREATORS_RULE_FROM = 12
"""From this version of rooms on their creators stand above all power levels."""
FULL_POWER = 100
_QUOTED = re.compile(r"<mx-reply>.*?</mx-reply>", re.DOTALL | re.IGNORECASE)
_BREAK = re.compile(r"<(?:br|/p|/li|/h[1-6]|/tr|/blockquote)\b[^<>]{0,100}>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]{0,4000}>")


def room_filter(room_ids: list[str], *, most: int) -> str:
    """The filter of a `/sync`: what is said in these rooms and who is trusted, nothing else."""
    nothing = {"not_types": ["*"]}
    return json.dumps(
        {
            "presence": nothing,
            "account_data": nothing,
            "room": {
                "rooms": room_ids,
                "include_leave": True,
                "timeline": {"limit": most, "types": [*SPOKEN, *TRUST, MEMBER]},
                "state": {"types": TRUST},
                "ephemeral": nothing,
                "account_data": nothing,
            },
        }
    )


class Trust:
    """Who may act on others in one room, by its power levels."""

    def __init__(self) -> None:
        self._levels: Fields = {}
        self._creators: frozenset[str] = frozenset()

    def take(self, event: Fields) -> frozenset[str]:
        """Learn from a state event; whose roles may have changed by it."""
        content = fields_in(event, "content")
        if event.get("type") == CREATE:
            self._creators = _creators(event, content)
            return self._creators
        if event.get("type") != POWER:
            return frozenset()
        before, self._levels = self._levels, content
        return frozenset({*fields_in(before, "users"), *fields_in(content, "users")})

    def roles(self, user_id: str) -> frozenset[AuthorRole]:
        """Creators and full powers own the room; whoever may kick or ban moderates it; one raised
        above the others is a VIP.
        """
        if user_id in self._creators:
            return frozenset({AuthorRole.BROADCASTER})
        usual = _level(self._levels, "users_default", 0)
        level = _level(fields_in(self._levels, "users"), user_id, usual)
        if level <= usual:
            return frozenset()  # a room where everybody may kick has no moderators
        if level >= FULL_POWER:
            return frozenset({AuthorRole.BROADCASTER})
        if level >= min(_level(self._levels, name, 50) for name in ("kick", "ban")):
            return frozenset({AuthorRole.MODERATOR})
        return frozenset({AuthorRole.VIP})


def _creators(event: Fields, content: Fields) -> frozenset[str]:
    version = whole_of(content.get("room_version"))
    if version is None or version < CREATORS_RULE_FROM:
        return frozenset()
    others = content.get("additional_creators")
    named = [each for each in others if isinstance(each, str)] if isinstance(others, list) else []
    return frozenset({text_of(event, "sender"), *named})


def _level(levels: Mapping[str, object], name: str, otherwise: int) -> int:
    level = whole_of(levels.get(name))
    return otherwise if level is None else level


def said_of(event: Fields, *, room: str, trust: Trust) -> Said | None:
    """What was said, or `None` for an event that holds no text: a picture, one that was redacted.

    An edit is what it says now, under an id of its own.
    """
    content = fields_in(event, "content")
    edited = fields_in(content, "m.new_content")
    if fields_in(content, "m.relates_to").get("rel_type") == "m.replace" and edited:
        content = edited
    sender, event_id = text_of(event, "sender"), text_of(event, "event_id")
    if not sender or not event_id or text_of(content, "msgtype") not in TEXTS:
        return None
    sent_ms = whole_of(event.get("origin_server_ts"))
    return Said(
        author_id=sender,
        text=_shown(content),
        message_id=event_id,
        room=room,
        sent_unix_s=None if sent_ms is None else sent_ms / 1e3,
        name=sender,
        roles=trust.roles(sender),
    )


def _shown(content: Fields) -> str:
    """The text that people see: of the formatted body where there is one, which need not say what
    the plain one says; without what a reply quotes.
    """
    formatted = text_of(content, "formatted_body")
    if formatted and content.get("format") == "org.matrix.custom.html":
        plain = _TAG.sub("", _BREAK.sub("\n", _QUOTED.sub("", formatted)))
        return html.unescape(plain).strip()
    return _without_quote(text_of(content, "body"), content)


def _without_quote(body: str, content: Fields) -> str:
    """The text of a reply without what it quotes, which older programs put before it."""
    if not fields_in(fields_in(content, "m.relates_to"), "m.in_reply_to"):
        return body
    lines = body.split("\n")
    quoted = 0
    while quoted < len(lines) and lines[quoted].startswith("> "):
        quoted += 1
    if quoted == 0 or quoted == len(lines) or lines[quoted]:
        return body
    return "\n".join(lines[quoted + 1 :])
