"""Follows the encoded pictures of a source through its packet rings. Nothing is decoded."""

from __future__ import annotations

from collections.abc import Sequence

from streammon.core.ports import CodedPicture, Coding
from streammon.media.clips import ClipShelf, KeptEpoch
from streammon.media.coding import TrackCoding, coding_of
from streammon.media.ring import PacketRing, Run
from streammon.media.tracks import MediaPacket

BEHIND_S = 2.0
"""A reader that has not had everything for so long is moved on to a later keyframe."""

EARLY = 0.9
"""Of the interval that is asked for: keyframes do not come to the tick."""

MOST_IN_TURN = 32
"""Packets, of sound too, that are looked at in one turn."""


class RingView:
    """Satisfies `ports.CodedView`. The ring is all the buffer there is: a reader has a place in it.

    The thread that fills the ring does nothing for readers, however many there are.
    """

    def __init__(self, shelf: ClipShelf, *, every_s: float | None = None) -> None:
        self._shelf = shelf
        self._every_s = every_s
        self._epoch: KeptEpoch | None = None
        self._coding: TrackCoding | None = None
        self._coding_told = False
        self._ring: PacketRing[MediaPacket] | None = None
        """Of the epoch, if there are encoded pictures in it."""
        self._looked_at = -1
        """The ring's count when there was nothing more for this reader in it."""
        self._next: int | None = None
        self._earliest = 0
        """Number of the first packet with which it may begin."""
        self._level_s: float | None = None
        """When it last had everything."""
        self._shown_s: float | None = None
        """Media time of the newest keyframe that was taken."""
        self.jumps = 0

    def take(self, now_s: float) -> Sequence[Coding | CodedPicture]:
        """See `ports.CodedView`."""
        newest = self._shelf.newest()
        if newest is None:
            return ()
        if newest is not self._epoch:
            return self._begin(newest, now_s)
        ring = self._ring
        if ring is None or self._looked_at == ring.count:
            self._level_s = now_s
            return ()
        if self._every_s is not None:
            return self._keyframe(newest, ring, self._every_s)
        return self._onward(newest, ring, now_s)

    def _begin(self, epoch: KeptEpoch, now_s: float) -> Sequence[Coding | CodedPicture]:
        self._epoch, self._coding, self._coding_told = epoch, None, False
        self._next, self._earliest = None, 0
        self._level_s, self._shown_s, self._looked_at = now_s, None, -1
        self._ring = None
        if epoch.ring is None:
            return (_nothing(epoch, 0.0, "its pictures come as they are, not encoded"),)
        if not any(track.is_video for track in epoch.tracks.values()):
            return (_nothing(epoch, 0.0, "it has no pictures"),)
        self._ring = epoch.ring
        return self.take(now_s)

    def _keyframe(
        self, epoch: KeptEpoch, ring: PacketRing[MediaPacket], every_s: float
    ) -> Sequence[Coding | CodedPicture]:
        """The newest keyframe, when it is another one and late enough after the last."""
        count, number = ring.count, ring.newest_group()
        if number is None or number == self._next:
            self._looked_at = count
            return ()
        run = ring.run(number, most=1)
        if run is None or not run.packets:
            return ()
        media_s = _media_s(epoch, run.packets[0])
        if self._shown_s is not None and media_s < self._shown_s + EARLY * every_s:
            return ()
        self._next, self._shown_s = number, media_s
        return self._told(epoch, run)

    def _onward(
        self, epoch: KeptEpoch, ring: PacketRing[MediaPacket], now_s: float
    ) -> Sequence[Coding | CodedPicture]:
        """What follows the last packet that was taken; at first, from the newest keyframe on."""
        if self._next is None:
            number = ring.newest_group()
            if number is None or number < self._earliest:
                self._level_s = now_s
                return ()
            self._next = number
        run = ring.run(self._next, most=MOST_IN_TURN)
        if run is not None and not run.packets:
            self._level_s, self._looked_at = now_s, self._next
            return ()
        level_s = self._level_s
        if run is None or (level_s is not None and now_s - level_s > BEHIND_S):
            self._jump(ring, self._next, now_s)
            return ()
        self._next += len(run.packets)
        return self._told(epoch, run)

    def _jump(self, ring: PacketRing[MediaPacket], number: int, now_s: float) -> None:
        """Go on with a keyframe that is newer than this packet, there already or to come."""
        newest = ring.newest_group()
        self._earliest = newest if newest is not None and newest > number else ring.count
        self._next, self._level_s = None, now_s
        self.jumps += 1

    def _told(self, epoch: KeptEpoch, run: Run[MediaPacket]) -> Sequence[Coding | CodedPicture]:
        told: list[Coding | CodedPicture] = []
        for at, item in enumerate(run.packets):
            track, packet = item
            if not epoch.tracks[track].is_video:
                continue
            media_s, data = _media_s(epoch, item), bytes(packet)
            is_keyframe = run.begins_group and at == 0
            if is_keyframe:
                coding = coding_of(epoch.tracks[track], data)
                if not self._coding_told or coding != self._coding:
                    told.append(_coding(epoch, media_s, coding, epoch.tracks[track].codec))
                self._coding, self._coding_told = coding, True
            if self._coding is not None:
                data = self._coding.data(data, is_keyframe=is_keyframe)
                told.append(CodedPicture(epoch.number, media_s, is_keyframe, data))
        return told


def _media_s(epoch: KeptEpoch, item: tuple[int, MediaPacket]) -> float:
    """As the frames that are decoded from it have it."""
    track, packet = item
    ticks = packet.dts if packet.pts is None else packet.pts
    return max((ticks or 0) * float(epoch.tracks[track].time_base) - epoch.origin_s, 0.0)


def _nothing(epoch: KeptEpoch, media_s: float, why: str) -> Coding:
    return Coding(epoch.number, media_s, None, why_not=why)


def _coding(epoch: KeptEpoch, media_s: float, coding: TrackCoding | None, name: str) -> Coding:
    if coding is None:
        return _nothing(epoch, media_s, f"WebCodecs has no name for {name} as it comes")
    return Coding(
        epoch.number, media_s, coding.codec, coding.description, coding.width, coding.height
    )
