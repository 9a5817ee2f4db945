"""A cheap detector first, a dear one only where the cheap one cannot tell.

The second is asked about a window when the first's confidence lies in the uncertain band, or when
the evidence of this stream is rising: the first's log-odds are at least `rising_nats` above their
running mean over this participant's earlier windows, and its confidence is at least `RISING_FROM`.
What the second says then stands alone; where it says nothing, what the first said stands, and
the details tell why.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from streammon.alerts.calibration import log_odds
from streammon.core.ports import Detector
from streammon.core.types import DetectionResult, Json, Window
from streammon.detectors.members import Answer, How
from streammon.detectors.panel import Panel, SharedWindowConfig, answered, kind_of, reasons
from streammon.detectors.stream_memory import StreamMemory

RISING_FROM = 0.1
"""Below this nothing rises: from one very small number to another is only noise."""
NEW_SHARE = 0.3
"""What the newest window counts for in the running mean."""


class CascadeConfig(SharedWindowConfig):
    """A cheap detector first, a deep one only for what it cannot tell."""

    type: Literal["cascade"] = "cascade"
    first: str
    """The cheap one: sees every window."""
    then: str
    """The deep one: sees the uncertain ones."""
    band: tuple[float, float] = (0.3, 0.7)
    """Confidences of the first, ends included, with which the second is asked."""
    ask_when_silent: bool = False
    """Also ask the second where the first abstains or fails."""
    rising_nats: PositiveFloat | None = 2.0
    """Also ask it when the first's log-odds rise by so much; unset (null): never."""
    threshold: float = Field(0.5, gt=0.0, lt=1.0)
    """Confidence from which a window counts as synthetic."""
    most_streams: PositiveInt = 256
    """For how many participants the running mean is kept."""

    @model_validator(mode="after")
    def stages_make_sense(self) -> CascadeConfig:
        low, high = self.band
        if not 0.0 <= low < high <= 1.0:
            raise ValueError(f"band: expected 0 <= low < high <= 1, got {low:g} and {high:g}")
        if self.first == self.then:
            raise ValueError(f"then: {self.then!r} is already the first")
        return self

    @property
    def members(self) -> tuple[str, ...]:
        return (self.first, self.then)

    def build(self, name: str, members: Mapping[str, Detector]) -> Cascade:
        """Raises `ConfigError` when the two cannot share windows or a kind."""
        return Cascade(name, self, members)


@dataclass(frozen=True, slots=True)
class CascadeStats:
    """What the second stage was asked for, since the start."""

    windows: int = 0
    uncertain: int = 0
    """Asked because the first's confidence lay in the band."""
    rising: int = 0
    """Asked because the evidence rose, outside of the band."""
    silent: int = 0
    """Asked because the first said nothing."""
    decided_deep: int = 0
    """Windows where the second spoke."""

    @property
    def escalated(self) -> int:
        return self.uncertain + self.rising + self.silent

    @property
    def escalated_share(self) -> float:
        return self.escalated / self.windows if self.windows else 0.0


class _Trend:
    """The running mean of one participant's log-odds."""

    def __init__(self) -> None:
        self._mean: float | None = None

    def risen_by(self, confidence: float) -> float:
        """Nats above the mean so far, which then takes this one in; 0 for the first window."""
        nats = log_odds(confidence)
        if self._mean is None:
            self._mean = nats
            return 0.0
        risen = nats - self._mean
        self._mean += NEW_SHARE * risen
        return risen


Reason = Literal["uncertain", "rising", "silent"]


class Cascade:
    """A `Detector` and `Evictable`; `Elsewhere` when a member is (`longest_wait_s` is then set).

    Never `Repeatable`: whether the second is asked depends on what came before.
    """

    longest_wait_s: float

    def __init__(self, name: str, settings: CascadeConfig, members: Mapping[str, Detector]) -> None:
        self.name = name
        self.inputs = settings.cut(members)
        self.kind = kind_of(members, settings.kind)
        self._own = {each: members[each].inputs for each in settings.members}
        self._panel = Panel(members, settings.patience)
        self._first = self._panel.members[settings.first]
        self._then = self._panel.members[settings.then]
        self.on_device = self._panel.on_device
        self.max_batch = members[settings.first].max_batch
        self._settings = settings
        self._trends: StreamMemory[_Trend] = StreamMemory(
            _Trend, most_streams=settings.most_streams
        )
        self._stats = CascadeStats()
        if (wait_s := self._panel.longest_wait_s(self.max_batch)) is not None:
            self.longest_wait_s = wait_s

    @property
    def resident_bytes(self) -> int:
        return self._panel.resident_bytes

    def stats(self) -> CascadeStats:
        return self._stats

    def load(self, device: str) -> None:
        """Load both. Raises `Permanent` when the first cannot be loaded."""
        self._panel.load(device, needed=[self._settings.first])

    def unload(self) -> None:
        self._panel.unload()

    def bucket(self, window: Window) -> str:
        """Both stages' buckets, so that what goes on to the second can be stacked there too."""
        return "|".join(
            member.bucket(window, self._own[member.name][window.modality])
            for member in (self._first, self._then)
        )

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        """One result per window, in order; the second stage gets its windows in one batch."""
        if not batch:
            return []
        began_s = time.perf_counter()
        modality = batch[0].modality
        cheap = self._first.ask(batch, self._own[self._first.name][modality])
        asked = [self._why_deeper(*pair) for pair in zip(batch, cheap, strict=True)]
        onward = [window for window, why in zip(batch, asked, strict=True) if why]
        deep = iter(self._then.ask(onward, self._own[self._then.name][modality]))
        answers = [
            (first, next(deep) if why else None)
            for first, why in zip(cheap, asked, strict=True)
        ]  # fmt: skip
        self._count(asked, answers)
        each_s = (time.perf_counter() - began_s) / len(batch)
        return [
            self._result(window, first, second, why, each_s)
            for window, (first, second), why in zip(batch, answers, asked, strict=True)
        ]

    def _why_deeper(self, window: Window, first: Answer) -> Reason | None:
        """Why the second stage is asked about this window, if it is."""
        settings, confidence = self._settings, first.confidence
        if confidence is None:
            return "silent" if settings.ask_when_silent else None
        risen = self._trends.of(window).risen_by(confidence)
        if settings.band[0] <= confidence <= settings.band[1]:
            return "uncertain"
        rises = settings.rising_nats is not None and risen >= settings.rising_nats
        return "rising" if rises and confidence >= RISING_FROM else None

    def _count(
        self, asked: Sequence[Reason | None], answers: Sequence[tuple[Answer, Answer | None]]
    ) -> None:
        told = self._stats
        self._stats = CascadeStats(
            windows=told.windows + len(asked),
            uncertain=told.uncertain + asked.count("uncertain"),
            rising=told.rising + asked.count("rising"),
            silent=told.silent + asked.count("silent"),
            decided_deep=told.decided_deep
            + sum(second is not None and second.how is How.SPOKE for _, second in answers),
        )

    def _result(
        self,
        window: Window,
        first: Answer,
        second: Answer | None,
        why: Reason | None,
        processing_time_s: float,
    ) -> DetectionResult:
        deep = second is not None and second.how is How.SPOKE
        decided = second if deep else first
        assert decided is not None
        answers = [first] if second is None else [first, second]
        details: dict[str, Json] = {
            "decided_by": decided.member if decided.how is How.SPOKE else None,
            "stage": ("then" if deep else "first") if decided.how is How.SPOKE else None,
            "asked_because": why,
            "members": [each.told() for each in answers],
            "windows": self._stats.windows,
            "escalated_share": round(self._stats.escalated_share, 4),
        }
        if second is not None and not deep and first.how is How.SPOKE:
            details["note"] = (
                f"{second.member} {second.how.value}: {second.why}; {first.member} stands"
            )
        return answered(
            window,
            [decided],
            detector=self.name,
            kind=self.kind,
            confidence=decided.confidence,
            abstained=reasons(answers),
            threshold=self._settings.threshold,
            details=details,
            processing_time_s=processing_time_s,
        )
