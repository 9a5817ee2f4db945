"""Which alerts go to one way out: by kind, stream, severity and state. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any, Literal

from streammon.core.types import AlertState, Severity
from streammon.sections import Section

_RANK = {severity.value: rank for rank, severity in enumerate(Severity)}


class AlertChoice(Section):
    """A setting: all alerts, unless something is said. What is said must hold, all of it."""

    kinds: frozenset[str] | None = None
    """`[voice_spoof, face_forgery]`; unset: every kind."""
    streams: tuple[str, ...] | None = None
    """Names, or patterns with `*`: `[lobby, phone.*]`; unset: every stream."""
    least_severity: Literal["info", "warning", "critical"] = "info"
    states: frozenset[AlertState] = frozenset(AlertState)
    """Of an incident: `opened`, `updated`, `closed`."""

    def takes(self, alert: Mapping[str, Any]) -> bool:
        """`alert` as it is on the wire."""
        stream = alert["stream"]
        return (
            (self.kinds is None or alert["kind"] in self.kinds)
            and (self.streams is None or any(fnmatchcase(stream, each) for each in self.streams))
            and _RANK[alert["severity"]] >= _RANK[self.least_severity]
            and alert["state"] in self.states
        )
