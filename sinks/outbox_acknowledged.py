"""Incidents that somebody has acknowledged: rows beside the alerts of the outbox.

Plain synchronous code on the outbox's thread, inside its transactions.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from streammon.core.types import Severity

MOST_KEPT = 10_000
"""The newest acknowledgements that are kept."""
MOST_LOOKED_AT = 2_000
"""Among so many of the newest alerts an incident that is over is known."""

TABLE = """
CREATE TABLE IF NOT EXISTS acknowledged (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    incident_id TEXT NOT NULL UNIQUE,
    severity TEXT NOT NULL,
    by TEXT NOT NULL,
    time TEXT NOT NULL
);
"""
_SEVERITY = """
SELECT json_extract(said, '$.severity') FROM (
    SELECT seq, CASE WHEN json_valid(CAST(body AS TEXT)) THEN CAST(body AS TEXT) END AS said
    FROM alerts ORDER BY seq DESC LIMIT ?
) WHERE json_extract(said, '$.incident_id') = ? ORDER BY seq DESC LIMIT 1
"""
_LADDER = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """Somebody's word that they have seen an incident."""

    incident_id: str
    severity: Severity
    """How severe it was then."""
    by: str
    time: str
    """RFC 3339."""


class AcknowledgedRows:
    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(
        self, incident_id: str, *, by: str, time: str, severity: Severity | None
    ) -> Acknowledged:
        """Keep it; what was said before stands, unless the incident has become worse since.

        `severity`: of an incident that is open; else it is looked for among the newest alerts.
        Raises `LookupError` where there is no such incident.
        """
        severity = severity or self._told_severity(incident_id)
        if severity is None:
            raise LookupError("no incident of that id is known any more")
        before = self._of(incident_id)
        if before is not None and _LADDER.index(severity) <= _LADDER.index(before.severity):
            return before
        self._db.execute(
            "INSERT OR REPLACE INTO acknowledged (incident_id, severity, by, time) "
            "VALUES (?, ?, ?, ?)",
            (incident_id, severity.value, by, time),
        )
        self._db.execute(
            "DELETE FROM acknowledged WHERE number <= (SELECT max(number) FROM acknowledged) - ?",
            (MOST_KEPT,),
        )
        return Acknowledged(incident_id, severity, by, time)

    def newest(self, limit: int) -> list[Acknowledged]:
        """The newest first."""
        return self._rows("ORDER BY number DESC LIMIT ?", limit)

    def _of(self, incident_id: str) -> Acknowledged | None:
        return next(iter(self._rows("WHERE incident_id = ?", incident_id)), None)

    def _rows(self, which: str, value: int | str) -> list[Acknowledged]:
        found = self._db.execute(
            f"SELECT incident_id, severity, by, time FROM acknowledged {which}",  # noqa: S608 - ours
            (value,),
        )
        return [Acknowledged(one, Severity(how), by, time) for one, how, by, time in found]

    def _told_severity(self, incident_id: str) -> Severity | None:
        found = self._db.execute(_SEVERITY, (MOST_LOOKED_AT, incident_id)).fetchone()
        return next((one for one in Severity if found is not None and one == found[0]), None)
