"""Windows of so many seconds of frames or messages."""

from __future__ import annotations

from collections import deque

from streammon.core.types import (
    ChatMessage,
    Item,
    Modality,
    VideoFrame,
    Window,
    WindowSpec,
)
from streammon.windows.cut import EDGE_S, Grid, Lane, hop_seconds, just_after

MOST_FRAMES_PER_S = 60
MOST_MESSAGES = 10_000
"""A flood may be without limit; a window is not. Beyond this the oldest messages give way."""


class TimedWindower:
    """Each item lies in every window of the grid that its time falls into.

    Frames break where a hole is longer than `spec.gap_limit_s` or where time steps back.
    Messages have no holes: silence is normal. One that is stamped earlier than the stream's time
    so far is taken to be of that moment, unless it has stepped back by more than a window.
    """

    def __init__(self, lane: Lane, spec: WindowSpec) -> None:
        self._lane = lane
        self._spec = spec
        self._hop_s = hop_seconds(spec)
        self._is_video = lane.modality is Modality.VIDEO
        frames = max(1, round(spec.length * MOST_FRAMES_PER_S))
        self._most = frames if self._is_video else MOST_MESSAGES
        self._items: deque[tuple[float, Item]] = deque()
        self._grid: Grid | None = None
        self._epoch = 0
        self._last_s = 0.0
        self._next = 0
        self._covered_s = 0.0

    def push(self, item: Item) -> list[Window]:
        assert isinstance(item, VideoFrame | ChatMessage)
        if isinstance(item, VideoFrame) and item.damaged:
            return []
        media_s = item.media_s
        if self._grid is None or item.epoch != self._epoch:
            self._grid = Grid(media_s, self._hop_s, self._spec.length)
            self._begin_run(media_s)
            self._next = 0
        elif self._breaks(media_s - self._last_s):
            self._begin_run(media_s)
        media_s = max(media_s, self._last_s)
        windows = self._cut(media_s)
        self._epoch, self._last_s = item.epoch, media_s
        self._keep(media_s, item)
        return windows

    def advance(self, media_s: float) -> list[Window]:
        if self._is_video or self._grid is None:
            return []
        self._last_s = max(self._last_s, media_s)
        return self._cut(self._last_s)

    def flush(self, *, least: float = 0.5) -> list[Window]:
        windows: list[Window] = []
        if self._grid is not None and self._items:
            self._next = max(self._next, self._grid.first_over(self._items[0][0]))
            start_s = self._grid.start_s(self._next)
            new = self._items[-1][0] >= self._covered_s - EDGE_S
            if new and self._last_s - start_s >= self._spec.length * least - EDGE_S:
                inside = self._between(start_s, self._last_s + 2 * EDGE_S)
                windows.append(self._lane.window(start_s, just_after(self._last_s), inside))
        self._items.clear()
        self._grid = None
        return windows

    def _breaks(self, step_s: float) -> bool:
        if self._is_video:
            return step_s < 0 or step_s > self._spec.gap_limit_s
        return step_s < -self._spec.length

    def _begin_run(self, media_s: float) -> None:
        """Forget the items so far.

        Frames go on with the first window that starts from here, messages with the first that
        this one is in.
        """
        assert self._grid is not None
        self._items.clear()
        self._last_s = self._covered_s = media_s
        in_run = self._grid.first_from if self._is_video else self._grid.first_over
        self._next = in_run(media_s)

    def _keep(self, media_s: float, item: Item) -> None:
        assert self._grid is not None
        if media_s < self._grid.start_s(self._next) - EDGE_S:
            return  # a window that starts before the run began, or one that is out already
        if len(self._items) >= self._most:
            if self._is_video:
                return  # faster than any camera: the ones that came first stand for it
            self._items.popleft()
        self._items.append((media_s, item))

    def _cut(self, now_s: float) -> list[Window]:
        """The windows that end by `now_s`; those that nothing lies in are passed over."""
        windows: list[Window] = []
        grid = self._grid
        while grid is not None and self._items:
            self._next = max(self._next, grid.first_over(self._items[0][0]))
            start_s, end_s = grid.start_s(self._next), grid.end_s(self._next)
            if end_s > now_s + EDGE_S:
                break
            inside = self._between(start_s, end_s)
            if inside:
                windows.append(self._lane.window(start_s, end_s, inside))
            self._covered_s = end_s
            self._next += 1
            next_s = grid.start_s(self._next)
            while self._items and self._items[0][0] < next_s - EDGE_S:
                self._items.popleft()
        return windows

    def _between(self, start_s: float, end_s: float) -> list[Item]:
        return [item for at_s, item in self._items if start_s - EDGE_S <= at_s < end_s - EDGE_S]
