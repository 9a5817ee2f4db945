"""How much may be done a minute, with bursts. Pure."""

from __future__ import annotations


class TokenBucket:
    """Full at first: `per_minute` at once, then one more each `60 / per_minute` seconds."""

    def __init__(self, per_minute: int) -> None:
        self._most = float(per_minute)
        self._tokens = self._most
        self._at_ns: int | None = None

    def take(self, now_ns: int) -> bool:
        """Whether one may be done now; it then counts as done."""
        self._fill(now_ns)
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def wait_s(self, now_ns: int) -> float:
        """Until the next may be done; 0 when it may."""
        self._fill(now_ns)
        return max(0.0, (1.0 - self._tokens) * 60.0 / self._most)

    def _fill(self, now_ns: int) -> None:
        passed_s = 0.0 if self._at_ns is None else max(0, now_ns - self._at_ns) / 1e9
        self._at_ns = now_ns
        self._tokens = min(self._most, self._tokens + passed_s * self._most / 60.0)
        if 1.0 - 1e-9 < self._tokens < 1.0:
            self._tokens = 1.0  # what rounding took
