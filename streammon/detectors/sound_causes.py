"""What a stream's recent sound proves: silent, stuck, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

from streammon.core.types import AudioChunk
from streammon.detectors.finding import Finding, grown
from streammon.detectors.sound_signals import SoundLook, listen
from streammon.detectors.stream_memory import lasting_since

HEARD_S = 3.0
"""With less sound before it, silence may be a microphone that was never on."""
MOST_SILENT, MOST_SILENT_IF_NEVER_HEARD, MOST_STUCK = 0.9, 0.1, 0.97


@dataclass(frozen=True, slots=True)
class SoundTimes:
    """After how long each state of the sound is as likely a fault or an attack as not."""

    silent_s: float
    stuck_s: float


class SoundHistory:
    """How long the sound has been empty or stuck, and whether there ever was any."""

    def __init__(self, *, gap_s: float) -> None:
        self._gap_s = gap_s
        self._end_s: float | None = None
        self._heard_s = 0.0
        self.empty_since_s: float | None = None
        self.stuck_since_s: float | None = None
        self.look: SoundLook | None = None

    @property
    def heard(self) -> bool:
        """Whether there was sound for `HEARD_S` in all since the epoch began."""
        return self._heard_s >= HEARD_S

    @property
    def end_s(self) -> float:
        return 0.0 if self._end_s is None else self._end_s

    def add(self, chunk: AudioChunk) -> None:
        """Take a stretch that ends later than all before; others are not looked at again."""
        start_s, end_s = chunk.media_s, chunk.media_s + chunk.duration_s
        if self._end_s is not None and end_s <= self._end_s:
            return
        if self._end_s is not None and start_s > self._end_s + self._gap_s:
            self.empty_since_s = self.stuck_since_s = None
        new_s = end_s - max(start_s, self._end_s or start_s)
        self._end_s = end_s
        look = self.look = listen(chunk.pcm, chunk.rate_hz)
        self._heard_s += new_s if look.heard and not look.stuck else 0.0
        self.empty_since_s = lasting_since(self.empty_since_s, start_s, lasts=look.empty)
        self.stuck_since_s = lasting_since(self.stuck_since_s, start_s, lasts=look.stuck)


def sound_findings(history: SoundHistory, times: SoundTimes) -> list[Finding]:
    """Every cause that something speaks for."""
    found = []
    if history.empty_since_s is not None:
        lasted_s = history.end_s - history.empty_since_s
        # A microphone that was never on is no fault; one that goes dead in a sentence may be.
        most = MOST_SILENT if history.heard else MOST_SILENT_IF_NEVER_HEARD
        confidence = grown(lasted_s, half_s=times.silent_s, most=most)
        details = {"for_s": round(lasted_s, 2), "heard_before": history.heard}
        found.append(Finding("silent", confidence, details))
    if history.stuck_since_s is not None and history.look is not None:
        lasted_s = history.end_s - history.stuck_since_s
        confidence = grown(lasted_s, half_s=times.stuck_s, most=MOST_STUCK)
        repeat_s = history.look.repeat_s
        repeated = None if repeat_s is None else round(repeat_s, 4)
        found.append(
            Finding("stuck", confidence, {"for_s": round(lasted_s, 2), "buffer_s": repeated})
        )
    return found
