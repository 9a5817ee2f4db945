"""Alerts of the outbox that wait for one consumer each, and those that it will not get.

A *letter* is an alert on its way to one consumer, with what became of its tries. A *dead letter*
was given up: a person sends it again or drops it. Plain synchronous code on the outbox's file,
for the monitor that owns it and for a command beside it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streammon.core.ports import StoredAlert
from streammon.core.types import StreamId

MOST_ERROR = 200
"""Characters of an error that are kept."""
FORMAT = 2
"""Of the file; 1 had dead letters without their story, and no letters."""

TABLES = """
CREATE TABLE IF NOT EXISTS letters (
    consumer TEXT NOT NULL,
    stream TEXT NOT NULL,
    seq INTEGER NOT NULL,
    alert_id TEXT NOT NULL,
    body BLOB,
    tries INTEGER NOT NULL DEFAULT 0,
    next_try_at REAL,
    error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (consumer, stream, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS leaning ON letters (consumer, seq) WHERE body IS NULL;
CREATE TABLE IF NOT EXISTS dead_letters (
    consumer TEXT NOT NULL,
    seq INTEGER NOT NULL,
    alert_id TEXT NOT NULL,
    stream TEXT NOT NULL,
    body BLOB NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (consumer, seq)
);
CREATE TABLE IF NOT EXISTS standing (
    consumer TEXT PRIMARY KEY,
    tries INTEGER NOT NULL DEFAULT 0,
    next_try_at REAL,
    error TEXT NOT NULL DEFAULT '',
    closed_address TEXT,
    closed_why TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
"""
_LETTERS = """
SELECT l.seq, l.alert_id, l.stream, coalesce(l.body, a.body), l.tries
FROM letters l LEFT JOIN alerts a ON a.seq = l.seq
WHERE l.consumer = ? AND l.stream = ? AND coalesce(l.body, a.body) IS NOT NULL
ORDER BY l.seq LIMIT ?
"""
_BURY = """
INSERT OR REPLACE INTO dead_letters (consumer, seq, alert_id, stream, body, tries, error)
SELECT l.consumer, l.seq, l.alert_id, l.stream, coalesce(l.body, a.body), l.tries, ?
FROM letters l LEFT JOIN alerts a ON a.seq = l.seq
WHERE l.consumer = ? AND coalesce(l.body, a.body) IS NOT NULL
"""
_BURY_ONE = f"{_BURY} AND l.stream = ? AND l.seq = ?"
_REVIVE = """
INSERT OR REPLACE INTO letters (consumer, stream, seq, alert_id, body)
SELECT consumer, stream, seq, alert_id, body FROM dead_letters WHERE consumer = ? AND seq = ?
"""
_BURY_ALERTS = """
INSERT OR IGNORE INTO dead_letters (consumer, seq, alert_id, stream, body, error)
SELECT ?, seq, alert_id, stream, body, ? FROM alerts WHERE seq > ? AND seq <= ?
"""
_OLDEST = "SELECT min(seq) FROM letters WHERE consumer = ? AND body IS NULL"
_FIRST_BORN = "SELECT stored_lived_s FROM alerts ORDER BY seq LIMIT 1"
_OLD_ALERTS = """
SELECT coalesce(max(seq), 0), count(*) FROM (
    SELECT seq FROM alerts WHERE seq > ? AND stored_lived_s < ? ORDER BY seq LIMIT ?
)
"""
_OLD_LETTERS = """
SELECT l.stream, l.seq FROM letters l JOIN alerts a ON a.seq = l.seq
WHERE l.consumer = ? AND l.body IS NULL AND a.stored_lived_s < ? ORDER BY l.seq LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Letter:
    """One alert on its way to one consumer."""

    alert: StoredAlert
    tries: int = 0


def prepare(db: sqlite3.Connection) -> None:
    """Make the tables, and bring those of an older file up to date; inside a transaction."""
    (known,) = db.execute("PRAGMA user_version").fetchone()
    if known >= FORMAT:
        return
    for statement in TABLES.split(";"):
        db.execute(statement)
    columns = {row[1] for row in db.execute("PRAGMA table_info(dead_letters)")}
    if "tries" not in columns:
        db.execute("ALTER TABLE dead_letters ADD COLUMN tries INTEGER NOT NULL DEFAULT 0")
        db.execute("ALTER TABLE dead_letters ADD COLUMN error TEXT NOT NULL DEFAULT ''")
    db.execute(f"PRAGMA user_version = {FORMAT}")


class Letters:
    """The letters in one open outbox file; whoever calls owns the transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self.buried = 0
        """Letters that were given up since the file was opened, but for those that were too old."""

    def write(self, consumer: str, alerts: Sequence[StoredAlert]) -> None:
        """Alerts that the consumer has taken over from the common list. While it is closed they
        are dead at once.
        """
        self._db.executemany(
            "INSERT OR IGNORE INTO letters (consumer, stream, seq, alert_id) VALUES (?, ?, ?, ?)",
            [(consumer, alert.stream, alert.seq, alert.alert_id) for alert in alerts],
        )
        if why := self.closed(consumer)[1]:
            self.buried += self._db.execute(_BURY, (why, consumer)).rowcount
            self._db.execute("DELETE FROM letters WHERE consumer = ?", (consumer,))

    def streams(self, consumer: str) -> list[StreamId]:
        """Those with letters."""
        query = "SELECT DISTINCT stream FROM letters WHERE consumer = ?"
        return [StreamId(stream) for (stream,) in self._db.execute(query, (consumer,))]

    def of(self, consumer: str, stream: StreamId, limit: int) -> list[Letter]:
        """The oldest letters of a stream, in order."""
        return [
            Letter(StoredAlert(seq, alert_id, StreamId(name), body), tries)
            for seq, alert_id, name, body, tries in self._db.execute(
                _LETTERS, (consumer, stream, limit)
            )
        ]

    def tried(
        self, consumer: str, alert: StoredAlert, *, tries: int, next_try_at: float, error: str
    ) -> None:
        """It was not taken. `next_try_at` is Unix time, for people to read."""
        self._db.execute(
            "UPDATE letters SET tries = ?, next_try_at = ?, error = ? "
            "WHERE consumer = ? AND stream = ? AND seq = ?",
            (tries, next_try_at, error[:MOST_ERROR], consumer, alert.stream, alert.seq),
        )

    def done(self, consumer: str, alerts: Sequence[StoredAlert]) -> None:
        """They were taken, even if somebody has buried them meanwhile."""
        for alert in alerts:
            self._remove(consumer, alert.stream, alert.seq)
            self._db.execute(
                "DELETE FROM dead_letters WHERE consumer = ? AND seq = ?", (consumer, alert.seq)
            )

    def bury(self, consumer: str, alert: StoredAlert, *, tries: int, error: str) -> None:
        """Give one up after so many tries."""
        self.tried(consumer, alert, tries=tries, next_try_at=0.0, error=error)
        key = (error[:MOST_ERROR], consumer, alert.stream, alert.seq)
        self.buried += self._db.execute(_BURY_ONE, key).rowcount
        self._remove(consumer, alert.stream, alert.seq)

    def close(self, consumer: str, *, address: str, why: str) -> None:
        """The other side wants no more at this address: give up all there is and all that comes."""
        self._stand(consumer)
        self._db.execute(
            "UPDATE standing SET closed_address = ?, closed_why = ? WHERE consumer = ?",
            (address, why[:MOST_ERROR], consumer),
        )
        self.write(consumer, ())

    def reopen(self, consumer: str) -> None:
        """A person has asked to try again, or the address is another one."""
        self._db.execute(
            "UPDATE standing SET closed_address = NULL, closed_why = '' WHERE consumer = ?",
            (consumer,),
        )

    def closed(self, consumer: str) -> tuple[str | None, str]:
        """The address that wants no more, and why; `(None, "")` while it does."""
        found = self._db.execute(
            "SELECT closed_address, closed_why FROM standing WHERE consumer = ?", (consumer,)
        ).fetchone()
        return (None, "") if found is None else (found[0], found[1])

    def note(self, consumer: str, *, tries: int, next_try_at: float | None, error: str) -> None:
        """How the consumer as a whole stands, where its alerts go together; for people."""
        self._stand(consumer)
        self._db.execute(
            "UPDATE standing SET tries = ?, next_try_at = ?, error = ? WHERE consumer = ?",
            (tries, next_try_at, error[:MOST_ERROR], consumer),
        )

    def dead(self, consumer: str) -> int:
        """How many were given up."""
        query = "SELECT count(*) FROM dead_letters WHERE consumer = ?"
        return int(self._db.execute(query, (consumer,)).fetchone()[0])

    def revive(self, consumer: str, seq: int) -> int:
        """Make a dead letter a letter again, as if never tried. Returns how many: 0 or 1."""
        self._db.execute(_REVIVE, (consumer, seq))
        return self._db.execute(
            "DELETE FROM dead_letters WHERE consumer = ? AND seq = ?", (consumer, seq)
        ).rowcount

    def settled(self, cursors: Mapping[str, int]) -> dict[str, int]:
        """Per consumer: up to where everything is done with. `cursors`: up to where it has taken
        alerts over.
        """
        done = dict(cursors)
        for name, acked in cursors.items():
            (oldest,) = self._db.execute(_OLDEST, (name,)).fetchone()
            done[name] = acked if oldest is None else min(acked, oldest - 1)
        return done

    def expire(
        self, consumer: str, *, acked: int, born_before_s: float, limit: int, error: str
    ) -> tuple[int, int]:
        """Give up what was stored so long ago (seconds lived): letters, and alerts above `acked`.

        Returns the highest number among those alerts, 0 if there are none, and how many went in
        all; at most `limit` of each.
        """
        first = self._db.execute(_FIRST_BORN).fetchone()
        if first is None or first[0] >= born_before_s:
            return 0, 0  # most of the time
        last, count = self._db.execute(_OLD_ALERTS, (acked, born_before_s, limit)).fetchone()
        if count:
            self._db.execute(_BURY_ALERTS, (consumer, error, acked, last))
        letters = self._db.execute(_OLD_LETTERS, (consumer, born_before_s, limit)).fetchall()
        for stream, seq in letters:
            self._db.execute(_BURY_ONE, (error, consumer, stream, seq))
            self._remove(consumer, stream, seq)
        return int(last), int(count) + len(letters)

    def bound_dead(self, most_rows: int) -> int:
        """Delete the oldest dead letters above `most_rows`. Returns how many went."""
        return self._db.execute(
            "DELETE FROM dead_letters WHERE (consumer, seq) IN (SELECT consumer, seq "
            "FROM dead_letters ORDER BY seq DESC LIMIT -1 OFFSET ?)",
            (most_rows,),
        ).rowcount

    def forget(self, consumer: str) -> int:
        """The consumer is no more. Returns how many letters went with it."""
        self._db.execute("DELETE FROM standing WHERE consumer = ?", (consumer,))
        gone = self._db.execute("DELETE FROM letters WHERE consumer = ?", (consumer,))
        return gone.rowcount

    def _remove(self, consumer: str, stream: StreamId, seq: int) -> None:
        self._db.execute(
            "DELETE FROM letters WHERE consumer = ? AND stream = ? AND seq = ?",
            (consumer, stream, seq),
        )

    def _stand(self, consumer: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO standing (consumer) VALUES (?)", (consumer,))
