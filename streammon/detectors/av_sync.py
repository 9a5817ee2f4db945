"""Is the sound in step with the picture? Without a face model, and only where something shows it.

What moves in the picture is compared with how loud the speech is, at offsets of half a second
either way, over the last `memory_s`. It abstains without clear speech, with too few frames, and
where nothing in the picture follows the sound better than it follows the same sound shifted by
chance: a slide, a still, a voice from off-screen, a mouth too small to move a block.

What it cannot see: whether lips form the words that are heard. A dubbed voice or a lip-synced
face whose mouth moves with the loudness of the speech is in step for it. Several people who talk
at once, and music with its dancers, can mislead it; models/av_sync.md has figures.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from pydantic import Field

from streammon.core.types import (
    DetectionResult,
    Json,
    Modality,
    VideoFrame,
    Window,
    WindowSpec,
)
from streammon.detectors.comparison import (
    InStepConfig,
    Verdict,
    judged,
    picture_and_sound,
    speech_in,
    too_few,
    untimed,
    waits_for_other,
)
from streammon.detectors.finding import LEAST, MOST
from streammon.detectors.stream_memory import StreamMemory
from streammon.detectors.synchrony import FRAME_S, STEP_S, Curve, Floats, follow, loudness, movement
from streammon.windows.align import Aligner, Moment

KIND = "lip_sync"
MODEL = "synchrony-1"
WINDOW_S = 5.0
LEAST_SPEECH_S = 1.0
MOST_WAITING = 32
"""Windows whose other half has not come; each is a few hundred kB of numbers."""


class AvSyncConfig(InStepConfig):
    """Sound that is out of step with the picture; needs every frame, so it costs a full decode."""

    type: Literal["av_sync"] = "av_sync"
    significance: float = Field(0.05, ge=0.025, le=0.5)
    """Abstain unless chance follows the sound as well more rarely than this."""

    def build(self, name: str) -> AvSync:
        return AvSync(name, self)


class _Talk:
    """What is known of one participant: halves that wait for each other, and past comparisons."""

    def __init__(self) -> None:
        self.aligner = Aligner()
        self.halves: dict[tuple[Modality, float], Floats | str] = {}
        """What was measured in a window, or why nothing was."""
        self.past: deque[tuple[float, Curve]] = deque()


class AvSync:
    """A `Detector`: the later half of each pair of windows carries the verdict."""

    kind = KIND
    on_device = False
    max_batch = 16
    inputs: Mapping[Modality, WindowSpec] = picture_and_sound(WINDOW_S, frame_interval_s=STEP_S)

    def __init__(self, name: str, settings: AvSyncConfig) -> None:
        self.name = name
        self._settings = settings
        self._talks: StreamMemory[_Talk] = StreamMemory(_Talk, most_streams=settings.most_streams)

    def load(self, device: str) -> None:
        """Nothing to load; `device` is always the CPU."""

    def bucket(self, window: Window) -> str:
        return ""

    def score(self, batch: Sequence[Window]) -> Sequence[DetectionResult]:
        return judged(
            batch,
            self._verdict,
            detector=self.name,
            kind=KIND,
            model_used=MODEL,
            threshold=self._settings.threshold,
        )

    def _verdict(self, window: Window) -> Verdict:
        talk = self._talks.of(window)
        talk.halves[window.modality, window.start_s] = (
            _heard(window) if window.modality is Modality.AUDIO else _seen(window)
        )
        while len(talk.halves) > MOST_WAITING:
            talk.halves.pop(next(iter(talk.halves)))
        light = replace(window, items=window.items[-1:])  # what was measured is kept, not the media
        verdict: Verdict | None = None
        for moment in talk.aligner.push(light):
            if moment.audio is not None and moment.video is not None:
                verdict = self._compare(talk, moment)
            for half in (moment.audio, moment.video):
                if half is not None:
                    talk.halves.pop((half.modality, half.start_s), None)
        return verdict or waits_for_other(window)

    def _compare(self, talk: _Talk, moment: Moment) -> Verdict:
        """What this moment, with those before it, says of the offset."""
        audio, video = moment.audio, moment.video
        assert audio is not None
        assert video is not None
        loud = talk.halves.get((Modality.AUDIO, audio.start_s), "the sound is no longer kept")
        moving = talk.halves.get((Modality.VIDEO, video.start_s), "the picture is no longer kept")
        if isinstance(loud, str) or isinstance(moving, str):
            return Verdict(loud if isinstance(loud, str) else str(moving))
        start_s = max(audio.start_s + FRAME_S / 2, video.start_s)
        end_s = min(audio.end_s, video.end_s)
        instants = np.arange(start_s, end_s, STEP_S)
        heard_s = audio.start_s + FRAME_S / 2 + STEP_S * np.arange(len(loud))
        sound = np.interp(instants, heard_s, loud)
        seen_s, blocks = moving[:, 0], moving[:, 1:]
        inside = (instants >= seen_s[0]) & (instants <= seen_s[-1])
        picture = np.stack(
            [np.interp(instants[inside], seen_s, block) for block in blocks.T], axis=1
        )
        curve = follow(picture, sound[inside], seed=round(1000 * moment.start_s) % 2**31)
        if curve is None:
            return Verdict("nothing moves in the picture, or too little of both was seen")
        talk.past.append((moment.end_s, curve))
        while talk.past[0][0] <= moment.end_s - self._settings.memory_s:
            talk.past.popleft()
        return self._judge(Curve.summed([curve for _, curve in talk.past]))

    def _judge(self, curve: Curve) -> Verdict:
        details: dict[str, Json] = {
            "offset_ms": round(1000 * curve.offset_s),
            "compared_s": round(curve.steps * STEP_S, 2),
            "p_value": round(curve.p_value, 3),
            "score": round(float(curve.real.max()), 2),
            "calibrated": False,
        }
        if curve.p_value > self._settings.significance:
            return Verdict("nothing in the picture follows the sound", details=details)
        confidence = round(min(max(curve.out_of_step, LEAST), MOST), 4)
        return Verdict(None, confidence, details)


def _heard(window: Window) -> Floats | str:
    """How loud the speech is, step by step, or why that cannot be said."""
    chunk, activity = speech_in(window, least_s=LEAST_SPEECH_S, least_speech_s=LEAST_SPEECH_S)
    return activity.reason or loudness(chunk.pcm, chunk.rate_hz)


def _seen(window: Window) -> Floats | str:
    """When and how much each block moved, (n, 1 + blocks), or why that cannot be said."""
    frames = [item for item in window.items if isinstance(item, VideoFrame)]
    if (missing := untimed(window) or too_few(frames)) is not None:
        return missing
    times_s = np.array([frame.media_s for frame in frames])
    if np.diff(times_s).min() <= 0 or np.diff(times_s).max() > 5 * STEP_S:
        return "frames are missing"
    moving = movement([frame.image_rgb for frame in frames])
    if moving is None:
        return "the picture is too small, or changes its size"
    middle_s = (times_s[1:] + times_s[:-1]) / 2
    return np.column_stack([middle_s, moving])
