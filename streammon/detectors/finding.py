"""What is wrong with a stretch of a stream, and how sure one can be after so much of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streammon.core.types import Json

LEAST, MOST = 0.01, 0.99
UNREMARKABLE = 0.02


@dataclass(frozen=True, slots=True)
class Finding:
    """The likeliest cause; `None`: nothing remarkable was found."""

    cause: str | None
    confidence: float
    details: Mapping[str, Json] = field(default_factory=dict)


def likeliest(findings: list[Finding], *, causes: frozenset[str]) -> Finding:
    """The strongest of the findings whose cause is asked for; the earlier one at a draw."""
    asked = [found for found in findings if found.cause in causes]
    return max(asked, key=lambda found: found.confidence, default=Finding(None, UNREMARKABLE))


def grown(lasting_s: float, *, half_s: float, most: float = MOST) -> float:
    """How sure one can be after `lasting_s`: half of `most` at `half_s`, 0.94 of it at twice that.

    A Hill curve of the fourth power: short stretches, which are common in healthy streams,
    count for almost nothing (0.06 of `most` at half of `half_s`).
    """
    if lasting_s <= 0:
        return LEAST
    share = (lasting_s / half_s) ** 4
    return min(most, max(LEAST, most * share / (1.0 + share)))
