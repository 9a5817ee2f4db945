"""What can be done about a chat message or its author, and the port of whoever can do it.

A policy decides (`streammon.sinks.moderation`), a platform acts: the chat source, which holds the
login and knows the accounts behind the hashed ids. Neither imports the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from streammon.core.types import StreamId


class ModerationAction(StrEnum):
    """From the mildest to the hardest, then what takes one back, then what only people see."""

    DELETE = "delete"
    """Messages vanish. Cannot be taken back on any platform."""
    WARN = "warn"
    """The author is told, publicly or not, as the platform has it."""
    TIMEOUT = "timeout"
    """The author cannot write for `duration_s`."""
    BAN = "ban"
    """The author cannot write, until somebody lifts it."""
    UNTIMEOUT = "untimeout"
    UNBAN = "unban"
    FLAG = "flag"
    """Noted for people; nothing happens on the platform. No actor is asked to."""
    HOLD = "hold"
    """A person decides. No actor is asked to."""


UNDOES = {
    ModerationAction.UNTIMEOUT: ModerationAction.TIMEOUT,
    ModerationAction.UNBAN: ModerationAction.BAN,
}


class AuthorRole(StrEnum):
    """What a platform says of an author in a room; whoever has one is not moderated by machines."""

    BROADCASTER = "broadcaster"
    """Owner of the channel, room or server."""
    MODERATOR = "moderator"
    """May act on others: operators of an IRC channel, admins, staff."""
    VIP = "vip"
    """Singled out as trusted: VIP, voiced."""
    BOT = "bot"
    """A program that the platform itself shows as one; not whom a detector takes for one."""


@dataclass(frozen=True, slots=True)
class KnownAuthor:
    """The account behind a hashed id. Kept in memory only, never in a file, a log or an alert."""

    name: str
    """As the platform shows it."""
    roles: frozenset[AuthorRole] = frozenset()


@dataclass(frozen=True, slots=True)
class ActionRequest:
    """One action against one author, or against some of the author's messages."""

    key: str
    """Idempotency key: the same decision has the same key, however often it is asked for."""
    stream: StreamId
    action: ModerationAction
    author_id: str
    """As in `ChatMessage.author_id`: hashed where the source hashes."""
    room: str = ""
    """As in `ChatMessage.room`; empty where the source has one room."""
    message_ids: tuple[str, ...] = ()
    """As in `ChatMessage.message_id`, oldest first; what a `DELETE` is about."""
    duration_s: float | None = None
    """Of a `TIMEOUT`. The actor rounds it up to what its platform takes."""
    reason: str = ""
    """A sentence for people; holds no chat text. The actor cuts it to its platform's length."""
    receipt: str = ""
    """Of an `UNTIMEOUT` or `UNBAN`: what the outcome of the action it takes back said."""

    def __post_init__(self) -> None:
        if self.action is ModerationAction.DELETE and not self.message_ids:
            raise ValueError("a delete names the messages")
        timeout = self.action is ModerationAction.TIMEOUT
        if timeout and (self.duration_s is None or not 0 < self.duration_s < float("inf")):
            raise ValueError("a timeout has a duration above 0 s")


class ActionStatus(StrEnum):
    DONE = "done"
    ALREADY = "already"
    """It was so before: banned already, the message is gone. As good as done."""
    REFUSED = "refused"
    """It will not work later either: no right to, an unknown author, not offered here."""
    FAILED = "failed"
    """It may work later: the platform is away, slow, or asks to wait."""


@dataclass(frozen=True, slots=True)
class ActionOutcome:
    status: ActionStatus
    cause: str = ""
    """Of `REFUSED` and `FAILED`: what a person can do about it. No names, texts or credentials."""
    receipt: str = ""
    """What undoing it takes beyond the author's hashed id (a ban's mask, a platform's number), so
    that it can be undone by a process that has never seen the author. Kept until then, no longer;
    only this actor reads it."""
    lasts_until_undone: bool = False
    """Of a `TIMEOUT`: this platform will not end it by itself, so when it is over the actor is
    asked for an `UNTIMEOUT`."""
    retry_after_s: float | None = None
    """Of `FAILED`: not before. `None`: whenever the caller likes."""


@runtime_checkable
class AuthorBook(Protocol):
    """A source that knows who writes there, for as long as it runs."""

    def author(self, author_id: str) -> KnownAuthor | None:
        """`None` for one that has not been seen, or so long ago that it is forgotten. Quick; on
        the event loop. The roles are the newest known.
        """


@runtime_checkable
class ChatActor(AuthorBook, Protocol):
    """A chat source that can also act where it reads."""

    @property
    def actions(self) -> frozenset[ModerationAction]:
        """What this platform, with these credentials, can do at all. May change as it connects;
        never holds `FLAG` or `HOLD`.
        """

    async def act(self, request: ActionRequest) -> ActionOutcome:
        """Do it now and say how it went; on the source's own event loop.

        Says `FAILED` while the source is not connected. Never raises for what a platform answers,
        ends within 30 s, and may be cancelled: whether it was done is then not known, and it is
        asked for again under the same key. An action outside `actions` is `REFUSED`.
        """


@runtime_checkable
class Moderating(Protocol):
    """A sink that has sources act."""

    def meet(self, actor_of: Callable[[StreamId], AuthorBook | None]) -> None:
        """Who knows, and maybe acts on, a stream: asked anew each time, as streams come and go.
        Before the sink is entered.
        """

    async def settle(self) -> None:
        """Have sources act no more, and return once those at work have answered, which may take
        as long as a platform does. Before the sources are left; at any time of the sink's life.
        """
