"""How much of something may happen in a while. Pure."""

from __future__ import annotations


class Rate:
    """A token bucket: `burst` at once, `per_s` in the long run."""

    def __init__(self, *, per_s: float, burst: float) -> None:
        self.per_s = per_s
        self.burst = burst
        self._left = burst
        self._at_s: float | None = None

    def wait_s(self, count: float, *, now_s: float) -> float:
        """Seconds until `count` more are allowed; 0.0: now. More than `burst` never are."""
        self._refill(now_s)
        return max(0.0, (count - self._left) / self.per_s)

    def allows(self, count: float, *, now_s: float) -> bool:
        """Take `count` if they are allowed now; else none."""
        if self.wait_s(count, now_s=now_s) > 0.0:
            return False
        self._left -= count
        return True

    def _refill(self, now_s: float) -> None:
        since_s = 0.0 if self._at_s is None else max(0.0, now_s - self._at_s)
        self._left = min(self.burst, self._left + since_s * self.per_s)
        self._at_s = now_s
