"""What a detector remembers of each stream between its windows, bounded."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from streammon.core.types import StreamId, Window

T = TypeVar("T")


def lasting_since(since_s: float | None, now_s: float, *, lasts: bool) -> float | None:
    """When the state that `lasts` at `now_s` began, in seconds; `None` where it does not last.

    `since_s` is what this said the time before.
    """
    if not lasts:
        return None
    return now_s if since_s is None else since_s


def habit_s(lasted_s: Iterable[float]) -> float:
    """How long a state lasts by habit: the second longest of the times before, or half the longest.

    Once is no habit: after one fault the next is found in about the time that one lasted.
    """
    second, longest = sorted([0.0, 0.0, *lasted_s])[-2:]
    return max(longest / 2, second)


class StreamMemory(Generic[T]):
    """One `T` per (stream, participant), made anew for each epoch.

    At most `most_streams` are kept; the one longest unused goes first. Not thread-safe: a
    detector runs on one thread.
    """

    def __init__(self, make: Callable[[], T], *, most_streams: int) -> None:
        self._make = make
        self._most_streams = most_streams
        self._kept: OrderedDict[tuple[StreamId, str], tuple[int, T]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, window: Window) -> T:
        """The memory of the window's epoch. A window of an epoch that is over gets an empty one."""
        key = (window.stream, window.participant)
        epoch, memory = self._kept.get(key, (-1, None))
        if memory is None or window.epoch > epoch:
            memory = self._make()
            self._kept[key] = (window.epoch, memory)
        elif window.epoch < epoch:
            return self._make()
        self._kept.move_to_end(key)
        if len(self._kept) > self._most_streams:
            self._kept.popitem(last=False)
        return memory
