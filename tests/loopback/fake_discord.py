"""A fake of Discord, written from its documents: the gateway, version 10, and its REST API.

Not Discord: what it does beyond its documents is not known here.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from tests.answering import Answer, Asked, as_json
from tests.answering_here import answering_here
from tests.web_lines import Peer, WebLines, web_lines

TOKEN = "bot-token"
GUILD, EVERYONE, MODS = "10000001", "10000001", "10000002"
OWNER, BOT = "20000001", "20000009"
CHANNEL = "30000001"
KICK = 1 << 1


class FakeDiscord:
    """Its state, and what it was asked."""

    def __init__(self, lines: WebLines) -> None:
        self.lines = lines
        self.url = ""
        self.heartbeat_ms = 45_000
        self.sessions_left = 1_000
        self.message_ids: set[str] = set()
        self.banned: set[str] = set()
        self.members: dict[str, Any] = {"42": {}, OWNER: {}}
        self.written: dict[str, Any] = {}
        self.permitted = True
        self.retry_after_s: float | None = None
        self.reasons: list[str] = []
        self.permissions = KICK
        self._numbers = count(40_000_000)
        self._seqs = count(1)

    # --- the gateway -------------------------------------------------------------------------

    async def hello(self, number: int = 0) -> tuple[Peer, Any]:
        """The client that came as this one, and what it said after the hello."""
        peer = await self.lines.peer(number)
        interval = {"heartbeat_interval": self.heartbeat_ms}
        await peer.send({"op": 10, "d": interval, "s": None, "t": None})
        return peer, await self.next_but_beats(peer)

    async def ready(self, number: int = 0) -> Peer:
        """The same, identified, with its server told."""
        peer, said = await self.hello(number)
        assert said["op"] == 2
        await self.begin(peer)
        return peer

    async def begin(self, peer: Peer) -> None:
        session = {"session_id": "the-session", "resume_gateway_url": f"{self.lines.url}/resume"}
        guilds = [{"id": GUILD, "unavailable": True}]
        ready = {"v": 10, "user": {"id": BOT, "username": "watcher"}, "guilds": guilds, **session}
        await self.dispatch(peer, "READY", ready)
        roles = [
            {"id": EVERYONE, "name": "@everyone", "permissions": "0"},
            {"id": MODS, "name": "mods", "permissions": str(self.permissions)},
        ]
        await self.dispatch(
            peer, "GUILD_CREATE", {"id": GUILD, "owner_id": OWNER, "roles": roles, "channels": []}
        )

    async def dispatch(self, peer: Peer, kind: str, data: Any, *, seq: int | None = None) -> int:
        """Its sequence number."""
        number = next(self._seqs) if seq is None else seq
        await peer.send({"op": 0, "t": kind, "s": number, "d": data})
        return number

    async def say(self, peer: Peer, text: str, *, by: str = "42", **more: Any) -> int:
        """One message; its sequence number."""
        message_id = more.pop("message_id", None) or str(next(self._numbers))
        self.message_ids.add(message_id)
        kind = more.pop("kind", "MESSAGE_CREATE")
        roles, bot, seq = more.pop("roles", []), more.pop("bot", False), more.pop("seq", None)
        message = {
            "id": message_id,
            "guild_id": GUILD,
            "channel_id": CHANNEL,
            "author": {"id": by, "username": f"user{by}", **({"bot": True} if bot else {})},
            "member": {"roles": roles},
            "content": text,
            "timestamp": "2026-11-22T08:00:00.000000+00:00",
            "type": 0,
            **more,
        }
        return await self.dispatch(peer, kind, message, seq=seq)

    async def next_but_beats(self, peer: Peer) -> Any:
        while (said := await peer.receive())["op"] == 1:
            await peer.send({"op": 11})
        return said

    # --- REST --------------------------------------------------------------------------------

    def answer(self, asked: Asked) -> Answer:
        if asked.headers.get("authorization") != f"Bot {TOKEN}":
            return as_json({"message": "401: Unauthorized", "code": 0}, status=401)
        if asked.path == "/gateway/bot":
            limit = {"total": 1000, "remaining": self.sessions_left, "reset_after": 60_000}
            limit["max_concurrency"] = 1
            said = {"url": self.lines.url, "shards": 1, "session_start_limit": limit}
            return as_json(said)
        if self.retry_after_s is not None:
            said = {"message": "You are being rate limited.", "retry_after": self.retry_after_s}
            headers = {"Retry-After": "1", "X-RateLimit-Remaining": "0"}
            return Answer(json.dumps({**said, "global": False}).encode(), 429, headers)
        if not self.permitted:
            return _error(403, 50013, "Missing Permissions")
        if reason := asked.headers.get("x-audit-log-reason"):
            self.reasons.append(reason)
        return self._do(asked.method, asked.path.strip("/").split("/"), asked)

    def _do(self, method: str, path: list[str], asked: Asked) -> Answer:
        match method, path:
            case "DELETE", ["channels", _, "messages", message_id]:
                if message_id not in self.message_ids:
                    return _error(404, 10008, "Unknown Message")
                self.message_ids.discard(message_id)
            case "POST", ["channels", _, "messages", "bulk-delete"]:
                ids = asked.json()["messages"]
                if not 2 <= len(ids) <= 100:
                    return _error(400, 50016, "Too few or too many messages to delete")
                self.message_ids -= set(ids)
            case "POST", ["channels", _, "messages"]:
                body = asked.json()
                assert body["enforce_nonce"]
                self.written.setdefault(body["nonce"], body)
                return as_json({"id": "1"})
            case _, ["guilds", guild, *rest] if guild == GUILD:
                return self._member(method, rest, asked)
            case _:
                return _error(404, 0, "404: Not Found")
        return Answer(status=204)

    def _member(self, method: str, path: list[str], asked: Asked) -> Answer:
        match method, path:
            case "PATCH", ["members", user_id] if user_id in self.members:
                self.members[user_id] = asked.json()
                return as_json({"user": {"id": user_id}})
            case "DELETE", ["members", user_id] if user_id in self.members:
                del self.members[user_id]
            case _, ["members", _]:
                return _error(404, 10007, "Unknown Member")
            case "PUT", ["bans", user_id]:
                self.banned.add(user_id)
            case "DELETE", ["bans", user_id] if user_id in self.banned:
                self.banned.discard(user_id)
            case "DELETE", ["bans", _]:
                return _error(404, 10026, "Unknown Ban")
            case _:
                return _error(404, 0, "404: Not Found")
        return Answer(status=204)


def _error(status: int, code: int, message: str) -> Answer:
    return as_json({"message": message, "code": code}, status=status)


@asynccontextmanager
async def fake_discord() -> AsyncGenerator[FakeDiscord]:
    async with web_lines() as lines:
        fake = FakeDiscord(lines)
        async with answering_here(fake.answer) as fake.url:
            yield fake
