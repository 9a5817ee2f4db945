"""Sees decisions through: asks the hook, has the platform act, lifts what has lasted its time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Sequence
from functools import partial
from itertools import groupby
from typing import Protocol, TypeVar

from streammon.core.errors import Permanent, Retryable
from streammon.core.moderation import (
    UNDOES,
    ActionOutcome,
    ActionRequest,
    ActionStatus,
    AuthorBook,
    ChatActor,
    ModerationAction,
)
from streammon.core.ports import Clock
from streammon.core.types import StreamId
from streammon.flow.supervise import Backoff
from streammon.sinks.moderation import steps
from streammon.sinks.moderation.docket import Docket
from streammon.sinks.moderation.hook import Answer, ModerationHook
from streammon.sinks.moderation.records import Decision, State

log = logging.getLogger(__name__)

T = TypeVar("T")

LOOK_EVERY_S = 0.25
PRUNE_EVERY_S = 600.0
AT_A_TIME = 100
"""Decisions of one look: the rest waits for the next."""
ASKED_AT_A_TIME = 8
ASK_AGAIN = Backoff(first_s=0.5, most_s=30.0)
ACTED_WITHIN_S = 35.0
"""A little more than an actor may take."""
MOST_TELLS = 5
"""How often the hook is told of what waits for a person anyway."""

_LIFTED_BY = {done: undo for undo, done in UNDOES.items()}
_TIMED = (State.HELD, State.ASKED, State.DONE)


class Scribe(Protocol):
    """Runs ledger work off the loop, one after the other."""

    async def __call__(self, work: Callable[[], T]) -> T: ...


class Steward:
    """Works through the docket until cancelled. One for a ledger."""

    def __init__(
        self,
        docket: Docket,
        scribe: Scribe,
        *,
        hook: ModerationHook | None,
        actor_of: Callable[[StreamId], AuthorBook | None],
        clock: Clock,
    ) -> None:
        self._docket = docket
        self._scribe = scribe
        self._hook = hook
        self._actor_of = actor_of
        self._clock = clock
        self._at_work: dict[StreamId, asyncio.Task[None]] = {}
        self._settling = False
        self._asking = False
        self._unheard = 0
        self._ask_from_ns = 0

    async def run(self) -> None:
        """Look, act, look again. Raises `Retryable` while the ledger cannot be written."""
        prune_ns = self._clock.now_ns()
        async with asyncio.TaskGroup() as group:
            while True:
                await self.look(group)
                if self._clock.now_ns() >= prune_ns:
                    prune_ns = self._clock.now_ns() + steps.to_ns(PRUNE_EVERY_S)
                    await self._prune()
                await self._clock.sleep(LOOK_EVERY_S)

    async def look(self, group: asyncio.TaskGroup) -> None:
        """Once: what time is up for, whom to ask, and on each stream what to do, in order."""
        for decision in await self._due(*_TIMED):
            await self._scribe(partial(self._docket.timed_out, decision))
        if self._hook is not None and not self._asking:
            self._asking = True
            group.create_task(self._ask_all(self._hook), name="moderation:ask")
        # Streams that are worked on are left out: a platform that hangs holds up no other.
        due = await self._due(State.DUE, State.UNDO_DUE, but=tuple(self._at_work))
        due.sort(key=lambda each: each.stream)  # keeps the order within a stream
        for stream, decisions in groupby(due, key=lambda each: each.stream):
            self._at_work[stream] = group.create_task(
                self._work(stream, list(decisions)), name=f"moderate:{stream}"
            )

    async def settle(self) -> None:
        """See `moderation.Moderating`: what is due stays so, for the next run."""
        self._settling = True
        if self._at_work:
            await asyncio.wait(tuple(self._at_work.values()))

    async def _due(self, *states: State, but: Collection[StreamId] = ()) -> list[Decision]:
        ledger = self._docket.ledger
        return await self._scribe(
            lambda: ledger.due(states, now_ns=ledger.now_ns(), limit=AT_A_TIME, but=but)
        )

    async def _prune(self) -> None:
        ledger, kept_s = self._docket.ledger, self._docket.settings.keep_days * 86_400.0
        await self._scribe(lambda: ledger.prune(before_ns=ledger.now_ns() - steps.to_ns(kept_s)))

    async def _ask_all(self, hook: ModerationHook) -> None:
        """Ask about what it has not been told of; nothing while it is left alone to recover."""
        ledger = self._docket.ledger
        try:
            if self._clock.now_ns() < self._ask_from_ns:
                return
            asked = await self._scribe(lambda: ledger.to_tell(limit=ASKED_AT_A_TIME))
            async with asyncio.TaskGroup() as group:
                for decision in asked:
                    group.create_task(self._ask(hook, decision), name="moderation:ask")
        finally:
            self._asking = False

    async def _ask(self, hook: ModerationHook, decision: Decision) -> None:
        name = decision.decision_id
        try:
            answer = await hook.ask(decision)
        except Retryable as error:
            log.warning("moderation_hook_away", extra={"cause": str(error)})
            pause_s = ASK_AGAIN.delay_s(self._unheard)
            self._unheard += 1
            self._ask_from_ns = self._clock.now_ns() + steps.to_ns(pause_s)
            over = decision.state is State.HELD and decision.tries + 1 >= MOST_TELLS
            await self._scribe(partial(self._docket.told, name, over=over))
            return
        self._unheard = 0
        if answer is Answer.NONE:
            await self._scribe(partial(self._docket.told, name, over=True))
        else:
            veto = answer is Answer.VETO
            await self._scribe(partial(self._docket.answered, name, veto=veto))

    async def _work(self, stream: StreamId, decisions: Sequence[Decision]) -> None:
        """What is due on one stream, one after the other."""
        try:
            for decision in decisions:
                await self._carry_out(decision)
        finally:
            del self._at_work[stream]

    async def _carry_out(self, decision: Decision) -> None:
        docket, book = self._docket, self._actor_of(decision.stream)
        if self._settling and isinstance(book, ChatActor):
            return
        if decision.state is State.DUE:
            known = None if book is None else book.author(decision.author_id)
            roles = frozenset() if known is None else known.roles
            if cause := steps.spared(docket.settings.spare, decision.author_id, roles):
                await self._scribe(partial(docket.spare_now, decision, cause))
                return
            if decision.by == "hook" and not isinstance(book, ChatActor):
                await self._scribe(partial(docket.hand_over, decision))
                return
            if isinstance(book, ChatActor) and known is None:
                # Whether it is a moderator cannot be known: it may be once it writes again.
                outcome = ActionOutcome(ActionStatus.FAILED, "the author has not been seen lately")
                await self._scribe(partial(docket.done, decision, outcome))
                return
        outcome = await _asked_of(book, request_for(decision))
        log.info(
            "moderation_acted",
            extra={
                "stream": decision.stream,
                "decision": decision.decision_id,
                "action": decision.action.value,
                "status": outcome.status.value,
            },
        )
        await self._scribe(partial(docket.done, decision, outcome))


def request_for(decision: Decision) -> ActionRequest:
    """What the platform is asked: the deed, or that it be taken back."""
    lifting = decision.state is State.UNDO_DUE
    action = _LIFTED_BY[decision.action] if lifting else decision.action
    return ActionRequest(
        key=f"{decision.decision_id}.undo" if lifting else decision.decision_id,
        stream=decision.stream,
        action=action,
        author_id=decision.author_id,
        room=decision.room,
        message_ids=decision.message_ids,
        duration_s=decision.duration_s if action is ModerationAction.TIMEOUT else None,
        reason=f"streammon: {decision.kind}",
        receipt=decision.receipt if lifting else "",
    )


async def _asked_of(actor: AuthorBook | None, request: ActionRequest) -> ActionOutcome:
    """The actor's answer, or one in its place where there is none."""
    if actor is None:
        return ActionOutcome(ActionStatus.FAILED, "the stream is not watched now")
    if not isinstance(actor, ChatActor):
        return ActionOutcome(ActionStatus.REFUSED, "the source of this stream cannot act")
    try:
        async with asyncio.timeout(ACTED_WITHIN_S):
            return await actor.act(request)
    except TimeoutError:
        return ActionOutcome(ActionStatus.FAILED, "the platform took too long")
    except Retryable as error:
        return ActionOutcome(ActionStatus.FAILED, str(error))
    except Permanent as error:
        return ActionOutcome(ActionStatus.REFUSED, str(error))
