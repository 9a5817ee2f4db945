"""The outbox's thread: takes requests, commits them together, answers on the event loop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

from streammon.config import OutboxConfig
from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import Clock
from streammon.core.types import HealthState
from streammon.sinks.outbox_store import AlertRow, OutboxStore, open_store

log = logging.getLogger(__name__)

HOUSEKEEPING_S = 1.0
SAVE_LIVED_S = 60.0
DISK_PAUSE_S = 0.2
DEAD_LETTER_ROWS = 100_000
"""The newest dead letters that are kept."""

Notice: TypeAlias = tuple[HealthState, str]
Answers: TypeAlias = list[tuple[asyncio.Future[Any], object]]


@dataclass(frozen=True, slots=True)
class OutboxStats:
    """The outbox as it was after its last commit."""

    rows: int = 0
    bytes: int = 0
    waiting: int = 0
    """Calls of `append` that are held back because there is no room."""
    oldest_unacked_s: float = 0.0
    last_seq: int = 0
    cursors: MappingProxyType[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Per consumer: the number up to which it has accepted everything."""
    dead_letters: int = 0
    """Alerts moved there since the outbox was opened."""
    trouble: str = ""
    """Why `append` waits; empty when it does not."""
    outside: int = 0
    """Another number whenever another process has changed letters."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """Something for the thread to do: store rows, change something, or read.

    `answer` belongs to the event loop.
    """

    answer: asyncio.Future[Any]
    rows: Sequence[AlertRow] = ()
    waits: bool = True
    """Whether rows are held back until there is room for them; else they are refused."""
    change: Callable[[OutboxStore], object] | None = None
    read: Callable[[OutboxStore], object] | None = None


class Inbox:
    """What the event loop hands to the thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests: deque[Request] = deque()
        self.closed: Exception | None = None
        """Why nothing is taken any more."""

    def put(self, request: Request) -> None:
        """Raises the reason when closed."""
        with self._changed:
            if self.closed is not None:
                raise self.closed
            self._requests.append(request)
            self._changed.notify()

    def take(self, wait_s: float) -> list[Request]:
        """All that waits; empty after `wait_s` and on closing."""
        with self._changed:
            if not self._requests and self.closed is None:
                self._changed.wait(wait_s)
            taken = list(self._requests)
            self._requests.clear()
            return taken

    def close(self, reason: Exception) -> None:
        with self._changed:
            self.closed = self.closed or reason
            self._changed.notify()

    def pause(self, pause_s: float) -> None:
        """Wait whatever comes in, except closing."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed is not None, pause_s)


class Writer:
    """Everything that happens on the outbox's thread.

    `opened` is called once with the outbox's session or the error; `turned` after each round
    with its answers, the new figures (none after the last) and what people must be told. Both
    are called on the thread.
    """

    def __init__(
        self,
        path: Path | str,
        inbox: Inbox,
        *,
        settings: OutboxConfig,
        clock: Clock,
        kept_s: float,
        opened: Callable[[str | Exception], None],
        turned: Callable[[Answers, OutboxStats | None, list[Notice]], None],
    ) -> None:
        self._path = path
        self._inbox = inbox
        self._settings = settings
        self._clock = clock
        self._kept_s = kept_s
        self._opened = opened
        self._turned = turned
        self._taken: list[Request] = []
        self._held: list[Request] = []
        self._notices: list[Notice] = []
        self._trouble = ""
        self._dead_letters = 0
        self._began_ns = 0
        self._base_s = self._kept_house_s = self._saved_s = 0.0

    def run(self) -> None:
        try:
            store, cause = open_store(self._path, power_safe=self._settings.durable == "power")
        except (Permanent, Retryable, sqlite3.Error, OSError) as error:
            self._opened(error)
            return
        if cause:
            self._notices.append((HealthState.DEGRADED, cause))
        self._began_ns, self._base_s = self._clock.now_ns(), store.lived_s
        self._kept_house_s = self._saved_s = store.lived_s
        self._turned([], self._stats(store), self._notices)
        self._notices = []
        self._opened(store.session)
        reason: Exception = Retryable("the outbox is closed")
        try:
            self._serve(store)
        except Exception as error:  # told to everyone who asks, never lost here
            log.exception("outbox_failed", extra={"path": str(self._path)})
            reason = Permanent(f"the outbox {self._path} failed: {error}; restart the monitor")
            self._notices.append((HealthState.FAILED, str(reason)))
        finally:
            self._inbox.close(reason)
            left = self._held + self._taken + self._inbox.take(0.0)
            store.close()
            self._turned([(each.answer, reason) for each in left], None, self._notices)

    def _serve(self, store: OutboxStore) -> None:
        while True:
            self._taken = self._inbox.take(HOUSEKEEPING_S)
            store.lived_s = self._base_s + (self._clock.now_ns() - self._began_ns) / 1e9
            answers = self._write(store)
            answers += [(each.answer, _ask(each.read, store)) for each in self._taken if each.read]
            self._turned(answers, self._stats(store), self._notices)
            self._notices = []
            if self._inbox.closed is not None and not self._taken:
                _save_age(store)
                return

    def _write(self, store: OutboxStore) -> Answers:
        """Commit what there is room for; hold the rest back, in order."""
        writes = self._held + [each for each in self._taken if each.rows or each.change]
        appends = [each for each in writes if each.rows]
        answers: Answers = []
        stored = 0
        try:
            with store.transaction():
                for each in writes:
                    if each.change:
                        answers.append((each.answer, _ask(each.change, store)))
                expired = self._keep_house(store)
                for each in appends:
                    if not self._has_room(store):
                        break
                    answers.append((each.answer, [store.insert(row) for row in each.rows]))
                    stored += 1
        except sqlite3.OperationalError as error:
            refused = self._hold_back(writes, str(error))
            self._be_in_trouble(f"the outbox cannot write to its disk ({error}): alerts wait")
            self._inbox.pause(DISK_PAUSE_S)
            return refused
        answers += self._hold_back(appends[stored:], "it is full")
        self._note_expired(expired)
        self._be_in_trouble(self._why_full(store) if self._held else "")
        return answers

    def _hold_back(self, requests: Sequence[Request], cause: str) -> Answers:
        """Keep them for the next round; refuse those that do not wait."""
        self._held = [each for each in requests if each.waits]
        return [(each.answer, Retryable(cause)) for each in requests if not each.waits]

    def _has_room(self, store: OutboxStore) -> bool:
        """Whether one more append fits; alerts that everyone accepted make room for it."""
        most = self._settings.max_mb * 1_000_000
        while store.bytes >= most:
            if not store.prune(kept_s=None):
                return False
        return True

    def _keep_house(self, store: OutboxStore) -> dict[str, int]:
        """About once a second: let go of what is old, and of what was never accepted. Returns how
        many of the latter went, by consumer.
        """
        if store.lived_s - self._kept_house_s < HOUSEKEEPING_S:
            return {}
        self._kept_house_s = store.lived_s
        most_age_s = self._settings.max_age_h * 3600.0
        expired = {name: store.expire(name, most_age_s=most_age_s) for name in store.cursors()}
        deleted = store.letters.bound_dead(DEAD_LETTER_ROWS)
        if deleted:
            log.error("outbox_dead_letters_deleted", extra={"count": deleted})
        store.prune(kept_s=self._kept_s)
        if store.lived_s - self._saved_s >= SAVE_LIVED_S:
            self._saved_s = store.lived_s
            store.save_lived()
        return expired

    def _note_expired(self, expired: Mapping[str, int]) -> None:
        """Once it is durable: tell what was given up."""
        for consumer, moved in expired.items():
            if moved:
                self._dead_letters += moved
                cause = (
                    f"{moved} alerts were not accepted by {consumer} within "
                    f"{self._settings.max_age_h:g} h and were moved to the outbox's dead letters"
                )
                log.error("outbox_dead_letters", extra={"consumer": consumer, "count": moved})
                self._notices.append((HealthState.DEGRADED, cause))

    def _why_full(self, store: OutboxStore) -> str:
        done = store.letters.settled(store.cursors())
        slowest = min(done, key=lambda name: done[name])
        return (
            f"the outbox is full ({self._settings.max_mb} MB): alerts wait until {slowest} "
            "accepts what is stored"
        )

    def _be_in_trouble(self, cause: str) -> None:
        """Tell people when the reason why appends wait comes, changes or goes."""
        if cause == self._trouble:
            return
        self._trouble = cause
        if cause:
            log.error("outbox_waits", extra={"path": str(self._path), "cause": cause})
        self._notices.append((HealthState.DEGRADED if cause else HealthState.UP, cause))

    def _stats(self, store: OutboxStore) -> OutboxStats:
        return OutboxStats(
            rows=store.rows,
            bytes=store.bytes,
            waiting=len(self._held),
            oldest_unacked_s=store.oldest_unacked_s(),
            last_seq=store.last_seq,
            cursors=MappingProxyType(store.cursors()),
            dead_letters=self._dead_letters + store.letters.buried,
            trouble=self._trouble,
            outside=store.changed_outside(),
        )


def _save_age(store: OutboxStore) -> None:
    """How long the outbox has lived, for the next run; a full disk keeps the one saved before,
    at most `SAVE_LIVED_S` younger.
    """
    with contextlib.suppress(sqlite3.OperationalError), store.transaction():
        store.save_lived()


def _ask(question: Callable[[OutboxStore], object], store: OutboxStore) -> object:
    """The answer, or the `LookupError` that it is."""
    try:
        return question(store)
    except LookupError as error:
        return error
