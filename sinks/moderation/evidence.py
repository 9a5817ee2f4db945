"""Whom and which messages an alert names. Pure; believes nothing of an alert's shape.

A detector of chat puts them into `details`: `{"author_id", "room", "message_ids", "confidence"}`
under `authors`, of the result itself or of one of its `groups`, whose confidence then counts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

MOST_SUSPECTS = 500
MOST_MESSAGES = 100
MOST_ID = 256
"""Characters of an id; a longer one is nobody's."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """An author as the results of one alert name them, taken together."""

    author_id: str
    room: str
    message_ids: tuple[str, ...]
    confidence: float
    """The greatest of those results'."""


def suspects(alert: Mapping[str, Any], *, least_confidence: float) -> tuple[Suspect, ...]:
    """Those whom results of the alert's own kind name with at least this confidence, in order.

    Results of experimental detectors name nobody.
    """
    found: dict[tuple[str, str], Suspect] = {}
    for named, confidence in _named(alert):
        author_id, room = _id(named.get("author_id")), _id(named.get("room"))
        if not author_id or not least_confidence <= confidence:
            continue
        before = found.get((author_id, room))
        if before is None and len(found) >= MOST_SUSPECTS:
            continue
        known = () if before is None else before.message_ids
        new = tuple(dict.fromkeys((*known, *filter(None, map(_id, _list(named, "message_ids"))))))
        most = max(confidence, 0.0 if before is None else before.confidence)
        found[author_id, room] = Suspect(author_id, room, new[-MOST_MESSAGES:], most)
    return tuple(found.values())


def accounts_heard(alert: Mapping[str, Any]) -> int:
    """How many accounts wrote lately, as its newest result says; 0 where none does."""
    for result in reversed(_list(alert, "results")):
        said = _dict(_dict(result).get("details")).get("accounts")
        if isinstance(said, int) and not isinstance(said, bool) and said > 0:
            return said
    return 0


def _named(alert: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], float]]:
    for result in map(_dict, _list(alert, "results")):
        details = _dict(result.get("details"))
        if result.get("kind") != alert.get("kind") or details.get("experimental") is True:
            continue
        for group in (details, *map(_dict, _list(details, "groups"))):
            for named in map(_dict, _list(group, "authors")):
                said = named.get("confidence", group.get("confidence", result.get("confidence")))
                yield named, _confidence(said)


def _confidence(value: object) -> float:
    """As said; -1 for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return -1.0
    return float(value)


def _id(value: object) -> str:
    return value if isinstance(value, str) and len(value) <= MOST_ID else ""


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(holder: Mapping[str, Any], name: str) -> list[Any]:
    value = holder.get(name)
    return value if isinstance(value, list) else []
