"""Chat from rooms of a Matrix homeserver, by the client API's `/sync`.

The client is our own, on httpx: see docs/adr for why. Rooms with end-to-end encryption cannot be
read, and it is said so.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from pydantic import Field, SecretStr, field_validator

from streammon.core.errors import Permanent, Retryable
from streammon.core.types import StreamId
from streammon.ingest.chat.acting import ActingFeed
from streammon.ingest.chat.feed import ChatConfig, Desk
from streammon.ingest.chat.matrix_actor import CLIENT, MatrixActor, limited_s, segment
from streammon.ingest.chat.matrix_events import (
    ENCRYPTED,
    SPOKEN,
    TRUST,
    Trust,
    room_filter,
    said_of,
)
from streammon.ingest.chat.said import Said
from streammon.ingest.chat.web_api import (
    Answer,
    Fields,
    WebApi,
    fields_in,
    objects_in,
    private_url,
    text_of,
)

POLL_S = 30.0
"""How long the homeserver may hold a question while nobody writes."""
POLL_GRACE_S = 15.0
MOST_SYNC_BYTES = 32 * 2**20
TIMELINE = 50
"""Messages of a room in one answer; what lies before them is asked for in pages."""
PAGE = 100
MOST_PAGES = 50
MOST_WAITS = 5
WAIT_S, MOST_WAIT_S = 5.0, 60.0
"""When a homeserver asks to wait but not how long, and when it asks for longer."""


class MatrixConfig(ChatConfig):
    """Rooms of a Matrix homeserver, read and moderated as the account of a token."""

    type: Literal["matrix"] = "matrix"
    homeserver: str
    """`https://...`, where clients connect to; plain `http` to this machine only."""
    token: SecretStr = Field(min_length=4)
    """Access token of an account that may join the rooms, usually of a bot."""
    rooms: tuple[str, ...] = Field(min_length=1, max_length=50)
    """Aliases (`#lobby:example.org`) or ids (`!...`); the account joins those it is not in."""
    ban_as: Literal["ban", "kick"] = "ban"
    """What a ban is here: whoever is kicked may come back."""

    @field_validator("homeserver")
    @classmethod
    def is_private(cls, value: str) -> str:
        return private_url(value, "https")

    @field_validator("rooms")
    @classmethod
    def are_rooms(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name[:1] in ("#", "!") and len(name) <= 255 for name in value):
            raise ValueError("a room is an alias, `#name:server`, or an id, `!...`")
        return value

    def build(self, stream: StreamId) -> MatrixChat:
        return MatrixChat(stream, self)


class MatrixChat(ActingFeed):
    """Satisfies `ports.Source` and `moderation.ChatActor`.

    While it is away nothing is lost: the next connection goes on from the last answer that was
    read to its end, `MOST_PAGES` pages back at most.
    """

    def __init__(self, stream: StreamId, settings: MatrixConfig) -> None:
        super().__init__(stream, settings, platform="matrix", connect=self._connection)
        self._matrix = settings
        self._since: str | None = None
        self._trust: dict[str, Trust] = {}

    @asynccontextmanager
    async def _connection(self, desk: Desk) -> AsyncGenerator[AsyncIterator[Said]]:
        headers = {"Authorization": f"Bearer {self._matrix.token.get_secret_value()}"}
        async with WebApi.opened(
            "Matrix", self._matrix.homeserver, headers=headers, worked_before=desk.worked_before
        ) as api:
            connection = _Connection(api, self._matrix.rooms, desk, self._trust)
            await connection.log_in()
            if self._since is None:
                self._since = await connection.begin()
            self.acts.actor = MatrixActor(api, connection.rooms_by_name, ban_as=self._matrix.ban_as)
            desk.up()
            try:
                yield self._said(connection)
            finally:
                self.acts.actor = None

    async def _said(self, connection: _Connection) -> AsyncGenerator[Said]:
        """What is said, for ever; only what was read to its end is not asked for again."""
        while True:
            assert self._since is not None
            answer = await connection.sync(self._since)
            if answer.status == 400:
                self._since = None
                raise Retryable("Matrix does not know where we were any more: beginning anew")
            for room_id, joined in fields_in(fields_in(answer.body, "rooms"), "join").items():
                room = connection.names.get(room_id)
                if room is None or not isinstance(joined, dict):
                    continue
                self._learn(connection, joined, room_id)
                async for event in connection.events(room_id, joined, self._since):
                    self._learn_from(event, room_id, room)
                    if said := connection.said(event, room):
                        yield said
            connection.check_membership(answer)
            self._since = text_of(answer.body, "next_batch") or self._since

    def _learn(self, connection: _Connection, joined: Fields, room_id: str) -> None:
        for event in objects_in(fields_in(joined, "state"), "events"):
            self._learn_from(event, room_id, connection.names[room_id])

    def _learn_from(self, event: Fields, room_id: str, room: str) -> None:
        trust = self._trust.setdefault(room, Trust())
        for user_id in trust.take(event):
            self.book.set_roles(self.hashed(user_id), room, trust.roles(user_id))


class _Connection:
    """One login at a homeserver, and the questions that are asked with it."""

    def __init__(
        self, api: WebApi, rooms: tuple[str, ...], desk: Desk, trust: dict[str, Trust]
    ) -> None:
        self.names: dict[str, str] = {}
        """Rooms by id, as the config calls them."""
        self._api = api
        self._rooms = rooms
        self._desk = desk
        self._trust = trust
        self._me = ""
        self._filter = ""

    @property
    def rooms_by_name(self) -> dict[str, str]:
        return {name: room_id for room_id, name in self.names.items()}

    async def log_in(self) -> None:
        """Find out who we are and join the rooms. Raises `Permanent` for a bad token or room."""
        answer = await self._ask("GET", f"{CLIENT}/account/whoami")
        self._me = answer.text("user_id")
        if not self._me:
            raise Permanent(
                f"Matrix: `homeserver` answered {answer.status} without a user: is it a homeserver?"
            )
        for name in self._rooms:
            answer = await self._ask("POST", f"{CLIENT}/join/{segment(name)}", body={})
            room_id = answer.text("room_id")
            if not answer.good or not room_id:
                cause = f"Matrix: {name} cannot be joined ({answer.status}): invite the account"
                raise Retryable(cause) if self._desk.worked_before else Permanent(cause)
            self.names[room_id] = name
        self._filter = room_filter(list(self.names), most=TIMELINE)

    async def begin(self) -> str:
        """Learn who is trusted, and where now is."""
        # Servers keep the answer to a first question for minutes; no two of ours are the same.
        query = {"filter": self._filter, "timeout": secrets.randbelow(100_000)}
        answer = await self._ask("GET", f"{CLIENT}/sync", query=query, most_bytes=MOST_SYNC_BYTES)
        since = answer.text("next_batch")
        if not answer.good or not since:
            raise Retryable(f"Matrix answered {answer.status} to the first question for news")
        for room_id, name in self.names.items():
            for kind in TRUST:
                # What a filtered `/sync` tells of the state is not enough: who made the room.
                path = f"{CLIENT}/rooms/{segment(room_id)}/state/{kind}"
                answer = await self._ask("GET", path, query={"format": "event"})
                self._trust.setdefault(name, Trust()).take({**answer.body, "type": kind})
        return since

    async def sync(self, since: str) -> Answer:
        """News since then; waits for it."""
        query: dict[str, str | int] = {
            "filter": self._filter,
            "since": since,
            "timeout": round(POLL_S * 1e3),
        }
        answer = await self._ask(
            "GET",
            f"{CLIENT}/sync",
            query=query,
            timeout_s=POLL_S + POLL_GRACE_S,
            most_bytes=MOST_SYNC_BYTES,
        )
        if not answer.good and answer.status != 400:
            raise Retryable(f"Matrix answered {answer.status}")
        return answer

    async def events(self, room_id: str, joined: Fields, since: str) -> AsyncGenerator[Fields]:
        """Of one room, oldest first, with those that did not fit into the answer."""
        timeline = fields_in(joined, "timeline")
        before = text_of(timeline, "prev_batch")
        if timeline.get("limited") is True and before:
            for event in await self._missed(room_id, before, since):
                yield event
        for event in objects_in(timeline, "events"):
            yield event

    async def _missed(self, room_id: str, before: str, since: str) -> list[Fields]:
        """What was said between `since` and `before`, oldest first."""
        path = f"{CLIENT}/rooms/{segment(room_id)}/messages"
        wanted = '{"types":["' + '","'.join(SPOKEN) + '"]}'
        newest_first: list[Fields] = []
        for _ in range(MOST_PAGES):
            query: dict[str, str | int] = {
                "dir": "b",
                "from": before,
                "to": since,
                "limit": PAGE,
                "filter": wanted,
            }
            answer = await self._ask("GET", path, query=query, most_bytes=MOST_SYNC_BYTES)
            if not answer.good:
                raise Retryable(f"Matrix answered {answer.status} to a question for older messages")
            newest_first += objects_in(answer.body, "chunk")
            before = answer.text("end")
            if not before:
                return newest_first[::-1]
        self._desk.lost(f"too old: more than {PAGE * MOST_PAGES} came while we were away")
        return newest_first[::-1]

    def said(self, event: Fields, room: str) -> Said | None:
        if event.get("sender") == self._me:
            return None  # our own warnings
        if event.get("type") == ENCRYPTED:
            self._desk.lost(f"{room} is encrypted from end to end, which cannot be read")
            return None
        return said_of(event, room=room, trust=self._trust.setdefault(room, Trust()))

    def check_membership(self, answer: Answer) -> None:
        """Raises `Permanent` once there is no room left to read in."""
        for room_id in fields_in(fields_in(answer.body, "rooms"), "leave"):
            name = self.names.pop(room_id, None)
            if name is not None:
                self._desk.lost(f"the account was removed from {name}")
        if not self.names:
            raise Permanent("Matrix: the account was removed from every room: invite it again")

    async def _ask(self, method: str, path: str, **more: Any) -> Answer:
        """Ask, and again after the pause that the homeserver wants."""
        for _ in range(MOST_WAITS):
            answer = await self._api.ask(method, path, **more)
            if answer.status == 401:
                raise Permanent("Matrix refused the token: set `token` to a valid access token")
            if answer.status != 429:
                return answer
            await asyncio.sleep(min(limited_s(answer) or WAIT_S, MOST_WAIT_S))
        raise Retryable("Matrix keeps asking to wait")
