"""Windows of so many frames or messages."""

from __future__ import annotations

from streammon.core.types import (
    ChatMessage,
    Item,
    Modality,
    VideoFrame,
    Window,
    WindowSpec,
)
from streammon.windows.cut import Lane, just_after, whole


class CountWindower:
    """Every `hop` items a window of the newest `length` of them.

    Frames break as in `timed`; messages count in the order in which they came.
    """

    def __init__(self, lane: Lane, spec: WindowSpec) -> None:
        self._lane = lane
        self._length, self._hop = whole(spec)
        self._gap_limit_s = spec.gap_limit_s
        self._items: list[Item] = []
        self._seen = 0
        """How many of the kept items have been in a window."""

    def push(self, item: Item) -> list[Window]:
        assert isinstance(item, VideoFrame | ChatMessage)
        if isinstance(item, VideoFrame) and item.damaged:
            return []
        if self._items and self._breaks(self._items[-1], item):
            self._forget()
        self._items.append(item)
        if len(self._items) < self._length:
            return []
        window = self._window(self._items)
        del self._items[: self._hop]
        self._seen = len(self._items)
        return [window]

    def advance(self, media_s: float) -> list[Window]:
        return []

    def flush(self, *, least: float = 0.5) -> list[Window]:
        enough = len(self._items) >= least * self._length
        windows = [self._window(self._items)] if enough and len(self._items) > self._seen else []
        self._forget()
        return windows

    def _breaks(self, last: Item, item: Item) -> bool:
        if item.epoch != last.epoch:
            return True
        step_s = item.media_s - last.media_s
        return self._lane.modality is Modality.VIDEO and not 0 <= step_s <= self._gap_limit_s

    def _forget(self) -> None:
        self._items.clear()
        self._seen = 0

    def _window(self, items: list[Item]) -> Window:
        times = [item.media_s for item in items]
        return self._lane.window(min(times), just_after(max(times)), items)
