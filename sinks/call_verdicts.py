"""What is told of a call: `result, score, consistency`, the words that call flows expect. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from streammon.core.types import DetectionResult


class Result(StrEnum):
    FAKE = "fake"
    REAL = "real"
    INCONCLUSIVE = "inconclusive"
    """Too little could be judged. Not a word for clean."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the windows of one call, or of one track of it, come to."""

    result: Result
    score: float | None
    """Mean probability, 0..1, that the voice is synthetic; `None` where nothing was judged."""
    consistency: float | None
    """Percent of the judged windows that agree with `result`."""
    windows: int
    """How many were judged."""
    band: str | None
    """`telephone` where the voice was judged on a telephone's part of the spectrum."""


class CallTally:
    """The windows of one call so far. Abstentions count for nothing."""

    def __init__(self, *, least_windows: int) -> None:
        self._least = least_windows
        self._sum = 0.0
        self._flagged = 0
        self._alarmed = False
        self._band: str | None = None
        self.windows = 0

    def hear(self, result: DetectionResult) -> None:
        if result.confidence is None:
            return
        self.windows += 1
        self._sum += result.confidence
        flagged = result.is_ai_generated
        self._flagged += result.confidence >= 0.5 if flagged is None else flagged
        band = result.details.get("band")
        self._band = band if isinstance(band, str) else self._band

    def alarm(self) -> None:
        """An incident was opened: the evidence over time says fake, whatever most windows say."""
        self._alarmed = True

    def verdict(self) -> Verdict:
        """The answer now. Without an alarm, that of most windows, once there are enough."""
        if not self.windows:
            told = Result.FAKE if self._alarmed else Result.INCONCLUSIVE
            return Verdict(told, None, None, 0, self._band)
        share = self._flagged / self.windows
        if self._alarmed or (self.windows >= self._least and share >= 0.5):
            result = Result.FAKE
        else:
            result = Result.REAL if self.windows >= self._least else Result.INCONCLUSIVE
        agree = share if result is Result.FAKE else 1.0 - share
        score = self._sum / self.windows
        consistency = None if result is Result.INCONCLUSIVE else round(100.0 * agree, 1)
        return Verdict(result, round(score, 4), consistency, self.windows, self._band)
