"""A fake of Twitch, written from its documents: EventSub over WebSockets, Helix, tokens.

Not Twitch: what it does beyond its documents is not known here.
"""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import count
from typing import Any
from urllib.parse import parse_qs

from tests.answering import Answer, Asked, as_json
from tests.answering_here import answering_here
from tests.web_lines import Peer, WebLines, web_lines

CHANNEL, CHANNEL_ID, BOT_ID = "some_channel", "1001", "2002"
CLIENT_ID = "the-client"
SCOPES = [
    "user:read:chat",
    "moderator:manage:chat_messages",
    "moderator:manage:banned_users",
    "moderator:manage:warnings",
]


class FakeTwitch:
    """Its state, and what it was asked."""

    def __init__(self, lines: WebLines) -> None:
        self.lines = lines
        self.url = ""
        self.good_tokens = {"good-token"}
        self.scopes = SCOPES
        self.subscriptions: list[Any] = []
        self.deleted: list[str] = []
        self.banned: dict[str, Any] = {}
        self.warned: list[Any] = []
        self.points_left = 800
        self.reset_unix_s = 0
        self.bans_status: int | None = None
        self.renewals = 0
        self._numbers = count()

    # --- the WebSocket -----------------------------------------------------------------------

    async def greeted(self, number: int = 0) -> Peer:
        """The client that came as this one, after its welcome."""
        peer = await self.lines.peer(number)
        await self.send(peer, "session_welcome", self.session(f"session-{number}"))
        return peer

    def session(self, session_id: str, **more: Any) -> dict[str, Any]:
        silence = {"keepalive_timeout_seconds": 10, "reconnect_url": None}
        return {"session": {"id": session_id, "status": "connected", **silence, **more}}

    async def send(
        self, peer: Peer, kind: str, payload: Any, *, message_id: str | None = None
    ) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"
        metadata = {
            "message_id": message_id or f"m{next(self._numbers)}",
            "message_type": kind,
            "message_timestamp": now,
        }
        await peer.send({"metadata": metadata, "payload": payload})

    async def say(self, peer: Peer, text: str, *, by: str = "42", **more: Any) -> str:
        """One chat message; its id."""
        chat_id = more.pop("chat_id", None) or f"chat-{next(self._numbers)}"
        badges = [{"set_id": badge, "id": "1", "info": ""} for badge in more.pop("badges", [])]
        event = {
            "broadcaster_user_id": CHANNEL_ID,
            "broadcaster_user_login": CHANNEL,
            "chatter_user_id": by,
            "chatter_user_login": f"user{by}",
            "chatter_user_name": f"User{by}",
            "message_id": chat_id,
            "message": {"text": text, "fragments": [{"type": "text", "text": text}]},
            "message_type": "text",
            "badges": badges,
        }
        subscription = {"id": "s1", "status": "enabled", "type": "channel.chat.message"}
        payload = {"subscription": subscription, "event": event}
        await self.send(peer, "notification", payload, **more)
        return chat_id

    # --- HTTP --------------------------------------------------------------------------------

    def answer(self, asked: Asked) -> Answer:
        match asked.method, asked.path:
            case "GET", "/oauth2/validate":
                return self._validate(asked)
            case "POST", "/oauth2/token":
                return self._renew(asked)
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer" or token not in self.good_tokens:
            return _error(401, "Invalid OAuth token")
        if asked.headers.get("client-id") != CLIENT_ID:
            return _error(401, "Client ID and OAuth token do not match")
        if self.points_left <= 0:
            limits = {"Ratelimit-Remaining": "0", "Ratelimit-Reset": str(self.reset_unix_s)}
            return _error(429, "Too Many Requests", headers=limits)
        self.points_left -= 1
        return self._helix(asked)

    def _helix(self, asked: Asked) -> Answer:
        match asked.method, asked.path:
            case "GET", "/helix/users":
                known = asked.query["login"] == CHANNEL
                return as_json({"data": [{"id": CHANNEL_ID, "login": CHANNEL}] if known else []})
            case "POST", "/helix/eventsub/subscriptions":
                self.subscriptions.append(asked.json())
                return as_json({"data": [{"status": "enabled"}]}, status=202)
        moderates = {"broadcaster_id": CHANNEL_ID, "moderator_id": BOT_ID}
        if any(asked.query.get(name) != value for name, value in moderates.items()):
            return _error(403, "The user is not one of the broadcaster's moderators.")
        match asked.method, asked.path:
            case "DELETE", "/helix/moderation/chat":
                return self._delete(asked.query["message_id"])
            case "POST", "/helix/moderation/bans":
                return self._ban(asked.json()["data"])
            case "DELETE", "/helix/moderation/bans":
                if self.banned.pop(asked.query["user_id"], None) is None:
                    return _error(400, "The user in user_id is not banned.")
                return Answer(status=204)
            case "POST", "/helix/moderation/warnings":
                self.warned.append(asked.json()["data"])
                return as_json({"data": [{}]})
        return _error(404, "not found")

    def _validate(self, asked: Asked) -> Answer:
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        if scheme != "OAuth" or token not in self.good_tokens:
            return _error(401, "invalid access token")
        whose = {"client_id": CLIENT_ID, "login": "bot", "user_id": BOT_ID}
        return as_json({**whose, "scopes": self.scopes, "expires_in": 5_000})

    def _renew(self, asked: Asked) -> Answer:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        if form["client_id"] != CLIENT_ID or form["client_secret"] != "the-secret":
            return _error(403, "invalid client secret")
        if form["refresh_token"] != "good-refresh":
            return _error(400, "Invalid refresh token")
        self.renewals += 1
        token = f"renewed-{self.renewals}"
        self.good_tokens.add(token)
        said = {"access_token": token, "refresh_token": "good-refresh", "scope": self.scopes}
        return as_json({**said, "token_type": "bearer"})

    def _delete(self, message_id: str) -> Answer:
        if message_id in self.deleted:
            return _error(404, "The ID in message_id was not found.")
        self.deleted.append(message_id)
        return Answer(status=204)

    def _ban(self, data: Any) -> Answer:
        if self.bans_status is not None:
            return _error(self.bans_status, "a conflict")
        if data["user_id"] in self.banned:
            return _error(400, "The user specified in the user_id field is already banned.")
        if data["user_id"] == CHANNEL_ID:
            return _error(400, "The user specified in the user_id field may not be banned.")
        self.banned[data["user_id"]] = data
        return as_json({"data": [{"user_id": data["user_id"]}]})

    def run_out_of_points(self, for_s: int) -> None:
        self.points_left = 0
        self.reset_unix_s = int(time.time()) + for_s


def _error(status: int, message: str, **more: Any) -> Answer:
    return as_json({"error": "-", "status": status, "message": message}, status=status, **more)


@asynccontextmanager
async def fake_twitch() -> AsyncGenerator[FakeTwitch]:
    async with web_lines() as lines:
        fake = FakeTwitch(lines)
        async with answering_here(fake.answer) as fake.url:
            yield fake
