"""The values that flow from sources to sinks.

All are frozen and hold no I/O. Two clocks, never mixed: `media_s` is the stream's own
time in seconds (it starts again with each epoch) and orders windows; `captured_ns` is the
monitor's monotonic clock at arrival and measures latency. An *epoch* is one unbroken run
of a stream: a reconnect, or a change of size or codec in mid-stream, begins the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, NewType, TypeAlias

import numpy as np
from numpy.typing import NDArray

StreamId = NewType("StreamId", str)

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"


ClockTrust: TypeAlias = Literal["arrival", "sender", "broken"]
"""What aligns picture and sound: the sender's own clock, only their arrival, or a clock that was
found to contradict itself, as where a relay rewrites timestamps and not the reports on them."""


class Modality(StrEnum):
    VIDEO = "video"
    AUDIO = "audio"
    TEXT = "text"


class WindowUnit(StrEnum):
    """What a window's length and overlap count."""

    SECONDS = "seconds"
    FRAMES = "frames"
    MESSAGES = "messages"
    CHARACTERS = "characters"


class HealthState(StrEnum):
    STARTING = "starting"
    UP = "up"
    DEGRADED = "degraded"
    RETRYING = "retrying"
    FAILED = "failed"
    ENDED = "ended"
    """A finite source (a file) was read to its end."""


class AlertState(StrEnum):
    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


class Severity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One sampled picture. A point in media time."""

    stream: StreamId
    seq: int
    """+1 per item of this modality that the source made; a gap means loss on the way."""
    media_s: float
    captured_ns: int
    image_rgb: NDArray[np.uint8]
    """(height, width, 3), read-only."""
    is_keyframe: bool = False
    damaged: bool = False
    """The decoder reported errors in it: shown, but never scored."""
    epoch: int = 0
    participant: str = ""
    clock: ClockTrust = "sender"
    """How far its time can be held against that of its stream's sound."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioChunk:
    """Mono sound that covers [media_s, media_s + duration_s)."""

    stream: StreamId
    seq: int
    media_s: float
    captured_ns: int
    pcm: NDArray[np.float32]
    """(n,), in [-1, 1], read-only."""
    rate_hz: int
    source_rate_hz: int
    """Rate before conversion: 8000 means band-limited speech, whatever `rate_hz` says."""
    epoch: int = 0
    participant: str = ""

    @property
    def duration_s(self) -> float:
        return len(self.pcm) / self.rate_hz


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One line of chat. A point in media time."""

    stream: StreamId
    seq: int
    media_s: float
    captured_ns: int
    author_id: str
    text: str
    message_id: str
    room: str = ""
    epoch: int = 0
    participant: str = ""


Item: TypeAlias = VideoFrame | AudioChunk | ChatMessage


@dataclass(frozen=True, slots=True)
class WindowSpec:
    """How one detector wants one modality cut.

    `length` and `overlap` are in `unit`; the hop is `length - overlap`. For pictures
    `frame_interval_s` says how far apart the sampled frames may be at most.
    """

    length: float
    overlap: float
    unit: WindowUnit = WindowUnit.SECONDS
    frame_interval_s: float | None = None
    calm_frame_interval_s: float | None = None
    """How far apart frames may be while the stream has been calm for long: where keyframes come
    that often, nothing else is decoded. Unset: as often as ever."""

    def __post_init__(self) -> None:
        if not 0 <= self.overlap < self.length:
            raise ValueError(f"overlap must be in [0, length), got {self.overlap} of {self.length}")
        if self.frame_interval_s is not None and self.frame_interval_s <= 0:
            raise ValueError(f"frame_interval_s must be positive, got {self.frame_interval_s}")
        if self.calm_frame_interval_s is not None and self.calm_frame_interval_s <= 0:
            raise ValueError(
                f"calm_frame_interval_s must be positive, got {self.calm_frame_interval_s}"
            )

    @property
    def hop(self) -> float:
        return self.length - self.overlap

    @property
    def gap_limit_s(self) -> float:
        """The longest hole between two frames that a window may still hold."""
        calm_s = 1.5 * (self.calm_frame_interval_s or 0.0)
        return max(3.0 * (self.frame_interval_s or 0.0), calm_s, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """What a detector looks at: [start_s, end_s) of one modality of one epoch.

    An audio window holds exactly one chunk, cut to the window. A frame or text window holds
    the frames or messages inside it, oldest first, never empty.
    """

    stream: StreamId
    modality: Modality
    epoch: int
    start_s: float
    end_s: float
    items: tuple[Item, ...]
    lost_before: int = 0
    """How many windows of this stream were replaced, unseen, since the last one scored."""
    participant: str = ""

    @property
    def captured_ns(self) -> int:
        """When the newest thing in it arrived: the start of the latency that users feel."""
        return self.items[-1].captured_ns


@dataclass(frozen=True, slots=True)
class Region:
    """A part of the picture; corners relative to its size, 0..1, x to the right, y down."""

    x1: float
    y1: float
    x2: float
    y2: float
    label: str = ""
    score: float | None = None


@dataclass(frozen=True, slots=True)
class DetectionResult:
    """What one detector says of one window.

    `confidence` is the calibrated probability, 0..1, that the window is synthetic or
    manipulated in the way the detector looks for; `None` when it abstains, and then
    `abstained` says why in words.
    """

    stream: StreamId
    detector: str
    kind: str
    """What an incident of this evidence is called: `voice_spoof`, `freeze`, `chat_flood`."""
    modality: Modality
    epoch: int
    start_s: float
    end_s: float
    captured_ns: int
    confidence: float | None
    model_used: str
    is_ai_generated: bool | None = None
    abstained: str | None = None
    regions: tuple[Region, ...] = ()
    details: Mapping[str, Json] = field(default_factory=dict)
    processing_time_s: float = 0.0
    participant: str = ""

    def __post_init__(self) -> None:
        if (self.confidence is None) == (self.abstained is None):
            raise ValueError(f"{self.detector}: either a confidence or a reason to abstain")
        if self.confidence is not None and not 0.0 <= self.confidence <= 1.0:
            raise ValueError(f"{self.detector}: confidence {self.confidence} is not in 0..1")

    @property
    def experimental(self) -> bool:
        """Its detector marks it as too weak to raise an alarm on its own (`details.experimental`):
        it is told with an incident that others opened.
        """
        return self.details.get("experimental") is True

    @classmethod
    def of(
        cls,
        window: Window,
        *,
        detector: str,
        kind: str,
        model_used: str,
        confidence: float | None = None,
        abstained: str | None = None,
        is_ai_generated: bool | None = None,
        regions: tuple[Region, ...] = (),
        details: Mapping[str, Json] | None = None,
        processing_time_s: float = 0.0,
    ) -> DetectionResult:
        """What `detector` says of `window`: either a confidence or why it abstains."""
        return cls(
            stream=window.stream,
            detector=detector,
            kind=kind,
            modality=window.modality,
            epoch=window.epoch,
            start_s=window.start_s,
            end_s=window.end_s,
            captured_ns=window.captured_ns,
            confidence=confidence,
            model_used=model_used,
            is_ai_generated=is_ai_generated,
            abstained=abstained,
            regions=regions,
            details=details or {},
            processing_time_s=processing_time_s,
            participant=window.participant,
        )


@dataclass(frozen=True, slots=True)
class Evidence:
    """What has been gathered for or against one kind of forgery in one stream so far.

    `level` is 0 with nothing against the stream and reaches 1.0 where the rule raises the
    alarm. `log_odds` is the statistic behind it, in nats.
    """

    level: float
    log_odds: float
    alarm: bool
    clear: bool
    """Enough has been seen to say that it is over."""
    windows: int
    """Windows counted since the level last left zero; abstentions do not count."""
    since_s: float
    """Media time at which the level last left zero."""
    learnt: str = ""
    """What the rule has learnt of the source's own clean level, in a few words; empty: nothing,
    and every source is judged alike."""


@dataclass(frozen=True, slots=True)
class Alert:
    """One event in the life of an incident: it was opened, updated or closed."""

    alert_id: str
    """Deterministic: the same incident's same event has the same id, however often it is sent."""
    incident_id: str
    stream: StreamId
    kind: str
    state: AlertState
    severity: Severity
    evidence_level: float
    opened_s: float
    """On the clock of `epoch`, so `media_s - opened_s` is how long it has been open: negative if
    it opened before this epoch began."""
    media_s: float
    epoch: int
    captured_ns: int
    why: str
    """A sentence for people: what was seen, for how long, and what would clear it."""
    results: tuple[DetectionResult, ...] = ()
    evidence_ref: str | None = None
    participant: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Overlay:
    """A picture that was scored, with what was said of it drawn in."""

    stream: StreamId
    seq: int
    media_s: float
    captured_ns: int
    jpeg: bytes
    width: int
    height: int
    epoch: int = 0
    results: tuple[DetectionResult, ...] = ()


@dataclass(frozen=True, slots=True)
class Meter:
    """A short strip of what a stream sounds or reads like, for people to look at."""

    stream: StreamId
    modality: Modality
    media_s: float
    captured_ns: int
    level: float
    """Audio: dBFS of the strip (RMS). Text: messages per second."""
    columns: tuple[bytes, ...] = ()
    """Audio: spectrogram columns, each a byte per band, low to high, 0 = -90 dB, 255 = 0 dB."""
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Health:
    component: str
    """`stream:<id>`, `sink:<name>`, `detector:<name>`, `scheduler`."""
    state: HealthState
    cause: str
    """A cause a person can act on; empty when up."""
    since_ns: int
    stream: StreamId | None = None


Outgoing: TypeAlias = DetectionResult | Alert | Overlay | Meter | Health
