"""One thing that comes with another, held against it: picture and sound, sound and transcript.

What such detectors share: how long they remember, what they need of pictures and of speech, and a
verdict that comes with the window which completes the pair.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import Field, PositiveInt

from streammon.core.types import (
    AudioChunk,
    ClockTrust,
    DetectionResult,
    Json,
    Modality,
    Region,
    VideoFrame,
    Window,
    WindowSpec,
)
from streammon.detectors.voice_activity import RATE_HZ, Activity, listen
from streammon.registry import AdapterConfig

LEAST_FRAMES_PER_S = 12.0
"""A mouth opens and closes about four times a second; fewer frames than this lose it."""

UNTIMED: Mapping[ClockTrust, str] = {
    "arrival": "the timing between sound and picture is not the sender's so far",
    "broken": "the timing between sound and picture contradicts itself, as behind a relay",
}
"""Why pictures cannot be held against sound, by the clock they were put with."""


class InStepConfig(AdapterConfig):
    """Settings of a detector that asks whether sound and picture are in step."""

    memory_s: float = Field(30.0, ge=6.0, le=120.0)
    """How much of the stream is judged together: more is surer, and later to notice a change."""
    threshold: float = Field(0.8, gt=0.0, lt=1.0)
    """Confidence from which the window counts as out of step."""
    most_streams: PositiveInt = 64


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is said of a window: why nothing, or how sure one is that the two do not fit."""

    abstained: str | None
    confidence: float | None = None
    details: Mapping[str, Json] = field(default_factory=dict)
    regions: tuple[Region, ...] = ()


def picture_and_sound(window_s: float, *, frame_interval_s: float) -> dict[Modality, WindowSpec]:
    """Windows of both that begin together and follow each other without overlap."""
    return {
        Modality.AUDIO: WindowSpec(window_s, 0.0),
        Modality.VIDEO: WindowSpec(window_s, 0.0, frame_interval_s=frame_interval_s),
    }


def judged(
    windows: Sequence[Window],
    verdict: Callable[[Window], Verdict],
    *,
    detector: str,
    kind: str,
    model_used: str,
    threshold: float,
) -> list[DetectionResult]:
    """The verdict on each window in turn, with the time that it took."""
    results = []
    for window in windows:
        began_s = time.perf_counter()
        found = verdict(window)
        sure = found.confidence
        results.append(
            DetectionResult.of(
                window,
                detector=detector,
                kind=kind,
                model_used=model_used,
                confidence=sure,
                abstained=found.abstained,
                is_ai_generated=None if sure is None else sure >= threshold,
                regions=found.regions,
                details=found.details,
                processing_time_s=time.perf_counter() - began_s,
            )
        )
    return results


def waits_for_other(window: Window) -> Verdict:
    """What is said of a window of sound or picture that came before its other half."""
    other = "sound" if window.modality is Modality.VIDEO else "picture"
    return Verdict(f"waits for the {other} of the same time")


def untimed(window: Window) -> str | None:
    """Why the pictures of a window cannot be held against the sound; `None`: they can."""
    clocks = {item.clock for item in window.items if isinstance(item, VideoFrame)}
    return next((why for clock, why in UNTIMED.items() if clock in clocks), None)


def speech_in(
    window: Window, *, least_s: float, least_speech_s: float
) -> tuple[AudioChunk, Activity]:
    """A window's sound and what is heard in it; `Activity.reason` also says where it is too short
    or of another rate to be listened to.
    """
    chunk = window.items[0]
    assert isinstance(chunk, AudioChunk)
    if chunk.rate_hz != RATE_HZ or chunk.duration_s < least_s:
        reason = f"less than {least_s:g} s of sound at {RATE_HZ} Hz"
        return chunk, Activity(reason, -120.0, 0.0, 0.0, {})
    return chunk, listen(chunk.pcm, least_speech_s=least_speech_s)


def too_few(frames: Sequence[VideoFrame]) -> str | None:
    """Why a mouth cannot be followed through these frames, at least one; `None`: it can."""
    span_s = frames[-1].media_s - frames[0].media_s
    if len(frames) < 2 or span_s <= 0 or len(frames) - 1 < LEAST_FRAMES_PER_S * span_s:
        return f"too few frames: at least {LEAST_FRAMES_PER_S:g} a second are needed"
    return None
