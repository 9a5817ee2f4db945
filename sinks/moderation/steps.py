"""From one state of a decision to the next. Pure."""

from __future__ import annotations

from dataclasses import replace

from streammon.core.moderation import AuthorRole, ModerationAction
from streammon.sinks.moderation.records import FOR_EVER_NS, Decision, State
from streammon.sinks.moderation.settings import ModerationConfig, SpareConfig


def spared(spare: SpareConfig, author_id: str, roles: frozenset[AuthorRole]) -> str:
    """Why nobody acts on this author; empty: no reason."""
    if author_id in spare.authors:
        return "the author is on the list of those to spare"
    kept = sorted(role.value for role in roles & spare.roles)
    return f"the author is {', '.join(kept)} there" if kept else ""


def weight(decision: Decision) -> int:
    """How much of its action's limit it takes: one per author or per message."""
    return len(decision.message_ids) if decision.action is ModerationAction.DELETE else 1


def freed(decision: Decision, *, by: str, now_ns: int) -> Decision:
    """To be done now; of a rehearsal, what would be done."""
    state = State.WOULD if decision.dry_run else State.DUE
    due_ns = FOR_EVER_NS if decision.dry_run else now_ns
    return replace(decision, state=state, by=by, cause="", due_ns=due_ns, tries=0)


def held(decision: Decision, cause: str, *, settings: ModerationConfig, now_ns: int) -> Decision:
    """To wait for a person, for so long and no longer."""
    due_ns = now_ns + to_ns(settings.hold_expires_s)
    return replace(decision, state=State.HELD, cause=cause, due_ns=due_ns)


def to_lift(done: Decision, *, by: str, now_ns: int) -> Decision:
    """To be taken back now."""
    return replace(done, state=State.UNDO_DUE, by=by, cause="", tries=0, due_ns=now_ns)


def again_ns(decision: Decision, settings: ModerationConfig) -> int:
    """Until when the same is not decided again."""
    if decision.action is ModerationAction.DELETE:
        return decision.made_ns + to_ns(settings.keep_days * 86_400.0)
    ban = decision.action is ModerationAction.BAN and decision.duration_s is None
    if ban and not decision.dry_run and decision.state is not State.SPARED:
        return FOR_EVER_NS
    return decision.made_ns + to_ns(max(settings.again_after_s, decision.duration_s or 0.0))


def to_ns(seconds: float) -> int:
    return round(seconds * 1e9)
