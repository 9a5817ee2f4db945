"""A decision about an author or some messages, from proposed to over, and how it is written."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from streammon.core.moderation import ModerationAction
from streammon.core.types import Severity, StreamId
from streammon.sinks.wire import rfc3339

VERSION = 1
FOR_EVER_NS = 2**63 - 1


class State(StrEnum):
    HELD = "held"
    """Waits for a person."""
    ASKED = "asked"
    """Waits for the hook's answer."""
    DUE = "due"
    """To be done now, or again later because the platform failed."""
    DONE = "done"
    WOULD = "would"
    """Dry run: it would have been done."""
    SPARED = "spared"
    """The author is on an allow-list."""
    VETOED = "vetoed"
    REFUSED = "refused"
    """The platform will not, and trying again is of no use."""
    FAILED = "failed"
    """Given up after trying for long."""
    EXPIRED = "expired"
    """Nobody decided in time."""
    HANDED_OVER = "handed_over"
    """The hook confirmed, and no source of ours can act there: whoever confirmed does it."""
    UNDO_DUE = "undo_due"
    UNDONE = "undone"


class Hook(StrEnum):
    """How things stand between a decision and the hook."""

    NONE = ""
    DUE = "due"
    TOLD = "told"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done, was done, or would have been. Holds hashed ids and no text."""

    decision_id: str
    """Also the idempotency key: the same decision has the same, in every run."""
    stream: StreamId
    incident_id: str
    kind: str
    severity: Severity
    action: ModerationAction
    author_id: str
    room: str
    message_ids: tuple[str, ...]
    duration_s: float | None
    """Of a timeout; of a ban: after how long it is lifted, `None`: never by itself."""
    why: str
    dry_run: bool
    state: State
    made_ns: int
    """Wall time, as everywhere here: it has to outlive the process."""
    due_ns: int
    """When something is due next: the deed, another try, the hook's deadline, a hold's end."""
    hook: Hook = Hook.NONE
    tries: int = 0
    cause: str = ""
    """Of its state: why it is held, refused, spared, ..."""
    by: str = "policy"
    """Who brought it to its state: `policy`, `hook`, `platform`, `timer`, `person:<name>`."""
    receipt: str = ""
    changed_ns: int = 0

    def subjects(self) -> tuple[str, ...]:
        """Each thing that it does, as `subject` names it."""
        delete = self.action is ModerationAction.DELETE
        about = self.message_ids if delete else (self.author_id,)
        return tuple(subject(self.stream, self.action, one, dry_run=self.dry_run) for one in about)

    @property
    def undoable(self) -> bool:
        """Whether it holds now and can be taken back."""
        holds = self.state in {State.DONE, State.WOULD}
        return holds and self.action in {ModerationAction.TIMEOUT, ModerationAction.BAN}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the audit log: who did what to which decision, when, with which outcome."""

    seq: int
    at_ns: int
    who: str
    decision: Decision
    """As it was then."""


def subject(stream: StreamId, action: ModerationAction, about: str, *, dry_run: bool) -> str:
    """What must not be done twice: this action on this author, or this message's deletion. What is
    only rehearsed is a thing of its own.
    """
    return _digest(stream, action.value, about, "dry" if dry_run else "")


def decision_id(subject: str, made_ns: int) -> str:
    """The id of the decision of that moment about this subject and those that come with it."""
    return _digest(subject, str(made_ns))


def _digest(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def to_json(decision: Decision) -> dict[str, Any]:
    """As others see it: all but the receipt, which only the platform's actor may read."""
    return {
        "decision_id": decision.decision_id,
        "stream": decision.stream,
        "incident_id": decision.incident_id,
        "kind": decision.kind,
        "severity": decision.severity.value,
        "action": decision.action.value,
        "author_id": decision.author_id,
        "room": decision.room,
        "message_ids": list(decision.message_ids),
        "duration_s": decision.duration_s,
        "why": decision.why,
        "dry_run": decision.dry_run,
        "state": decision.state.value,
        "cause": decision.cause,
        "by": decision.by,
        "tries": decision.tries,
        "undoable": decision.undoable,
        "made_at": rfc3339(decision.made_ns),
        "changed_at": rfc3339(decision.changed_ns or decision.made_ns),
    }


def entry_to_json(entry: Entry) -> dict[str, Any]:
    """A line of the audit log."""
    head = {"v": VERSION, "type": "moderation", "seq": entry.seq}
    return head | {"at": rfc3339(entry.at_ns), "who": entry.who} | to_json(entry.decision)
