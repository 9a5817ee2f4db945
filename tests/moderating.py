"""Alerts that name authors, a ledger on a clock of our own, and a platform that acts on cue."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from streammon.core.moderation import (
    ActionOutcome,
    ActionRequest,
    ActionStatus,
    AuthorBook,
    AuthorRole,
    KnownAuthor,
    ModerationAction,
)
from streammon.core.ports import StoredAlert
from streammon.core.types import StreamId
from streammon.sinks.moderation.desk import Desk
from streammon.sinks.moderation.docket import Docket
from streammon.sinks.moderation.intake import Intake
from streammon.sinks.moderation.ledger import Ledger
from streammon.sinks.moderation.policy import proposals
from streammon.sinks.moderation.records import Decision, State
from streammon.sinks.moderation.settings import ModerationConfig
from streammon.sinks.moderation.sink import ModerationSink

CHAT = StreamId("chat")
SOON_S = 15.0
LADDER = [{"at": "info", "do": "delete"}, {"at": "warning", "do": ["timeout", "ban"]}]
DAY_NS = 86_400 * 10**9


@dataclass
class Wall:
    """Wall time that moves when told."""

    at_ns: int = 1_800_000_000 * 10**9

    def __call__(self) -> int:
        return self.at_ns

    def pass_s(self, seconds: float) -> None:
        self.at_ns += round(seconds * 1e9)


def named(author_id: str, *message_ids: str, room: str = "") -> dict[str, Any]:
    return {"author_id": author_id, "room": room, "message_ids": list(message_ids)}


def an_alert(
    *authors: dict[str, Any],
    kind: str = "chat_flood",
    state: str = "opened",
    severity: str = "info",
    confidence: float = 0.95,
    accounts: int = 100,
    incident: str = "i1",
) -> dict[str, Any]:
    """An alert on the wire, as far as moderation reads it."""
    group = {"confidence": confidence, "authors": list(authors)}
    details: dict[str, Any] = {"accounts": accounts, "groups": [group]}
    if kind == "ai_text":
        told = [{**author, "confidence": confidence} for author in authors]
        details = {"authors": told}
    result = {"kind": kind, "confidence": confidence, "details": details}
    return {
        "stream": CHAT, "incident_id": incident, "kind": kind, "state": state,
        "severity": severity, "why": "many accounts say the same", "results": [result],
    }  # fmt: skip


def stored(alert: dict[str, Any], seq: int = 1) -> StoredAlert:
    return StoredAlert(seq, f"alert-{seq}", StreamId(alert["stream"]), json.dumps(alert).encode())


@dataclass
class Court:
    """Intake and docket over one ledger."""

    settings: ModerationConfig
    wall: Wall = field(default_factory=Wall)
    path: Any = ":memory:"

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.path, wall_ns=self.wall)
        self.intake = Intake(self.settings, self.ledger)
        self.docket = Docket(self.settings, self.ledger)

    def hear(
        self,
        alert: dict[str, Any],
        *,
        roles: Mapping[str, Iterable[AuthorRole]] | None = None,
        accounts: int = 100,
    ) -> list[Decision]:
        proposed = [
            (each, frozenset((roles or {}).get(each.suspect.author_id, ())))
            for each in proposals(alert, self.settings)
        ]
        return self.intake.consider(alert, proposed, accounts=accounts)

    def get(self, decision: Decision) -> Decision:
        found = self.ledger.get(decision.decision_id)
        assert found is not None
        return found

    def due(self, *states: State) -> list[Decision]:
        return self.ledger.due(states, now_ns=self.wall.at_ns, limit=1000)


class Platform:
    """Satisfies `moderation.ChatActor`: knows whom it is told of, does as it is told."""

    def __init__(
        self,
        known: Sequence[str] = (),
        *,
        roles: dict[str, frozenset[AuthorRole]] | None = None,
        outcomes: Sequence[ActionOutcome] = (),
    ) -> None:
        self.actions = frozenset(
            {
                ModerationAction.DELETE, ModerationAction.WARN, ModerationAction.TIMEOUT,
                ModerationAction.BAN, ModerationAction.UNTIMEOUT, ModerationAction.UNBAN,
            }
        )  # fmt: skip
        self.known = set(known)
        self.roles = roles or {}
        self.outcomes = list(outcomes)
        """Said one after the other; then everything is done."""
        self.asked: list[ActionRequest] = []

    def author(self, author_id: str) -> KnownAuthor | None:
        if author_id not in self.known:
            return None
        return KnownAuthor(f"name of {author_id}", self.roles.get(author_id, frozenset()))

    async def act(self, request: ActionRequest) -> ActionOutcome:
        self.asked.append(request)
        if self.outcomes:
            return self.outcomes.pop(0)
        return ActionOutcome(ActionStatus.DONE, receipt=f"mask-{request.author_id}")


def settings(path: Path, **changes: Any) -> ModerationConfig:
    base: dict[str, Any] = {
        "dry_run": False,
        "policy": {"chat_flood": LADDER},
        "path": str(path / "moderation.db"),
    }
    return ModerationConfig.model_validate({**base, **changes})


@asynccontextmanager
async def entered(
    config: ModerationConfig, book: AuthorBook | None
) -> AsyncIterator[tuple[ModerationSink, Desk]]:
    sink = ModerationSink("moderation", config)
    sink.meet(lambda stream: book if stream == CHAT else None)
    async with asyncio.timeout(SOON_S), sink:
        assert sink.desk is not None
        yield sink, sink.desk


async def until(desk: Desk, *states: State, count: int = 1) -> list[Decision]:
    """The decisions, newest first, once so many are in these states."""
    while True:
        shown = [*await desk.waiting(1000), *await desk.recent(1000)]
        found = [each.decision for each in shown if each.decision.state in states]
        if len(found) >= count:
            return found
        await asyncio.sleep(0.02)
