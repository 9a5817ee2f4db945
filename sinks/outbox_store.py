"""The outbox's SQLite file: plain synchronous code that one thread calls.

One process at a time owns it, by the lock file beside it; a command may look and change letters
meanwhile (`outbox_beside`), but never the alerts.

Alerts are numbered without holes from 1. Each consumer has a cursor: the number up to which it
has accepted everything. Age is counted in `lived_s`, seconds during which some process had the
file open, so that neither a set clock nor a long power cut makes alerts old.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import platform
import re
import sqlite3
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import StoredAlert
from streammon.core.types import StreamId
from streammon.sinks.outbox_acknowledged import TABLE, AcknowledgedRows
from streammon.sinks.outbox_letters import Letters, prepare

log = logging.getLogger(__name__)

MEMORY = ":memory:"
ROW_OVERHEAD_BYTES = 96
APPLICATION_ID = 0x736D6F62
"""Marks a SQLite file as ours ("smob")."""
PRUNE_ROWS = 1000
"""Rows that one call to `prune` or `expire` looks at, so that no commit takes long."""

_TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS alerts (
    seq INTEGER PRIMARY KEY,
    alert_id TEXT NOT NULL UNIQUE,
    stream TEXT NOT NULL,
    body BLOB NOT NULL,
    stored_lived_s REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS consumers (
    name TEXT PRIMARY KEY, acked INTEGER NOT NULL
) WITHOUT ROWID;
"""
_AFTER = "SELECT seq, alert_id, stream, body FROM alerts WHERE seq > ? ORDER BY seq LIMIT ?"
_NEWEST = "SELECT seq, alert_id, stream, body FROM alerts ORDER BY seq DESC LIMIT ?"
BUSY_S = 2.0
"""How long a change waits for a command that is changing letters."""


class AlertRow(Protocol):
    """What `append` needs to know of an alert."""

    @property
    def alert_id(self) -> str: ...
    @property
    def stream(self) -> StreamId: ...
    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class NewAlert:
    """An alert that has no number yet. `body` is its wire JSON."""

    alert_id: str
    stream: StreamId
    body: bytes


def row_bytes(alert: AlertRow) -> int:
    """What a row counts towards the bound."""
    return len(alert.body) + len(alert.alert_id) + len(alert.stream) + ROW_OVERHEAD_BYTES


class OutboxStore:
    """One open outbox file. Every change happens inside `transaction`."""

    def __init__(self, path: Path | str, *, power_safe: bool) -> None:
        """Open or make the file and lock it for this process.

        Raises `Permanent` when another process has it, `Retryable` when the disk refuses, and
        `sqlite3.DatabaseError` when the file is damaged.
        """
        self._lock = None if path == MEMORY else _lock(Path(path))
        self.rows = self.bytes = self.last_seq = 0
        self._db = sqlite3.connect(
            path, isolation_level=None, timeout=BUSY_S, check_same_thread=False
        )
        self.letters, self.acknowledged = Letters(self._db), AcknowledgedRows(self._db)
        try:
            self._prepare(path, power_safe)
        except sqlite3.OperationalError as error:
            self.close()
            raise _refusal(path, error) from error
        except (sqlite3.DatabaseError, Permanent):
            self.close()
            raise
        self.session = str(self._meta("session"))
        self.lived_s = float(self._meta("lived_s"))
        self.last_seq = int(self._meta("last_seq"))
        self.rows, self.bytes = self._sizes()

    def _prepare(self, path: Path | str, power_safe: bool) -> None:
        db = self._db
        _open(db, path, power_safe)
        with self.transaction():
            prepare(db)
            last, lived_s = db.execute(
                "SELECT coalesce(max(seq), 0), coalesce(max(stored_lived_s), 0.0) FROM alerts"
            ).fetchone()
            known = dict(db.execute("SELECT key, value FROM meta").fetchall())
            self._set_meta("session", known.get("session", uuid.uuid4().hex))
            self._set_meta("lived_s", max(lived_s, known.get("lived_s", 0.0)))
            self._set_meta("last_seq", max(last, known.get("last_seq", 0)))

    def _sizes(self) -> tuple[int, int]:
        rows, size = self._db.execute(
            "SELECT count(*), "
            "coalesce(sum(length(body) + length(alert_id) + length(stream) + ?), 0) FROM alerts",
            (ROW_OVERHEAD_BYTES,),
        ).fetchone()
        return int(rows), int(size)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; durable when the block is left."""
        before = (self.rows, self.bytes, self.last_seq)
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            self.rows, self.bytes, self.last_seq = before
            raise

    def insert(self, alert: AlertRow) -> int:
        """The alert's number: a new one, or the one it got when it was first stored."""
        seq = self.last_seq + 1
        done = self._db.execute(
            "INSERT INTO alerts VALUES (?, ?, ?, ?, ?) ON CONFLICT (alert_id) DO NOTHING",
            (seq, alert.alert_id, alert.stream, alert.body, self.lived_s),
        )
        if done.rowcount == 0:
            known = self.seq_of(alert.alert_id)
            assert known is not None
            return known
        self.last_seq = seq
        self.rows += 1
        self.bytes += row_bytes(alert)
        return seq

    def join(self, consumer: str) -> int:
        """Register a consumer; a new one begins after the newest alert. Returns its cursor."""
        self._db.execute("INSERT OR IGNORE INTO consumers VALUES (?, ?)", (consumer, self.last_seq))
        return self.acked(consumer)

    def keep_only(self, consumers: Sequence[str]) -> dict[str, int]:
        """Forget all others. Returns, for each one forgotten, how many it had not accepted."""
        gone = {}
        for name, acked in self.cursors().items():
            if name not in consumers:
                self._db.execute("DELETE FROM consumers WHERE name = ?", (name,))
                gone[name] = self.last_seq - acked + self.letters.forget(name)
        return gone

    def acked(self, consumer: str) -> int:
        """The consumer's cursor. Raises `LookupError` when it never joined."""
        found = self._db.execute(
            "SELECT acked FROM consumers WHERE name = ?", (consumer,)
        ).fetchone()
        if found is None:
            raise LookupError(f"{consumer!r} has not joined the outbox")
        return int(found[0])

    def cursors(self) -> dict[str, int]:
        return dict(self._db.execute("SELECT name, acked FROM consumers").fetchall())

    def ack(self, consumer: str, seq: int) -> None:
        """Everything up to `seq` was accepted. Going back is ignored."""
        self._db.execute(
            "UPDATE consumers SET acked = ? WHERE name = ? AND acked < ?", (seq, consumer, seq)
        )

    def after(self, seq: int, limit: int) -> list[StoredAlert]:
        """The oldest alerts with a number above `seq`, in order."""
        return self._alerts(_AFTER, seq, limit)

    def recent(self, limit: int) -> list[StoredAlert]:
        """The newest alerts, oldest of them first."""
        return self._alerts(_NEWEST, limit)[::-1]

    def seq_of(self, alert_id: str) -> int | None:
        found = self._db.execute(
            "SELECT seq FROM alerts WHERE alert_id = ?", (alert_id,)
        ).fetchone()
        return None if found is None else int(found[0])

    def oldest_seq(self) -> int:
        """Of the alerts that are kept; one above the newest number when none is."""
        (found,) = self._db.execute("SELECT min(seq) FROM alerts").fetchone()
        return self.last_seq + 1 if found is None else int(found)

    def oldest_unacked_s(self) -> float:
        """Age of the oldest alert that some consumer is not done with; 0 when there is none."""
        found = self._db.execute(
            "SELECT stored_lived_s FROM alerts WHERE seq > ? ORDER BY seq LIMIT 1",
            (min(self.letters.settled(self.cursors()).values(), default=self.last_seq),),
        ).fetchone()
        return 0.0 if found is None else max(0.0, self.lived_s - found[0])

    def prune(self, *, kept_s: float | None) -> int:
        """Delete alerts that every consumer accepted and that are older than `kept_s`.

        With `None` age does not matter. Returns how many of at most `PRUNE_ROWS` went.
        """
        settled = min(self.letters.settled(self.cursors()).values(), default=self.last_seq)
        born_s = self.lived_s + 1.0 if kept_s is None else self.lived_s - kept_s
        rows = self._db.execute(
            "SELECT seq, length(body) + length(alert_id) + length(stream) + ? FROM alerts "
            "WHERE seq <= ? AND stored_lived_s < ? ORDER BY seq LIMIT ?",
            (ROW_OVERHEAD_BYTES, settled, born_s, PRUNE_ROWS),
        ).fetchall()
        if rows:
            self._set_meta("last_seq", self.last_seq)
            self._db.execute("DELETE FROM alerts WHERE seq <= ?", (rows[-1][0],))
            self.rows -= len(rows)
            self.bytes -= sum(size for _, size in rows)
        return len(rows)

    def expire(self, consumer: str, *, most_age_s: float) -> int:
        """Move what the consumer has not accepted for so long to its dead letters.

        Returns how many of at most `PRUNE_ROWS` went, and as many letters.
        """
        last, count = self.letters.expire(
            consumer,
            acked=self.acked(consumer),
            born_before_s=self.lived_s - most_age_s,
            limit=PRUNE_ROWS,
            error=f"not accepted within {most_age_s / 3600:g} h",
        )
        self.ack(consumer, last)
        return count

    def save_lived(self) -> None:
        self._set_meta("lived_s", self.lived_s)

    def changed_outside(self) -> int:
        """Another number whenever another process has changed the file."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        self._db.close()
        if self._lock is not None:
            self._lock.release()

    def _alerts(self, query: str, *parameters: int) -> list[StoredAlert]:
        return [
            StoredAlert(seq, alert_id, StreamId(stream), body)
            for seq, alert_id, stream, body in self._db.execute(query, parameters)
        ]

    def _meta(self, key: str) -> str | float | int:
        (value,) = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return value  # type: ignore[no-any-return]

    def _set_meta(self, key: str, value: str | float | int) -> None:
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))


def open_store(path: Path | str, *, power_safe: bool) -> tuple[OutboxStore, str]:
    """Open the outbox, with a damaged file set aside and a new one begun.

    Returns the store and what people must be told of it; empty when all is well.
    """
    try:
        return OutboxStore(path, power_safe=power_safe), ""
    except sqlite3.DatabaseError as error:
        aside = _set_aside(Path(path))
        log.error("outbox_damaged", extra={"path": str(path), "aside": str(aside)})
        cause = (
            f"the outbox {path} was damaged ({error}): it was set aside as {aside.name} and a "
            "new one was begun; alerts in it that were not delivered can be found only there"
        )
        return OutboxStore(path, power_safe=power_safe), cause


def _open(db: sqlite3.Connection, path: Path | str, power_safe: bool) -> None:
    """Check the file and make its tables."""
    db.execute("PRAGMA journal_mode = WAL")
    db.execute(f"PRAGMA synchronous = {'FULL' if power_safe else 'NORMAL'}")
    db.execute("PRAGMA journal_size_limit = 16777216")
    (verdict,) = db.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    (owner,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if tables and owner != APPLICATION_ID:
        raise Permanent(f"{path} is another program's database: give this one a file of its own")
    mark = f"PRAGMA application_id = {APPLICATION_ID};"
    db.executescript(f"BEGIN IMMEDIATE; {mark} {_TABLES} {TABLE} COMMIT;")


def _refusal(path: Path | str, error: sqlite3.OperationalError) -> Permanent | Retryable:
    """What a file that could not be opened means."""
    code = error.sqlite_errorcode & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return Permanent(_in_use(path))
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return Permanent(f"{path} cannot be written ({error}): give this one another file")
    return Retryable(f"{path} cannot be opened: {error}")


def _in_use(path: Path | str, *, holder: str = "another process") -> str:
    return f"{path} is in use by {holder}: end that one, or give this one a file of its own"


def _lock(path: Path) -> FileLock:
    """Own the file, which is made, readable by its owner alone, if there is none.

    The lock stands beside it: a killed process leaves it free.
    """
    lock = FileLock(f"{path}.lock", mode=0o600, thread_local=False)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
        _sign(lock)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except Timeout:
        raise Permanent(_in_use(path, holder=_holder(Path(lock.lock_file)))) from None
    except OSError as error:
        lock.release()
        cause = f"{path} cannot be made: {error.strerror}"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EIO):
            raise Retryable(cause) from error
        raise Permanent(f"{cause}; give this one a file that can be written") from error
    return lock


def _sign(lock: FileLock) -> None:
    """Say in the lock who has it; for people, so a disk that refuses it is no harm."""
    if isinstance(lock, FileLock):  # where files cannot be locked it is another, with its own text
        with contextlib.suppress(OSError):
            Path(lock.lock_file).write_text(f"{os.getpid()} {platform.node()}\n", "utf-8")


def _holder(lock: Path) -> str:
    """Who has the lock, as far as it says so."""
    text = ""
    with contextlib.suppress(OSError):
        text = lock.read_text("utf-8", "replace")
    signed = re.fullmatch(r"(\d{1,10}) ([\w.-]{1,255})\n", text)
    return f"process {signed[1]} on {signed[2]}" if signed else "another process"


def _set_aside(path: Path) -> Path:
    """Rename the damaged file and its companions. Returns its new path."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    aside = path.with_name(f"{path.name}.damaged-{moment}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    return aside
