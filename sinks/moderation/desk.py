"""Where people see what is decided, and decide: for the wall and for scripts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from streammon.core.moderation import AuthorBook, ChatActor, ModerationAction
from streammon.core.types import StreamId
from streammon.sinks.moderation.docket import Docket
from streammon.sinks.moderation.records import Decision, Entry, State
from streammon.sinks.moderation.steward import Scribe

Verb: TypeAlias = Literal["confirm", "veto", "undo"]

WAITING = (State.HELD, State.ASKED)


@dataclass(frozen=True, slots=True)
class Shown:
    """A decision, with what only this process knows of its author."""

    decision: Decision
    name: str | None
    """As the platform shows the author; `None` where it is not known. Never written down."""
    can_act: bool
    """Whether the stream's source can do this now."""


class Desk:
    """On the event loop."""

    def __init__(
        self,
        docket: Docket,
        scribe: Scribe,
        *,
        actor_of: Callable[[StreamId], AuthorBook | None],
    ) -> None:
        self._docket = docket
        self._scribe = scribe
        self._actor_of = actor_of

    @property
    def dry_run(self) -> bool:
        return self._docket.settings.dry_run

    async def waiting(self, limit: int) -> list[Shown]:
        """What waits for a person or for the hook, newest first."""
        ledger = self._docket.ledger
        found = await self._scribe(lambda: ledger.in_states(WAITING, limit=limit))
        return [self._shown(decision) for decision in found]

    async def recent(self, limit: int) -> list[Shown]:
        """What changed last, newest first, without what waits."""
        ledger = self._docket.ledger
        found = await self._scribe(
            lambda: ledger.recent([each for each in State if each not in WAITING], limit=limit)
        )
        return [self._shown(decision) for decision in found]

    async def audit(self, *, after: int, limit: int) -> list[Entry]:
        """See `Ledger.audit`."""
        return await self._scribe(partial(self._docket.ledger.audit, after=after, limit=limit))

    async def decide(self, decision_id: str, verb: Verb, *, by: str) -> Shown:
        """A person's word. Raises `LookupError` and `docket.NotNow`."""
        word = {
            "confirm": self._docket.confirm,
            "veto": self._docket.veto,
            "undo": self._docket.undo,
        }[verb]
        return self._shown(await self._scribe(partial(word, decision_id, by=by)))

    def _shown(self, decision: Decision) -> Shown:
        book = self._actor_of(decision.stream)
        known = None if book is None else book.author(decision.author_id)
        can_act = isinstance(book, ChatActor) and _can(book, decision.action)
        return Shown(decision, None if known is None else known.name, can_act)


@runtime_checkable
class HasDesk(Protocol):
    """A sink at which people decide."""

    @property
    def desk(self) -> Desk | None:
        """`None` while it is not running."""


def _can(actor: ChatActor, action: ModerationAction) -> bool:
    return action in actor.actions
