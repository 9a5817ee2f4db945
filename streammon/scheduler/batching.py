"""Which windows wait, and which of them make the next batch. Pure: time is an argument.

A slot is that of one (stream, participant, detector, modality). Of media it holds the newest
window: a newer one takes its place and inherits its turn, so its deadline stays that of the first
window that waited, and a stream which is never quick enough cannot be passed over for ever.

Windows that are to be kept (text) stand behind one another instead. Each begins a turn of its own
when it comes to the front, so that a slot with many has no more turns than one with one.
"""

from __future__ import annotations

import heapq
from collections import Counter, deque
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
    """When the turn of each began: it was put into the queue, or came to the front of its slot."""
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


class _Behind(NamedTuple):
    """A window that waits for the one before it in its slot."""

    window: Window
    group: GroupKey
    queued_ns: int
    deadline_ns: int
    due_ns: int


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


class _Lines:
    """The windows behind the first of each slot."""

    def __init__(self) -> None:
        self._lines: dict[SlotKey, deque[_Behind]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._lines.values()))

    def count(self, key: SlotKey) -> int:
        return len(self._lines.get(key, ()))

    def join(self, key: SlotKey, came: _Behind) -> None:
        self._lines.setdefault(key, deque()).append(came)

    def first(self, key: SlotKey) -> _Behind | None:
        """Take out the oldest, if any stands there."""
        line = self._lines.get(key)
        if line is None:
            return None
        oldest = line.popleft()
        if not line:
            del self._lines[key]
        return oldest

    def pass_through(self, key: SlotKey, came: _Behind) -> _Behind:
        """Take out the oldest with this one behind all others; this one, if there are none."""
        if key not in self._lines:
            return came
        self._lines[key].append(came)
        return self._lines[key].popleft()

    def leave(self, key: SlotKey) -> int:
        """Take out all; returns how many."""
        return len(self._lines.pop(key, ()))


class BatchQueue:
    """The windows that wait for one device."""

    def __init__(self) -> None:
        self._slots: dict[SlotKey, tuple[_Slot, GroupKey]] = {}
        self._groups: dict[GroupKey, _Group] = {}
        self._behind = _Lines()
        self._texts: Counter[StreamId] = Counter()
        self._order = 0

    def __len__(self) -> int:
        return len(self._slots) + len(self._behind)

    def __contains__(self, key: SlotKey) -> bool:
        return key in self._slots

    def waiting(self, *, detector: str | None = None, stream: StreamId | None = None) -> int:
        """How many windows wait, of one detector or one stream if named."""
        return sum(
            1 + self._behind.count(key)
            for key in self._slots
            if (detector is None or key.detector == detector)
            and (stream is None or key.stream == stream)
        )

    def texts(self, stream: StreamId) -> int:
        """How many windows of text of a stream wait. Cheap, for every message may ask."""
        return self._texts[stream]

    def put(
        self,
        key: SlotKey,
        bucket: str,
        window: Window,
        *,
        now_ns: int,
        deadline_ns: int,
        due_ns: int,
        keep: bool = False,
    ) -> bool:
        """Queue a window; returns whether the oldest of its slot had to go for it and is lost.

        It is to be scored by `deadline_ns`; from `due_ns` on it waits for company no longer. With
        `keep` none has to go: it stands behind those that wait.
        """
        came = _Behind(
            window, GroupKey(key.detector, key.modality, bucket), now_ns, deadline_ns, due_ns
        )
        held = self._slots.get(key)
        if key.modality is Modality.TEXT and (keep or held is None):
            self._texts[key.stream] += 1
        if held is None:
            self._enter(key, came)
            return False
        if keep:
            self._behind.join(key, came)
            return False
        came = self._behind.pass_through(key, came)
        old, old_group = held
        if old_group == came.group:
            old.window, old.queued_ns, old.lost = came.window, came.queued_ns, old.lost + 1
        else:  # of another shape now: it moves, and keeps its turn
            self._leave(old, old_group)
            turn = came._replace(deadline_ns=old.deadline_ns, due_ns=old.due_ns)
            self._enter(key, turn, order=old.order).lost = old.lost + 1
        return True

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
        return self.cut(group, most[group.detector], now_ns)

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

    def withdraw(self, detector: str) -> Counter[StreamId]:
        """Take out all windows of a detector; returns how many there were of each stream."""
        leaving = [held for key, held in self._slots.items() if key.detector == detector]
        count: Counter[StreamId] = Counter()
        for slot, group_key in leaving:
            windows = 1 + self._behind.leave(slot.key)
            count[slot.key.stream] += windows
            if slot.key.modality is Modality.TEXT:
                self._texts_left(slot.key.stream, windows)
            self._leave(slot, group_key)
        return count

    def cut(self, group_key: GroupKey, most: int, now_ns: int) -> Batch:
        """Take the most urgent windows of a group, at most so many, no stream twice."""
        group = self._groups[group_key]
        taken: dict[StreamId, tuple[Window, int]] = {}
        keys: list[SlotKey] = []
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
            keys.append(slot.key)
            self._leave(slot, group_key)
        for entry in later:
            heapq.heappush(group.heap, entry)
        if group_key.modality is Modality.TEXT:
            for key in keys:
                self._texts_left(key.stream, 1)
        for key in keys:
            if came := self._behind.first(key):  # its turn begins, to last as long as one would
                later_ns = came.deadline_ns + now_ns - came.queued_ns
                self._enter(key, came._replace(queued_ns=now_ns, deadline_ns=later_ns))
        windows, queued_ns = zip(*taken.values(), strict=True)
        return Batch(group_key.detector, group_key.modality, windows, queued_ns)

    def _enter(self, key: SlotKey, came: _Behind, *, order: int | None = None) -> _Slot:
        """A window at the front of its slot; without `order` its turn is the newest."""
        self._order += 1
        serial = self._order
        slot = _Slot(
            key,
            came.window,
            came.queued_ns,
            came.deadline_ns,
            came.due_ns,
            serial if order is None else order,
        )
        group = self._groups.setdefault(came.group, _Group())
        heapq.heappush(group.heap, (slot.deadline_ns, slot.order, serial, slot))
        group.size += 1
        self._slots[key] = (slot, came.group)
        return slot

    def _texts_left(self, stream: StreamId, count: int) -> None:
        self._texts[stream] -= count
        if not self._texts[stream]:
            del self._texts[stream]

    def _leave(self, slot: _Slot, group_key: GroupKey) -> None:
        slot.waits = False
        del self._slots[slot.key]
        group = self._groups[group_key]
        group.size -= 1
        if group.size == 0:
            del self._groups[group_key]
