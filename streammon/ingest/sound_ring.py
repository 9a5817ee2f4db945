"""Between a sound card's own thread and ours: a bounded ring, and a watch for lost sound.

Drivers report lost sound badly: a callback that is too slow loses most of it while the status
flags stay 0. So loss is found by comparing samples with the clock.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from dataclasses import dataclass

LOOK_EVERY_S = 2.0
"""The least delay within so long is taken: callbacks come late, never early."""
LEAST_LOSS_S = 0.08
"""Less than this is jitter."""
MOST_SKEW = 500e-6
"""The card's clock may be slower than ours by this share without anything being lost."""
MOST_WAITING_S = 10.0


@dataclass(frozen=True, slots=True)
class Piece:
    """What one callback brought."""

    first: int
    """Number of its first sample (of each channel) since the device was opened."""
    count: int
    data: bytes
    arrived_ns: int
    waiting_s: float
    """How old its first sample was then, as the driver says."""


class SoundRing:
    """Holds at most so many samples; the oldest give way, and their numbers are missing then.

    One thread puts, another takes. `put` never waits for more than a short lock.
    """

    def __init__(self, *, most_samples: int) -> None:
        self._most = most_samples
        self._pieces: deque[Piece] = deque()
        self._held = self._seen = 0
        self._filled = threading.Condition()

    @property
    def seen(self) -> int:
        """Samples put so far, kept or not."""
        return self._seen

    def put(self, data: bytes, count: int, *, arrived_ns: int, waiting_s: float) -> None:
        piece = Piece(self._seen, count, data, arrived_ns, waiting_s)
        with self._filled:
            self._seen += count
            self._pieces.append(piece)
            self._held += count
            while self._held > self._most and len(self._pieces) > 1:
                self._held -= self._pieces.popleft().count
            self._filled.notify()

    def take(self, *, within_s: float) -> list[Piece]:
        """Everything there is, oldest first; empty when nothing came within the time."""
        with self._filled:
            self._filled.wait_for(lambda: bool(self._pieces), timeout=within_s)
            taken = list(self._pieces)
            self._pieces.clear()
            self._held = 0
        return taken


class LossWatch:
    """Says when fewer samples came than time has passed. Pure.

    Sound is lost when samples fall behind the clock both by their arrival and by when the driver
    says they were taken: sound that waits upstream is late, not lost, and what a driver says of
    the wait may be wrong by half a second until it has settled.
    """

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self._usual_s: tuple[float, float] | None = None
        self._least_s = (math.inf, math.inf)
        self._since_ns: int | None = None
        self.lost_s = 0.0
        """All that was found so far."""

    def saw(self, piece: Piece) -> float:
        """Take one piece; returns seconds of sound that are newly found to be lost."""
        waiting_s = piece.waiting_s if 0.0 <= piece.waiting_s <= MOST_WAITING_S else 0.0
        arrived_s = piece.arrived_ns / 1e9 - piece.first / self._rate_hz - self.lost_s
        if self._since_ns is None:
            self._since_ns = piece.arrived_ns
        arrived_least_s, taken_least_s = self._least_s
        self._least_s = min(arrived_least_s, arrived_s), min(taken_least_s, arrived_s - waiting_s)
        passed_s = (piece.arrived_ns - self._since_ns) / 1e9
        if passed_s < LOOK_EVERY_S:
            return 0.0
        self._since_ns = piece.arrived_ns
        return self._settle(passed_s)

    def _settle(self, passed_s: float) -> float:
        """Compare the least delays of the time that has passed with the usual ones."""
        (arrived_s, taken_s), self._least_s = self._least_s, (math.inf, math.inf)
        usual_arrived_s, usual_taken_s = self._usual_s or (arrived_s, taken_s)
        late_s = arrived_s - usual_arrived_s
        lost_s = min(late_s, taken_s - usual_taken_s)
        if lost_s > LEAST_LOSS_S:
            self.lost_s += lost_s
            return lost_s
        if late_s <= LEAST_LOSS_S:
            usual_taken_s = taken_s
        self._usual_s = min(arrived_s, usual_arrived_s + MOST_SKEW * passed_s), usual_taken_s
        return 0.0
