"""What a stream's recent sound proves: silent, stuck, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

from streammon.core.types import AudioChunk
from streammon.detectors.finding import Finding, grown
from streammon.detectors.sound_signals import SoundLook, listen
from streammon.detectors.stream_memory import habit_s, lasting_since

HEARD_S = 3.0
"""With less sound before it, silence may be a microphone that was never on."""
LEAST_SILENCE_S = 0.25
"""A shorter one is a pause."""
MOST_EARLIER = 64
"""So many silences before tell how long they last by habit."""
MOST_SILENT, MOST_SILENT_IF_NEVER_HEARD, MOST_STUCK = 0.95, 0.1, 0.97


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
        self._earlier_s: tuple[float, ...] = ()
        """How long each silence lasted that ended by itself."""

    @property
    def heard(self) -> bool:
        """Whether there was sound for `HEARD_S` in all since the epoch began."""
        return self._heard_s >= HEARD_S

    @property
    def habit_s(self) -> float:
        """How long it is empty by habit."""
        return habit_s(self._earlier_s)

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
        one_value = look.stuck and look.repeat_s is None
        self._heard_s += new_s if look.heard and not one_value else 0.0
        if self.empty_since_s is None or look.empty_s < chunk.duration_s:
            self._end_silence(start_s)
            began_s = end_s - look.empty_s
            self.empty_since_s = began_s if look.empty_s >= LEAST_SILENCE_S else None
        self.stuck_since_s = lasting_since(self.stuck_since_s, start_s, lasts=look.stuck)

    def _end_silence(self, at_s: float) -> None:
        if self.empty_since_s is not None:
            self._earlier_s = (*self._earlier_s, at_s - self.empty_since_s)[-MOST_EARLIER:]


def sound_findings(history: SoundHistory, times: SoundTimes) -> list[Finding]:
    """Every cause that something speaks for."""
    found = []
    if history.empty_since_s is not None:
        lasted_s = history.end_s - history.empty_since_s
        # A microphone that was never on is no fault; one that goes dead in a sentence may be.
        most = MOST_SILENT if history.heard else MOST_SILENT_IF_NEVER_HEARD
        half_s = max(times.silent_s, 2 * history.habit_s)
        confidence = grown(lasted_s, half_s=half_s, most=most)
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
