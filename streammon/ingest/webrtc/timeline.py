"""When the pictures and the sound of a session were taken, by the sender's own clock. Pure.

RTP timestamps of a track say how far apart its packets are, not how they lie to those of the
other track: each begins at a random number. So each track is first put where its first packet
arrived. Sender reports (RTCP SR, RFC 3550 6.4.1) then say which RTP timestamp of each track is
which moment of the sender's one clock, and the picture is moved to where it belongs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

from streammon.core.types import ClockTrust

WRAP = 1 << 32
STRAY_S = 5.0
"""Timestamps this far from their arrival are not believed: the track is put there anew."""

SKEW_S = 0.04
"""Picture and sound that lie this far from where the sender says are moved. Less is not seen."""

MOST_SKEW_S = 2.0
"""A sender's report that would move them further is wrong."""

REPORTS = 5
"""So many reports of a track are believed together. One alone is as late as the sender was busy:
many take the time when a picture was encoded for the time when it was seen."""

REPORT_S = 0.2
"""How far reports of a track may contradict its own timestamps, but for one that came late."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What one RTCP sender report says, as received: kept for whoever judges the clock."""

    ntp_s: float
    """Seconds of the sender's wall clock, by whatever epoch it has."""
    rtp: int
    arrived_s: float


class TrackClock:
    """RTP timestamps of one track as ticks of the session's clock, which grow for ever."""

    def __init__(self, rate_hz: int) -> None:
        self.rate_hz = rate_hz
        self.report: SenderReport | None = None
        self._rtp: int | None = None
        self._ticks = 0
        self._sent_minus_ours_s: deque[float] = deque(maxlen=REPORTS)

    def place(self, rtp: int, arrived_s: float) -> tuple[int, bool]:
        """Where this timestamp lies on the session's clock, and whether the track was put anew.

        Wraps and packets out of order are understood. Never further than `STRAY_S` from the
        arrival, whatever the sender writes.
        """
        ticks = None if self._rtp is None else self._ticks + _signed(rtp - self._rtp)
        anew = ticks is None or abs(ticks / self.rate_hz - arrived_s) > STRAY_S
        if anew or ticks is None:
            ticks = round(arrived_s * self.rate_hz)
            self._sent_minus_ours_s.clear()
        self._rtp, self._ticks = rtp, ticks
        return ticks, anew

    def reported(self, report: SenderReport) -> None:
        """Take a sender report. One without a clock, or before any packet, says nothing."""
        self.report = report
        if self._rtp is None or report.ntp_s == 0:
            return
        ours_s = (self._ticks + _signed(report.rtp - self._rtp)) / self.rate_hz
        self._sent_minus_ours_s.append(report.ntp_s - ours_s)

    @property
    def broken(self) -> bool:
        """Whether its newest reports contradict its timestamps. One of them may: it was late."""
        told = sorted(self._sent_minus_ours_s)
        if len(told) > 2:
            return min(told[-2] - told[0], told[-1] - told[1]) > REPORT_S
        return len(told) == 2 and told[1] - told[0] > REPORT_S

    @property
    def sent_minus_ours_s(self) -> float | None:
        """The sender's clock less the session's: the median of this track's newest reports."""
        return median(self._sent_minus_ours_s) if self._sent_minus_ours_s else None

    def shift(self, delay_s: float) -> None:
        """From now on everything lies so much later."""
        self._ticks += round(delay_s * self.rate_hz)
        moved = [earlier_s - delay_s for earlier_s in self._sent_minus_ours_s]
        self._sent_minus_ours_s = deque(moved, maxlen=REPORTS)


class Timeline:
    """The clocks of both tracks of one session."""

    def __init__(self) -> None:
        self.video = TrackClock(90_000)
        self.audio: TrackClock | None = None

    def hear(self, rate_hz: int) -> TrackClock:
        """The clock of the sound at this rate; a change of rate begins it anew."""
        if self.audio is None or self.audio.rate_hz != rate_hz:
            self.audio = TrackClock(rate_hz)
        return self.audio

    @property
    def trust(self) -> ClockTrust:
        """What aligns picture and sound now; `sender` where its reports of both tracks came."""
        if self.video.broken or (self.audio is not None and self.audio.broken):
            return "broken"
        return "arrival" if self.skew_s is None else "sender"

    @property
    def skew_s(self) -> float | None:
        """How much later than now the picture belongs, against the sound; `None`: not known."""
        sound_s = None if self.audio is None else self.audio.sent_minus_ours_s
        picture_s = self.video.sent_minus_ours_s
        return None if sound_s is None or picture_s is None else picture_s - sound_s

    @property
    def misaligned(self) -> bool:
        """Whether the sender's reports, if they are to be believed, ask for `align`."""
        skew_s = self.skew_s
        return skew_s is not None and self.trust == "sender" and SKEW_S < abs(skew_s) < MOST_SKEW_S

    def align(self) -> bool:
        """Move the picture to where the sender says it belongs; whether that was needed."""
        skew_s = self.skew_s
        if skew_s is None or not self.misaligned:
            return False
        self.video.shift(skew_s)
        return True


def _signed(difference: int) -> int:
    """A difference of two RTP timestamps as the nearest of those that it may stand for."""
    return (difference + WRAP // 2) % WRAP - WRAP // 2
