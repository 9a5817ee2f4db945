"""The recent past of one epoch as encoded packets."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    @property
    def size(self) -> int: ...


P = TypeVar("P", bound=Sized)


@dataclass(slots=True)
class Group(Generic[P]):
    """The packets from one keyframe up to the next, of all tracks, in order of arrival.

    Packets are stored as `(track, packet)`; `track` numbers them as the owner likes.
    """

    start_s: float
    first: int
    """Number of its first packet, see `Run`."""
    packets: list[tuple[int, P]] = field(default_factory=list)
    size: int = 0


@dataclass(frozen=True, slots=True)
class Cut(Generic[P]):
    """Whole groups out of a ring, safe to read while the ring moves on."""

    start_s: float
    packets: tuple[tuple[int, P], ...]


@dataclass(frozen=True, slots=True)
class Run(Generic[P]):
    """Some packets of one group in a row. Packets are numbered as they come, without holes."""

    begins_group: bool
    packets: tuple[tuple[int, P], ...]


class PacketRing(Generic[P]):
    """Encoded packets, whole groups of pictures, bounded by time and by bytes.

    Kept: at least `seconds` up to now, at most that and one group, unless that is more than
    `max_bytes`: then fewer groups, down to none. A group is evicted as a whole. Packets are
    kept as they are, never copied. One thread adds; any thread may cut at the same time.
    """

    def __init__(self, *, seconds: float, max_bytes: int) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._groups: deque[Group[P]] = deque()
        self._size = 0
        self._count = 0
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes of payload that are kept now."""
        return self._size

    @property
    def count(self) -> int:
        """Packets that were ever kept: the number that the next one will have."""
        return self._count

    def add(self, track: int, packet: P, size: int, *, starts_group_s: float | None) -> None:
        """Keep a packet; `starts_group_s` is its media time if a group begins with it.

        Packets before the first group of a ring are of no use and are not kept.
        """
        with self._lock:
            if starts_group_s is not None:
                self._evict_before(starts_group_s - self._seconds)
                self._groups.append(Group(starts_group_s, self._count))
            elif not self._groups:
                return
            newest = self._groups[-1]
            newest.packets.append((track, packet))
            newest.size += size
            self._size += size
            self._count += 1
            while self._size > self._max_bytes:
                self._size -= self._groups.popleft().size

    def _evict_before(self, horizon_s: float) -> None:
        """Drop the groups that end at or before `horizon_s`."""
        while len(self._groups) > 1 and self._groups[1].start_s <= horizon_s:
            self._size -= self._groups.popleft().size

    def cut(self, start_s: float, end_s: float) -> Cut[P] | None:
        """The groups that touch [start_s, end_s), or `None` when none of them is kept."""
        with self._lock:
            groups = list(self._groups)
            first = next(
                (at for at, later in enumerate(groups[1:]) if later.start_s > start_s),
                len(groups) - 1,
            )
            chosen = [group for group in groups[max(first, 0) :] if group.start_s < end_s]
            if not chosen:
                return None
            return Cut(chosen[0].start_s, tuple(item for group in chosen for item in group.packets))

    def newest_group(self) -> int | None:
        """Number of the first packet of the newest group; `None` while none is kept."""
        with self._lock:
            return self._groups[-1].first if self._groups else None

    def run(self, number: int, *, most: int) -> Run[P] | None:
        """At most `most` packets from this number on, up to the end of its group.

        Empty when it has not come yet, `None` when it is not kept any more.
        """
        with self._lock:
            if number >= self._count:
                return Run(False, ())
            for group in reversed(self._groups):
                if group.first <= number:
                    at = number - group.first
                    return Run(at == 0, tuple(group.packets[at : at + most]))
            return None
