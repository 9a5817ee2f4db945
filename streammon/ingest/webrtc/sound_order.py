"""Packets of sound in the order they were sent, each as soon as that is known.

In place of aiortc's buffer, which is made for playing: it lets go of one frame for each packet that
comes, once four more are there. So sound is 80 ms late, and once a packet was lost, for which it
waits while 15 others come, 280 ms late for the rest of the call. Nothing is played here.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiortc.jitterbuffer import JitterFrame
    from aiortc.rtp import RtpPacket

NUMBERS = 1 << 16
MOST_WAITING = 8
"""Packets that may wait for one before them: 160 ms of Opus as browsers send it. It is not asked
for again, so it is late or lost."""
BEGAN_ANEW = 100
"""Who is so far behind has begun to count anew, and is no straggler."""


class SoundOrder:
    """Satisfies what `RTCRtpReceiver` asks of its jitter buffer. A packet is a frame, as for all
    codecs of sound that are taken (RFC 7587 4.2, RFC 3551 4.5.14).
    """

    def __init__(self) -> None:
        self._next: int | None = None
        """The sequence number whose turn it is; `None` before the first packet."""
        self._waiting: dict[int, RtpPacket] = {}
        self._ready: deque[JitterFrame] = deque()

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """Take a packet in; no keyframe is needed, and the first frame that is ready now.

        `more` has what else is ready. Stragglers and doubles are left out.
        """
        number = packet.sequence_number
        if self._next is None or self._behind(number) >= BEGAN_ANEW:
            self._waiting.clear()
            self._next = number
        if not self._behind(number):
            self._waiting[number] = packet
        if len(self._waiting) > MOST_WAITING:
            self._next = min(self._waiting, key=self._ahead)
        self._hand_on()
        return False, self.more()

    def more(self) -> JitterFrame | None:
        """The next frame that is ready."""
        return self._ready.popleft() if self._ready else None

    def _hand_on(self) -> None:
        from aiortc.jitterbuffer import JitterFrame

        assert self._next is not None
        while (packet := self._waiting.pop(self._next, None)) is not None:
            data: bytes = packet._data  # type: ignore[attr-defined]
            self._ready.append(JitterFrame(data, packet.timestamp))
            self._next = (self._next + 1) % NUMBERS

    def _ahead(self, number: int) -> int:
        """By how much this number is beyond the one whose turn it is."""
        assert self._next is not None
        return (number - self._next) % NUMBERS

    def _behind(self, number: int) -> int:
        """By how much it is before that one; 0 for those whose turn has not been."""
        ahead = self._ahead(number)
        return NUMBERS - ahead if ahead >= NUMBERS // 2 else 0
