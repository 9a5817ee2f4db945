"""An alert in a few words for people's own channels: no chat text, no faces. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from streammon.core.types import AlertState

MOST_NAME, MOST_WHY, MOST_LINES = 60, 400, 10
_STATES = {AlertState.OPENED: "", AlertState.UPDATED: ", goes on", AlertState.CLOSED: ", over"}


def alert_text(said: Mapping[str, Any]) -> tuple[str, str]:
    """Title and text of one alert as it is on the wire."""
    who = _line(said.get("participant") or "", MOST_NAME)
    where = _line(said["stream"], MOST_NAME) + (f" ({who})" if who else "")
    title = f"{where}: {_kind(said)}{_STATES[AlertState(said['state'])]}"
    if said["state"] != AlertState.CLOSED:
        title += f" [{said['severity']}]"
    return title, "\n".join(filter(None, (_line(said["why"], MOST_WHY), said.get("time", ""))))


def summary_text(alerts: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Title and text of many, that came faster than they may be told."""
    counted = Counter(
        f"{_line(said['stream'], MOST_NAME)}: {_kind(said)} {said['state']}" for said in alerts
    )
    lines = [
        f"{place}" + (f" ({count} times)" if count > 1 else "")
        for place, count in counted.most_common(MOST_LINES)
    ]
    if len(counted) > MOST_LINES:
        lines.append(f"... and {len(counted) - MOST_LINES} others")
    return f"and {len(alerts)} more alerts", "\n".join(lines)


def _kind(said: Mapping[str, Any]) -> str:
    return _line(str(said["kind"]).replace("_", " "), MOST_NAME)


def _line(text: str, most: int) -> str:
    """On one line, and no longer than that."""
    plain = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return plain if len(plain) <= most else plain[: most - 1] + "\u2026"
