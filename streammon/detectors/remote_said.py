"""What came back about one window, whatever way it was asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from streammon.core.types import Json, Window
from streammon.detectors.remote_line import Away, Line
from streammon.detectors.remote_template import Media

NO_NUMBER = "the model gave no number"
LONGEST_TEXT = 200
"""Characters of a text from outside that a result repeats."""
ROUNDING = 1e-6


@dataclass(frozen=True, slots=True)
class Said:
    """About one window: a confidence, 0..1, or why there is none."""

    confidence: float | None = None
    abstained: str | None = None
    is_ai_generated: bool | None = None
    model: str = ""
    details: Mapping[str, Json] = field(default_factory=dict)


class Exchange(Protocol):
    """A way to ask another machine."""

    decides: bool
    """Whether the answer says itself what counts as synthetic; else the threshold does."""

    async def greet(self, line: Line, *, until_s: float) -> None:
        """Find out, without sending any media, whether it can be asked at all.

        Raises `Permanent` when a person has to change something, else as `Line.ask`.
        """

    async def judge(self, line: Line, window: Window, media: Media, *, until_s: float) -> Said:
        """Ask about one window. Raises as `Line.ask`, and `Away` for an answer of no use."""


def confidence_of(given: Json, *, scale: float = 1.0, invert: bool = False) -> float | None:
    """A number of an answer, or one written as text, as a confidence; `None` for null and nan.

    Raises `Away` for what is no number, and for one that does not come to lie in 0..1.
    """
    if given is None:
        return None
    try:
        number = float("none" if isinstance(given, bool | list | dict) else given) * scale
    except (ValueError, OverflowError) as error:
        raise Away("its answer has no number where the confidence belongs") from error
    if not math.isfinite(number):
        return None
    number = 1.0 - number if invert else number
    if not -ROUNDING <= number <= 1.0 + ROUNDING:
        raise Away(f"its number is not in 0..1 but {number:.6g}: set `response.scale`")
    return min(max(number, 0.0), 1.0)


def bounded(text: Json) -> str:
    """A text from outside, short and on one line; anything else is no text."""
    if not isinstance(text, str):
        return ""
    plain = "".join(letter if letter.isprintable() else " " for letter in text[:LONGEST_TEXT])
    return plain.strip()
