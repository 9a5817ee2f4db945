"""Finds pictures and sound that only pretend to be live: frozen, black, looped, silent, stuck.

No training and no weights: signal statistics over windows, remembered per stream. `details.cause`
says what was found; the confidence grows with the time for which it lasts.

What it cannot see: a picture that was put up by a cut or a fade and stands still from then on (a
slide, a card, a photograph), unless `content: camera` promises that there is none; stillness
under something that moves across the middle of the picture; a frozen quiet scene whose noise the
codec had taken away before, or in which nothing but the light changed; a loop longer than half of
its memory, mirrored or cut differently each round, or a second long; a loop in pictures more than
a second apart (keyframes every two seconds still show black, slate and frozen pictures); what has
looped since the stream began, goes at one pace and was joined without a seam, and a loop of a
swing, which is what swings look like; a stillness in which every part of the picture is as it stood
in the last minute, such as a camera's that froze while nobody passed and whose noise the codec had
taken away; digital silence that is a muted microphone, which sounds the same. A camera that stops
moving and rests for long, or a scene in which all who moved stand still where nobody stood, looks
frozen. Its card: `models/freeze.md`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field, PositiveFloat, PositiveInt

from streammon.core.ports import Detector
from streammon.core.types import (
    AudioChunk,
    DetectionResult,
    Modality,
    VideoFrame,
    Window,
    WindowSpec,
)
from streammon.detectors.finding import Finding, likeliest
from streammon.detectors.picture_causes import PictureTimes, picture_findings
from streammon.detectors.picture_history import PictureHistory
from streammon.detectors.sound_causes import SoundHistory, SoundTimes, sound_findings
from streammon.detectors.stream_memory import StreamMemory
from streammon.registry import AdapterConfig

KIND = "freeze"
MODEL = "freeze-9"
Cause = Literal["frozen", "black", "slate", "looped", "silent", "stuck"]
CAUSES: tuple[Cause, ...] = ("frozen", "black", "slate", "looped", "silent", "stuck")

VIDEO_WINDOW = WindowSpec(length=1.0, overlap=0.0, frame_interval_s=0.25)
CALM_FRAME_INTERVAL_S = 4.0
AUDIO_WINDOW = WindowSpec(length=1.5, overlap=0.0)
LEAST_FRAMES = 3
LEAST_SOUND_S = 0.5
"""Fewer pictures of a stream, and shorter stretches of sound, are not judged."""
GAP_S = 8.0
"""After a longer hole in what was looked at, nothing is known of how long a state has lasted."""


class FreezeConfig(AdapterConfig):
    """Frozen, black, slate or looped pictures, silent or stuck sound.

    The `..._after_s` are the times, in seconds, at which a state is as likely a fault as not.
    """

    type: Literal["freeze"] = "freeze"
    causes: tuple[Cause, ...] = CAUSES
    """What to look for; leave out `silent` where people mute themselves."""
    content: Literal["any", "camera"] = "any"
    """`camera`: never slides or a shared screen, so a picture still from the start counts."""
    rest_when_calm: bool = True
    """Look at keyframes only while a stream has been calm for half a minute: many streams cost
    little then. Frozen, black and slate pictures still show, and the first doubt brings every
    quarter second back; a replayed loop does not show. False: every quarter second, always."""
    frozen_after_s: PositiveFloat = 1.5
    black_after_s: PositiveFloat = 2.0
    slate_after_s: PositiveFloat = 2.5
    silent_after_s: PositiveFloat = 4.5
    stuck_after_s: PositiveFloat = 3.0
    loop_shortest_s: float = Field(1.4, ge=1.0, le=30.0)
    """Movement that comes back faster than this is never called a loop."""
    memory_s: float = Field(90.0, ge=20.0, le=120.0)
    """How far back pictures are remembered: loops longer than about half of it are not seen."""
    most_streams: PositiveInt = 256
    """Of more the one longest unused is forgotten, and judged as if it had just begun."""

    def build(self, name: str) -> Detector:
        return Freeze(name, self)


class Freeze:
    """Satisfies `ports.Detector`."""

    kind = KIND
    on_device = False
    max_batch = 64

    def __init__(self, name: str, settings: FreezeConfig) -> None:
        self.name = name
        self.inputs: Mapping[Modality, WindowSpec] = {
            Modality.VIDEO: (
                replace(VIDEO_WINDOW, calm_frame_interval_s=CALM_FRAME_INTERVAL_S)
                if settings.rest_when_calm
                else VIDEO_WINDOW
            ),
            Modality.AUDIO: AUDIO_WINDOW,
        }
        self._causes = frozenset[str](settings.causes)
        self._picture_times = PictureTimes(
            black_s=settings.black_after_s,
            slate_s=settings.slate_after_s,
            frozen_s=settings.frozen_after_s,
            loop_shortest_s=settings.loop_shortest_s,
            camera=settings.content == "camera",
        )
        self._sound_times = SoundTimes(
            silent_s=settings.silent_after_s, stuck_s=settings.stuck_after_s
        )
        self._pictures: StreamMemory[PictureHistory] = StreamMemory(
            lambda: PictureHistory(keep_s=settings.memory_s, gap_s=GAP_S),
            most_streams=settings.most_streams,
        )
        self._sounds: StreamMemory[SoundHistory] = StreamMemory(
            lambda: SoundHistory(gap_s=GAP_S), most_streams=settings.most_streams
        )

    def load(self, device: str) -> None:
        """Nothing to load; `device` is always the CPU."""

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        return [self._score(window) for window in batch]

    def _score(self, window: Window) -> DetectionResult:
        started_s = time.perf_counter()
        pictures = window.modality is Modality.VIDEO
        found = self._pictures_of(window) if pictures else self._sound_of(window)
        abstained = found if isinstance(found, str) else None
        return DetectionResult.of(
            window,
            detector=self.name,
            kind=KIND,
            model_used=MODEL,
            confidence=None if isinstance(found, str) else round(found.confidence, 4),
            abstained=abstained,
            details={} if isinstance(found, str) else {"cause": found.cause, **found.details},
            processing_time_s=time.perf_counter() - started_s,
        )

    def _pictures_of(self, window: Window) -> Finding | str:
        """The finding, or why none is possible."""
        history = self._pictures.of(window)
        history.add(item for item in window.items if isinstance(item, VideoFrame))
        if len(history.glimpses) < LEAST_FRAMES:
            return f"fewer than {LEAST_FRAMES} frames"
        return likeliest(picture_findings(history, self._picture_times), causes=self._causes)

    def _sound_of(self, window: Window) -> Finding | str:
        """The finding, or why none is possible."""
        chunk = window.items[0]
        if not isinstance(chunk, AudioChunk) or chunk.duration_s < LEAST_SOUND_S:
            return f"less than {LEAST_SOUND_S} s of sound"
        if not np.isfinite(chunk.pcm).all():
            return "the sound has values that are not numbers"
        history = self._sounds.of(window)
        history.add(chunk)
        return likeliest(sound_findings(history, self._sound_times), causes=self._causes)
