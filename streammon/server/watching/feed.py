"""What one viewer is still to be sent: little, and never anything that would be late."""

from __future__ import annotations

from collections.abc import Callable

from streammon.flow.channel import Channel, WhenFull
from streammon.server.watching.coding import Coded, VideoCodec

MOST_PICTURES = 8
"""A third of a second. A viewer who is further behind goes on with the next keyframe."""
MOST_SOUND = 25


class Feed:
    """The way from a broadcast to one viewer. On the event loop; `offer` never waits."""

    def __init__(
        self, codec: VideoCodec | None, *, sound: bool, need_keyframe: Callable[[], None]
    ) -> None:
        """`codec`: of the pictures, `None` for sound alone."""
        self.codec = codec
        self.has_sound = sound
        self.pictures: Channel[Coded] = Channel("pictures", MOST_PICTURES, WhenFull.DROP_NEWEST)
        self.sound: Channel[Coded] = Channel("sound", MOST_SOUND, WhenFull.DROP_OLDEST)
        self.left_out = 0
        """Pictures that this viewer was too slow for, or that it could not have begun with."""
        self._need_keyframe = need_keyframe
        self._started = False
        self._behind = True

    def start(self) -> None:
        """The viewer is connected: from now on it takes what comes, from a keyframe on."""
        if not self._started:
            self._started = True
            if self.codec is not None:
                self._need_keyframe()

    def lost(self) -> None:
        """The viewer cannot go on without a keyframe (PLI, FIR)."""
        self._need_keyframe()

    def offer_picture(self, coded: Coded) -> None:
        if not self._started:
            return
        full = len(self.pictures) >= MOST_PICTURES
        if full or (self._behind and not coded.is_keyframe):
            self.left_out += 1
            self._behind = True
            if full:
                self._need_keyframe()
            return
        self._behind = False
        self.pictures.offer(coded)

    def offer_sound(self, coded: Coded) -> None:
        if self._started and self.has_sound:
            self.sound.offer(coded)

    def close(self) -> None:
        self._started = False
        self.pictures.close()
        self.sound.close()
