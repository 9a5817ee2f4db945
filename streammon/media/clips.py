"""The packet rings of a source's newest epochs, and the clips that can be cut from them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from streammon.core.ports import Clip
from streammon.media.clip import remux
from streammon.media.ring import PacketRing
from streammon.media.tracks import MediaPacket, Track

EPOCHS_KEPT = 2
"""After a reconnect a clip of what led up to it can still be had."""


@dataclass(frozen=True, slots=True)
class KeptEpoch:
    """The packets of one epoch and what they mean."""

    number: int
    ring: PacketRing[MediaPacket] | None
    """`None`: its packets are not kept (raw pictures)."""
    tracks: Mapping[int, Track]
    origin_s: float
    """The stream's own time at media time 0."""


class ClipShelf:
    """Satisfies `ports.ClipSource` for a source that fills one ring per epoch.

    `max_bytes` bounds all epochs together. One thread begins epochs, any thread may clip.
    """

    def __init__(self, *, seconds: float, max_bytes: int) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._epochs: OrderedDict[int, KeptEpoch] = OrderedDict()
        self._newest: KeptEpoch | None = None
        self._lock = threading.Lock()

    def begin(
        self, epoch: int, tracks: Mapping[int, Track], *, origin_s: float
    ) -> PacketRing[MediaPacket]:
        """The ring of a new epoch; the oldest epoch's packets are let go."""
        ring: PacketRing[MediaPacket] = PacketRing(
            seconds=self._seconds, max_bytes=self._max_bytes // EPOCHS_KEPT
        )
        self._add(KeptEpoch(epoch, ring, tracks, origin_s))
        return ring

    def begin_bare(self, epoch: int) -> None:
        """A new epoch of which no packets are kept."""
        self._add(KeptEpoch(epoch, None, {}, 0.0))

    def newest(self) -> KeptEpoch | None:
        """The epoch that began last; `None` before the first. From any thread."""
        return self._newest

    def clip(self, epoch: int, start_s: float, end_s: float) -> Clip | None:
        """The whole groups of pictures that cover the stretch, or `None` if they are gone."""
        with self._lock:
            kept = self._epochs.get(epoch)
        if kept is None or kept.ring is None:
            return None
        cut = kept.ring.cut(start_s, end_s)
        return None if cut is None else remux(cut, kept.tracks, origin_s=kept.origin_s)

    def _add(self, epoch: KeptEpoch) -> None:
        with self._lock:
            self._epochs[epoch.number] = self._newest = epoch
            while len(self._epochs) > EPOCHS_KEPT:
                self._epochs.popitem(last=False)
