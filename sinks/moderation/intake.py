"""What becomes of proposals: spared, done, held, asked or due; once per author or message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from streammon.core.moderation import AuthorRole, ModerationAction
from streammon.core.types import StreamId
from streammon.sinks.moderation import steps
from streammon.sinks.moderation.ledger import Ledger
from streammon.sinks.moderation.policy import Proposal, most_now
from streammon.sinks.moderation.records import (
    FOR_EVER_NS,
    Decision,
    Hook,
    State,
    decision_id,
    subject,
)
from streammon.sinks.moderation.settings import ModerationConfig

HELD_BY_POLICY = "the policy asks for a person"


@dataclass(frozen=True, slots=True)
class Intake:
    """Decides on proposals, against what the ledger remembers of earlier ones."""

    settings: ModerationConfig
    ledger: Ledger

    def consider(
        self,
        alert: Mapping[str, Any],
        proposed: Sequence[tuple[Proposal, frozenset[AuthorRole]]],
        *,
        accounts: int,
    ) -> list[Decision]:
        """Decide what is proposed for one alert, each with the author's roles as far as known.

        One transaction. What was decided before, in this run or an earlier one, is not decided
        again. `accounts` wrote on the stream lately.
        """
        made: list[Decision] = []
        with self.ledger.together():
            for proposal, roles in proposed:
                decision = self._new(alert, proposal)
                if decision is None:
                    continue
                cause = steps.spared(self.settings.spare, decision.author_id, roles)
                if cause:
                    decision = replace(decision, state=State.SPARED, cause=cause)
                else:
                    decision = self._gated(decision, hold=proposal.hold, accounts=accounts)
                self.ledger.add(decision, again_ns=steps.again_ns(decision, self.settings))
                made.append(decision)
        return made

    def _new(self, alert: Mapping[str, Any], proposal: Proposal) -> Decision | None:
        """The decision in its first state; `None` where nothing of it is new."""
        now_ns, suspect = self.ledger.now_ns(), proposal.suspect
        stream, dry_run = StreamId(str(alert.get("stream"))), self.settings.dry_run
        delete = proposal.action is ModerationAction.DELETE
        about = suspect.message_ids if delete else (suspect.author_id,)
        keys = {one: subject(stream, proposal.action, one, dry_run=dry_run) for one in about}
        taken = self.ledger.taken(tuple(keys.values()), now_ns=now_ns)
        new = tuple(one for one, key in keys.items() if key not in taken)
        if not new:
            return None
        return Decision(
            decision_id=decision_id(keys[new[0]], now_ns),
            stream=stream,
            incident_id=str(alert.get("incident_id")),
            kind=str(alert.get("kind")),
            severity=proposal.severity,
            action=proposal.action,
            author_id=suspect.author_id,
            room=suspect.room,
            message_ids=new if delete else suspect.message_ids,
            duration_s=proposal.duration_s,
            why=proposal.why,
            dry_run=dry_run,
            state=State.HELD,
            made_ns=now_ns,
            due_ns=FOR_EVER_NS,
        )

    def _gated(self, decision: Decision, *, hold: bool, accounts: int) -> Decision:
        """Its state after holds, limits and the question whether to ask a hook."""
        if decision.action is ModerationAction.FLAG:
            return replace(decision, state=State.DONE)
        asking, now_ns = self.settings.hook, decision.made_ns
        decision = replace(decision, hook=Hook.NONE if asking is None else Hook.DUE)
        cause = HELD_BY_POLICY if hold else self._beyond(decision, accounts)
        if cause:
            return steps.held(decision, cause, settings=self.settings, now_ns=now_ns)
        self.ledger.allow(
            decision.stream, decision.action, count=steps.weight(decision), now_ns=now_ns
        )
        if asking is not None:
            due_ns = now_ns + steps.to_ns(asking.answer_within_s)
            return replace(decision, state=State.ASKED, due_ns=due_ns)
        return steps.freed(decision, by="policy", now_ns=now_ns)

    def _beyond(self, decision: Decision, accounts: int) -> str:
        """Why this one is too many; empty: it is not."""
        limit = self.settings.limits[decision.action]
        most = most_now(decision.action, self.settings, accounts=accounts)
        since_ns = decision.made_ns - steps.to_ns(limit.per_s)
        before = self.ledger.allowed(decision.stream, decision.action, since_ns=since_ns)
        if before + steps.weight(decision) <= most:
            return ""
        return f"more than {most} of this action in {limit.per_s:g} s: a person has to look"
