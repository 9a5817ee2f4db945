"""Which windows wait, and which of them make the next batch. Pure: time is an argument.

A slot holds the newest window of one (stream, participant, detector, modality). A newer one takes
its place and inherits its turn: its deadline stays that of the first window that waited, so that
a stream which is never quick enough cannot be passed over for ever.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from streammon.core.types import Modality, StreamId, Window


class SlotKey(NamedTuple):
    stream: StreamId
    participant: str
    detector: str
    modality: Modality


class GroupKey(NamedTuple):
    """Windows of one group can be stacked."""

    detector: str
    modality: Modality
    bucket: str


class Due(NamedTuple):
    """A group whose windows may be scored now; the smallest is the most urgent."""

    deadline_ns: int
    order: int
    group: GroupKey

    @property
    def detector(self) -> str:
        return self.group.detector


@dataclass(frozen=True, slots=True)
class Switch:
    """What has to happen to the models in a device's memory before a call."""

    load: str | None = None
    """Loaded after the others were unloaded."""
    unload: tuple[str, ...] = ()


NO_SWITCH = Switch()


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows for one call of one detector, the most urgent first, no stream twice."""

    detector: str
    modality: Modality
    windows: tuple[Window, ...]
    queued_ns: tuple[int, ...]
    """When each of them was put into the queue."""
    switch: Switch = NO_SWITCH


@dataclass(slots=True, eq=False)
class _Slot:
    key: SlotKey
    window: Window
    queued_ns: int
    deadline_ns: int
    due_ns: int
    order: int
    lost: int = 0
    waits: bool = True
    """Cleared when it left its group; the group's heap may still name it."""


@dataclass(slots=True)
class _Group:
    heap: list[tuple[int, int, int, _Slot]] = field(default_factory=list)
    """(deadline, order, serial, slot), the most urgent first; may hold slots that have left.

    One that left and came back has the same turn: the serial, never the same, decides."""
    size: int = 0

    def head(self) -> _Slot:
        while not self.heap[0][-1].waits:
            heapq.heappop(self.heap)
        return self.heap[0][-1]


class BatchQueue:
    """The windows that wait for one device."""

    def __init__(self) -> None:
        self._slots: dict[SlotKey, tuple[_Slot, GroupKey]] = {}
        self._groups: dict[GroupKey, _Group] = {}
        self._order = 0

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, key: SlotKey) -> bool:
        return key in self._slots

    def waiting(self, *, detector: str | None = None, stream: StreamId | None = None) -> int:
        """How many windows wait, of one detector or one stream if named."""
        return sum(
            (detector is None or key.detector == detector)
            and (stream is None or key.stream == stream)
            for key in self._slots
        )

    def put(
        self,
        key: SlotKey,
        bucket: str,
        window: Window,
        *,
        now_ns: int,
        deadline_ns: int,
        due_ns: int,
    ) -> bool:
        """Queue a window; returns whether it took the place of an older one, now lost.

        It is to be scored by `deadline_ns`; from `due_ns` on it waits for company no longer.
        """
        group_key = GroupKey(key.detector, key.modality, bucket)
        held = self._slots.get(key)
        if held is not None and held[1] == group_key:
            slot = held[0]
            slot.window, slot.queued_ns, slot.lost = window, now_ns, slot.lost + 1
            return True
        self._order += 1
        serial = self._order
        slot = _Slot(key, window, now_ns, deadline_ns, due_ns, serial)
        if held is not None:  # of another shape now: it moves, and keeps its turn
            old = held[0]
            slot.deadline_ns, slot.due_ns, slot.order = old.deadline_ns, old.due_ns, old.order
            slot.lost = old.lost + 1
            self._leave(old, held[1])
        group = self._groups.setdefault(group_key, _Group())
        heapq.heappush(group.heap, (slot.deadline_ns, slot.order, serial, slot))
        group.size += 1
        self._slots[key] = (slot, group_key)
        return held is not None

    def take(
        self,
        now_ns: int,
        most: Mapping[str, int],
        *,
        all_due: bool = False,
        only_full: bool = False,
    ) -> Batch | None:
        """The next batch, or `None` while nothing is due.

        Of the groups that are due, the one with the earliest deadline goes first.
        """
        due = self.due(now_ns, most, all_due=all_due, only_full=only_full)
        if not due:
            return None
        group = min(due).group
        return self.cut(group, most[group.detector])

    def due(
        self,
        now_ns: int,
        most: Mapping[str, int],
        *,
        all_due: bool = False,
        only_full: bool = False,
    ) -> list[Due]:
        """The groups that are due.

        A group is due when it is full (`most` windows for its detector) or when its most urgent
        window has waited long enough. `all_due` waits for nothing, `only_full` for as long as it
        takes.
        """
        return [
            Due(head.deadline_ns, head.order, group_key)
            for group_key, group in self._groups.items()
            if ((head := group.head()).due_ns <= now_ns and not only_full)
            or all_due
            or group.size >= most[group_key.detector]
        ]

    def next_due_ns(self, ready_ns: Callable[[str], int] = lambda detector: 0) -> int | None:
        """When the next group becomes due by waiting; `None` when nothing waits.

        `ready_ns` says from when on a detector can score.
        """
        return min(
            (
                max(group.head().due_ns, ready_ns(key.detector))
                for key, group in self._groups.items()
            ),
            default=None,
        )

    def withdraw(self, detector: str) -> int:
        """Take out all windows of a detector; returns how many."""
        leaving = [held for key, held in self._slots.items() if key.detector == detector]
        for slot, group_key in leaving:
            self._leave(slot, group_key)
        return len(leaving)

    def cut(self, group_key: GroupKey, most: int) -> Batch:
        """Take the most urgent windows of a group, at most so many, no stream twice."""
        group = self._groups[group_key]
        taken: dict[StreamId, tuple[Window, int]] = {}
        later: list[tuple[int, int, int, _Slot]] = []
        while group.heap and len(taken) < most:
            entry = heapq.heappop(group.heap)
            slot = entry[-1]
            if not slot.waits:
                continue
            if slot.key.stream in taken:  # another participant: in another call
                later.append(entry)
                continue
            window = slot.window
            if slot.lost:
                window = replace(window, lost_before=window.lost_before + slot.lost)
            taken[slot.key.stream] = (window, slot.queued_ns)
            self._leave(slot, group_key)
        for entry in later:
            heapq.heappush(group.heap, entry)
        windows, queued_ns = zip(*taken.values(), strict=True)
        return Batch(group_key.detector, group_key.modality, windows, queued_ns)

    def _leave(self, slot: _Slot, group_key: GroupKey) -> None:
        slot.waits = False
        del self._slots[slot.key]
        group = self._groups[group_key]
        group.size -= 1
        if group.size == 0:
            del self._groups[group_key]
