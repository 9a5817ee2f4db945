"""Windows of sound: one chunk each, cut to the sample."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from streammon.core.types import AudioChunk, Item, Window, WindowSpec
from streammon.windows.cut import Grid, Lane, hop_seconds

JUMP_S = 0.002
"""Containers such as Matroska and FLV round times to 1 ms, so two neighbours may seem up to 1 ms
apart or into each other; half as much again is room for a resampler's own rounding. A larger
step is sound that is missing or repeated."""
DRIFT_S = 0.02
"""How far the sender's time stamps may drift from the count of its samples within one run before
the count starts anew: half of what ear and eye notice between sound and lips."""


class SoundWindower:
    """Windows on the grid of the epoch, out of unbroken runs of samples."""

    def __init__(self, lane: Lane, spec: WindowSpec) -> None:
        self._lane = lane
        self._spec = spec
        self._hop_s = hop_seconds(spec)
        self._chunks: deque[tuple[int, AudioChunk]] = deque()
        """Chunks of this run with the place of their first sample, counted from the origin."""
        self._grid: Grid | None = None
        self._last: AudioChunk | None = None
        self._end = 0
        """Where the next sample of this run belongs."""
        self._next = 0
        """Number of the next window on the grid."""
        self._covered = 0
        """Samples before this one have been in a window."""

    def push(self, item: Item) -> list[Window]:
        assert isinstance(item, AudioChunk)
        if not len(item.pcm):
            return []
        if self._grid is None or self._last is None or item.epoch != self._last.epoch:
            self._grid = Grid(item.media_s, self._hop_s, self._spec.length)
            self._begin_run(item)
        elif not self._goes_on(self._last, item):
            self._begin_run(item)
        self._chunks.append((self._end, item))
        self._end += len(item.pcm)
        self._last = item
        return self._cut(item.rate_hz)

    def advance(self, media_s: float) -> list[Window]:
        return []

    def flush(self, *, least: float = 0.5) -> list[Window]:
        windows: list[Window] = []
        if self._grid is not None and self._last is not None:
            rate_hz = self._last.rate_hz
            start = self._place(self._next, rate_hz)
            enough = self._spec.length * rate_hz * least
            if self._end - start >= enough and self._end > self._covered:
                start_s = self._grid.start_s(self._next)
                end_s = start_s + (self._end - start) / rate_hz
                windows.append(self._window(start_s, end_s, start, self._end))
        self._chunks.clear()
        self._grid = self._last = None
        return windows

    def _goes_on(self, last: AudioChunk, item: AudioChunk) -> bool:
        """Whether `item` follows `last` without a hole, a step back or a change of rate."""
        if item.seq != last.seq + 1 or item.rate_hz != last.rate_hz:
            return False
        if item.source_rate_hz != last.source_rate_hz:
            return False
        step_s = item.media_s - (last.media_s + last.duration_s)
        return abs(step_s) <= JUMP_S and abs(self._drift_s(item)) <= DRIFT_S

    def _drift_s(self, item: AudioChunk) -> float:
        assert self._grid is not None
        return item.media_s - (self._grid.origin_s + self._end / item.rate_hz)

    def _begin_run(self, item: AudioChunk) -> None:
        """Forget the samples so far and go on with the first window that starts from here.

        A step back in time is a new run too: its sound has not been heard, whatever its stamps
        say, and it is never put together with what came before it.
        """
        assert self._grid is not None
        self._chunks.clear()
        self._end = self._covered = round((item.media_s - self._grid.origin_s) * item.rate_hz)
        self._next = math.floor(self._end / (self._hop_s * item.rate_hz)) - 1
        while self._place(self._next, item.rate_hz) < self._end:
            self._next += 1

    def _place(self, k: int, rate_hz: int) -> int:
        """Where the first sample of window `k` is."""
        return round(k * self._hop_s * rate_hz)

    def _cut(self, rate_hz: int) -> list[Window]:
        assert self._grid is not None
        length = round(self._spec.length * rate_hz)
        windows: list[Window] = []
        while (start := self._place(self._next, rate_hz)) + length <= self._end:
            start_s, end_s = self._grid.start_s(self._next), self._grid.end_s(self._next)
            windows.append(self._window(start_s, end_s, start, start + length))
            self._covered = start + length
            self._next += 1
            self._forget_before(self._place(self._next, rate_hz))
        self._forget_before(start)
        return windows

    def _forget_before(self, place: int) -> None:
        while self._chunks and self._chunks[0][0] + len(self._chunks[0][1].pcm) <= place:
            self._chunks.popleft()

    def _window(self, start_s: float, end_s: float, start: int, end: int) -> Window:
        """Samples [start, end) as one chunk; it carries the arrival of its newest sample."""
        pieces = [(at, chunk) for at, chunk in self._chunks if at < end]
        cut = [chunk.pcm[max(0, start - at) : end - at] for at, chunk in pieces]
        pcm = np.concatenate(cut) if len(cut) > 1 else cut[0].view()
        pcm.flags.writeable = False
        first, last = pieces[0][1], pieces[-1][1]
        chunk = AudioChunk(
            stream=last.stream,
            seq=first.seq,
            media_s=start_s,
            captured_ns=last.captured_ns,
            pcm=pcm,
            rate_hz=last.rate_hz,
            source_rate_hz=last.source_rate_hz,
            epoch=last.epoch,
            participant=last.participant,
        )
        return self._lane.window(start_s, end_s, (chunk,))
