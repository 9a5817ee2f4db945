"""Windows of so many characters of the running text of a stream."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

from streammon.core.types import ChatMessage, Item, Window, WindowSpec
from streammon.windows.cut import Lane, just_after, whole


class CharacterWindower:
    """The messages one after the other as one text, cut every `hop` characters.

    A window holds the messages that overlap its span. The first and the last carry only the
    part of their text that lies inside, so that the texts joined are exactly the span.
    """

    def __init__(self, lane: Lane, spec: WindowSpec) -> None:
        self._lane = lane
        self._length, self._hop = whole(spec)
        self._pieces: deque[tuple[int, ChatMessage]] = deque()
        self._epoch = 0
        self._start = self._end = self._covered = 0

    def push(self, item: Item) -> list[Window]:
        assert isinstance(item, ChatMessage)
        if item.epoch != self._epoch:
            self._forget()
        self._epoch = item.epoch
        if not item.text:
            return []
        self._pieces.append((self._end, item))
        self._end += len(item.text)
        windows: list[Window] = []
        while self._end - self._start >= self._length:
            self._covered = self._start + self._length
            windows.append(self._window(self._covered))
            self._start += self._hop
            while self._pieces and _end(self._pieces[0]) <= self._start:
                self._pieces.popleft()
        return windows

    def advance(self, media_s: float) -> list[Window]:
        return []

    def flush(self, *, least: float = 0.5) -> list[Window]:
        enough = self._end - self._start >= least * self._length
        windows = [self._window(self._end)] if enough and self._end > self._covered else []
        self._forget()
        return windows

    def _forget(self) -> None:
        self._pieces.clear()
        self._start = self._end = self._covered = 0

    def _window(self, end: int) -> Window:
        inside = [self._cut(at, message, end) for at, message in self._pieces if at < end]
        times = [message.media_s for message in inside]
        return self._lane.window(min(times), just_after(max(times)), inside)

    def _cut(self, at: int, message: ChatMessage, end: int) -> ChatMessage:
        if at >= self._start and at + len(message.text) <= end:
            return message
        return replace(message, text=message.text[max(0, self._start - at) : end - at])


def _end(piece: tuple[int, ChatMessage]) -> int:
    return piece[0] + len(piece[1].text)
