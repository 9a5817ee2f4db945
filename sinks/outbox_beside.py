"""Looking into an outbox, and changing what waits there, beside the monitor that owns it or alone.

Plain synchronous code. The monitor notices a change within about a second.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streammon.core.errors import Permanent
from streammon.sinks.outbox_letters import FORMAT, Letters
from streammon.sinks.outbox_store import APPLICATION_ID

BUSY_S = 10.0
"""How long to wait for a commit of the monitor."""

_HELD = """
SELECT consumer, stream, seq, alert_id, tries, next_try_at, error, is_letter,
       json_extract(said, '$.kind'), json_extract(said, '$.state'), json_extract(said, '$.time')
FROM (SELECT *, CASE WHEN json_valid(CAST(body AS TEXT)) THEN CAST(body AS TEXT) END AS said
      FROM ({held})) ORDER BY consumer, stream, seq
"""
_WAITING = _HELD.format(
    held="""
SELECT l.consumer, l.stream, l.seq, l.alert_id, coalesce(l.body, a.body) AS body,
       l.tries, l.next_try_at, l.error, 1 AS is_letter
FROM letters l LEFT JOIN alerts a ON a.seq = l.seq
UNION ALL
SELECT c.name, a.stream, a.seq, a.alert_id, a.body,
       coalesce(s.tries, 0), s.next_try_at, coalesce(s.error, ''), 0
FROM consumers c JOIN alerts a ON a.seq > c.acked LEFT JOIN standing s ON s.consumer = c.name
"""
)
_DEAD = _HELD.format(held="SELECT *, NULL AS next_try_at, 1 AS is_letter FROM dead_letters")


@dataclass(frozen=True, slots=True)
class Held:
    """An alert that one sink has not got."""

    sink: str
    stream: str
    seq: int
    alert_id: str
    tries: int
    next_try_at: float | None
    """Unix time; `None`: not tried yet, or no more."""
    error: str
    is_letter: bool
    """False where the sink takes all its alerts together: it can be neither hurried nor dropped."""
    kind: str | None
    state: str | None
    time: str | None
    """When the alert was raised, as it says itself."""


class Beside:
    """One outbox file that somebody else may own; a context manager."""

    def __init__(self, path: Path) -> None:
        """Raises `Permanent` where there is none, or it is not ours, or too old to be read."""
        if not path.is_file():
            raise Permanent(f"there is no outbox at {path}: no monitor has run with it yet")
        self._db = sqlite3.connect(path, isolation_level=None, timeout=BUSY_S)
        self._letters = Letters(self._db)
        try:
            self._check(path)
        except sqlite3.DatabaseError as error:
            self._db.close()
            raise Permanent(f"the outbox {path} cannot be read: {error}") from error
        except Permanent:
            self._db.close()
            raise

    def _check(self, path: Path) -> None:
        (owner,) = self._db.execute("PRAGMA application_id").fetchone()
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if owner != APPLICATION_ID:
            raise Permanent(f"{path} is not an outbox of streammon")
        if version != FORMAT:
            raise Permanent(
                f"the outbox {path} is of another version: start the monitor with it once"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._db.close()

    def sinks(self) -> list[str]:
        """All that the outbox knows, in order, also those that have everything."""
        known = self._db.execute(
            "SELECT name FROM consumers UNION SELECT consumer FROM letters "
            "UNION SELECT consumer FROM dead_letters ORDER BY 1"
        )
        return [name for (name,) in known]

    def closed(self, sink: str) -> str:
        """Why nothing is sent to its address any more; empty: it is."""
        return self._letters.closed(sink)[1]

    def waiting(self) -> list[Held]:
        """On their way, by sink and stream, oldest first."""
        return [_held(row) for row in self._db.execute(_WAITING)]

    def dead(self) -> list[Held]:
        """Given up, by sink and stream, oldest first."""
        return [_held(row) for row in self._db.execute(_DEAD)]

    def retry(self, chosen: Sequence[Held]) -> int:
        """Send dead letters again, and try letters that wait now; a closed address is opened.

        Returns how many are still there to be sent.
        """
        count = 0
        self._db.execute("BEGIN IMMEDIATE")
        for sink in dict.fromkeys(held.sink for held in chosen):
            self._letters.reopen(sink)
        for held in chosen:
            count += self._letters.revive(held.sink, held.seq)
            count += self._db.execute(
                "UPDATE letters SET tries = 0, next_try_at = NULL "
                "WHERE consumer = ? AND stream = ? AND seq = ? AND body IS NULL",
                (held.sink, held.stream, held.seq),
            ).rowcount
        self._db.execute("COMMIT")
        return count

    def drop(self, chosen: Sequence[Held]) -> int:
        """Remove letters and dead letters for good; returns how many."""
        count = 0
        self._db.execute("BEGIN IMMEDIATE")
        for held in chosen:
            for table in ("letters", "dead_letters"):
                count += self._db.execute(
                    f"DELETE FROM {table} WHERE consumer = ? AND stream = ? AND seq = ?",  # noqa: S608 - ours
                    (held.sink, held.stream, held.seq),
                ).rowcount
        self._db.execute("COMMIT")
        return count


def _held(row: Sequence[Any]) -> Held:
    sink, stream, seq, alert_id, tries, next_try_at, error, is_letter, kind, state, time = row
    return Held(
        sink, stream, seq, alert_id, tries, next_try_at, error, bool(is_letter), kind, state, time
    )
