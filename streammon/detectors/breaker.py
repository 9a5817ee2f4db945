"""A circuit breaker: after several failures in a row, leave it alone for a while. Pure.

The pattern is Nygard's ("Release It!", 2007). Closed, calls go through. Open, none does, until
`rest_s` is over. Then it is half open: one call is let through, and its outcome closes the
breaker or opens it again. Time is an argument, on whatever clock the caller keeps.
"""

from __future__ import annotations

from enum import StrEnum


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class Breaker:
    """Whether to call something that fails now and then. Not thread-safe."""

    def __init__(self, *, failures: int = 3, rest_s: float = 30.0) -> None:
        """Opens after so many `failures` in a row, for `rest_s`."""
        if failures < 1 or not rest_s > 0:
            raise ValueError(f"expected failures >= 1 and rest_s > 0, got {failures} and {rest_s}")
        self._most = failures
        self._rest_ns = round(rest_s * 1e9)
        self._in_a_row = 0
        self._opened_ns: int | None = None

    def state(self, now_ns: int) -> State:
        """A clock that has stepped back counts as the rest being over: nothing rests for ever."""
        if self._opened_ns is None:
            return State.CLOSED
        resting = 0 <= now_ns - self._opened_ns < self._rest_ns
        return State.OPEN if resting else State.HALF_OPEN

    def rest_left_s(self, now_ns: int) -> float:
        """How long it stays open; 0 when a call may go through."""
        if self._opened_ns is None or self.state(now_ns) is not State.OPEN:
            return 0.0
        return (self._opened_ns + self._rest_ns - now_ns) / 1e9

    def succeeded(self) -> None:
        self._in_a_row = 0
        self._opened_ns = None

    def failed(self, now_ns: int) -> None:
        """One more failure; in the half-open state the first one opens it again."""
        self._in_a_row += 1
        if self._in_a_row >= self._most or self._opened_ns is not None:
            self.trip(now_ns)

    def trip(self, now_ns: int) -> None:
        """Open at once: the failure was of a kind that another call would meet too."""
        self._opened_ns = now_ns
