"""A fake of Slack, written from its documents: Socket Mode and its web API.

Not Slack: what it does beyond its documents is not known here.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from tests.answering import Answer, Asked, as_json
from tests.answering_here import answering_here
from tests.web_lines import Peer, WebLines, web_lines

APP_TOKEN, BOT_TOKEN, USER_TOKEN = "xapp-app", "xoxb-bot", "xoxp-admin"
CHANNEL, BOT, ADMIN = "C001", "U0BOT", "U0ADMIN"
SCOPES = "channels:history,users:read,chat:write"


class FakeSlack:
    """Its state, and what it was asked."""

    def __init__(self, lines: WebLines) -> None:
        self.lines = lines
        self.url = ""
        self.errors: dict[str, str] = {}
        """By method: what it is answered with."""
        self.retry_after_s: int | None = None
        self.scopes = SCOPES
        self.stamps: set[tuple[str, str]] = set()
        self.warned: list[Any] = []
        self.asked_for: list[str] = []
        self._numbers = count(1)

    # --- the WebSocket -----------------------------------------------------------------------

    async def greeted(self, number: int = 0) -> Peer:
        """The client that came as this one, after its hello."""
        peer = await self.lines.peer(number)
        info = {"app_id": "A1"}
        await peer.send({"type": "hello", "num_connections": 1, "connection_info": info})
        return peer

    async def send(self, peer: Peer, event: Any, *, envelope_id: str | None = None) -> str:
        """An event in an envelope; the envelope's id."""
        number = next(self._numbers)
        envelope = {
            "envelope_id": envelope_id or f"e{number}",
            "type": "events_api",
            "accepts_response_payload": False,
            "retry_attempt": 0,
            "retry_reason": "",
            "payload": {"type": "event_callback", "event_id": f"Ev{number}", "event": event},
        }
        await peer.send(envelope)
        return str(envelope["envelope_id"])

    async def say(
        self, peer: Peer, text: str, *, by: str = "U042", stamp: str | None = None, **more: Any
    ) -> str:
        """One message; the id of its envelope."""
        stamp = stamp or f"1795334400.{next(self._numbers):06d}"
        self.stamps.add((CHANNEL, stamp))
        envelope_id = more.pop("envelope_id", None)
        event = {"type": "message", "channel": CHANNEL, "user": by, "text": text, "ts": stamp}
        return await self.send(peer, {**event, **more}, envelope_id=envelope_id)

    # --- the web API -------------------------------------------------------------------------

    def answer(self, asked: Asked) -> Answer:
        method = asked.path.strip("/")
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        if self.retry_after_s is not None:
            headers = {"Retry-After": str(self.retry_after_s)}
            return as_json({"ok": False, "error": "ratelimited"}, status=429, headers=headers)
        if token not in (APP_TOKEN, BOT_TOKEN, USER_TOKEN):
            return _error("invalid_auth")
        if (error := self.errors.get(method)) is not None:
            return _error(error)
        return self._do(method, token, asked)

    def _do(self, method: str, token: str, asked: Asked) -> Answer:
        match method, token:
            case "auth.test", "xoxb-bot":
                headers = {"X-OAuth-Scopes": self.scopes}
                return as_json({"ok": True, "user_id": BOT, "team_id": "T1"}, headers=headers)
            case "apps.connections.open", "xapp-app":
                return as_json({"ok": True, "url": f"{self.lines.url}/link/?ticket=secret"})
            case "users.info", "xoxb-bot":
                user_id = asked.query["user"]
                self.asked_for.append(user_id)
                user = {"id": user_id, "is_admin": user_id == ADMIN, "is_bot": False}
                return as_json({"ok": True, "user": user})
            case "chat.postEphemeral", "xoxb-bot":
                self.warned.append(asked.json())
                return as_json({"ok": True, "message_ts": "1.0"})
            case "chat.delete", "xoxp-admin":
                message = asked.json()
                if (message["channel"], message["ts"]) not in self.stamps:
                    return _error("message_not_found")
                self.stamps.discard((message["channel"], message["ts"]))
                return as_json({"ok": True})
            case "chat.delete", "xoxb-bot":
                return _error("cant_delete_message")
        return _error("not_allowed_token_type")


def _error(name: str) -> Answer:
    return as_json({"ok": False, "error": name})


@asynccontextmanager
async def fake_slack() -> AsyncGenerator[FakeSlack]:
    async with web_lines() as lines:
        fake = FakeSlack(lines)
        async with answering_here(fake.answer) as fake.url:
            yield fake
