"""Pairs the sound and the pictures of one participant on the stream's one clock."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from streammon.core.types import Modality, Window

MOST_WAITING = 8
"""Windows of one modality that wait for the other before they go out alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """A stretch of one epoch with what was heard and what was seen; `None` marks a gap."""

    epoch: int
    start_s: float
    end_s: float
    audio: Window | None
    video: Window | None


class Aligner:
    """Windows of both modalities in, each in its own order; moments out, in order of time.

    Every window goes out exactly once. Two are a pair when each shares at least half of its time
    with the other: the two grids begin with each modality's first item, so equal windows start a
    little apart. A window whose other half is missing, or is not there yet when
    `MOST_WAITING` more have come, goes out alone.
    """

    def __init__(self) -> None:
        self._audio: deque[Window] = deque()
        self._video: deque[Window] = deque()

    def push(self, window: Window) -> list[Moment]:
        if window.modality is Modality.AUDIO:
            self._audio.append(window)
        elif window.modality is Modality.VIDEO:
            self._video.append(window)
        else:
            raise ValueError(f"only sound and pictures have one clock, got {window.modality}")
        moments = self._settle()
        for waiting in (self._audio, self._video):
            while len(waiting) > MOST_WAITING:
                moments.append(_alone(waiting.popleft()))
        return moments

    def flush(self) -> list[Moment]:
        """What still waits, each alone."""
        rest = sorted((*self._audio, *self._video), key=lambda window: _when(window))
        self._audio.clear()
        self._video.clear()
        return [_alone(window) for window in rest]

    def _settle(self) -> list[Moment]:
        moments: list[Moment] = []
        while self._audio and self._video:
            audio, video = self._audio[0], self._video[0]
            if _are_pair(audio, video):
                self._audio.popleft()
                self._video.popleft()
                moments.append(_pair(audio, video))
            else:
                earlier = self._audio if _when(audio) <= _when(video) else self._video
                moments.append(_alone(earlier.popleft()))
        return moments


def _when(window: Window) -> tuple[int, float]:
    return (window.epoch, window.start_s)


def _are_pair(audio: Window, video: Window) -> bool:
    if audio.epoch != video.epoch:
        return False
    shared_s = min(audio.end_s, video.end_s) - max(audio.start_s, video.start_s)
    longer_s = max(audio.end_s - audio.start_s, video.end_s - video.start_s)
    return 2 * shared_s >= longer_s


def _pair(audio: Window, video: Window) -> Moment:
    start_s, end_s = min(audio.start_s, video.start_s), max(audio.end_s, video.end_s)
    return Moment(audio.epoch, start_s, end_s, audio, video)


def _alone(window: Window) -> Moment:
    is_audio = window.modality is Modality.AUDIO
    return Moment(
        window.epoch,
        window.start_s,
        window.end_s,
        audio=window if is_audio else None,
        video=None if is_audio else window,
    )
