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
class _Epoch:
    ring: PacketRing[MediaPacket]
    tracks: Mapping[int, Track]
    origin_s: float


class ClipShelf:
    """Satisfies `ports.ClipSource` for a source that fills one ring per epoch.

    `max_bytes` bounds all epochs together. One thread begins epochs, any thread may clip.
    """

    def __init__(self, *, seconds: float, max_bytes: int) -> None:
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._epochs: OrderedDict[int, _Epoch] = OrderedDict()
        self._lock = threading.Lock()

    def begin(
        self, epoch: int, tracks: Mapping[int, Track], *, origin_s: float
    ) -> PacketRing[MediaPacket]:
        """The ring of a new epoch; the oldest epoch's packets are let go."""
        ring: PacketRing[MediaPacket] = PacketRing(
            seconds=self._seconds, max_bytes=self._max_bytes // EPOCHS_KEPT
        )
        with self._lock:
            self._epochs[epoch] = _Epoch(ring, tracks, origin_s)
            while len(self._epochs) > EPOCHS_KEPT:
                self._epochs.popitem(last=False)
        return ring

    def clip(self, epoch: int, start_s: float, end_s: float) -> Clip | None:
        """The whole groups of pictures that cover the stretch, or `None` if they are gone."""
        with self._lock:
            kept = self._epochs.get(epoch)
        if kept is None:
            return None
        cut = kept.ring.cut(start_s, end_s)
        return None if cut is None else remux(cut, kept.tracks, origin_s=kept.origin_s)
