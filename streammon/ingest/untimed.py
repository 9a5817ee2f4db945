"""Gives times to the first packets of a connection, which often come without any."""

from __future__ import annotations

from streammon.media.tracks import MediaPacket, MediaStream

MOST_HELD = 32
USUAL_STEP_S = 0.04


class UntimedStart:
    """Holds back the packets before the first one whose decoding time is known.

    An RTSP server's first keyframe has no times; without it, the first picture would be one
    group of pictures late. Times are counted back from the first that is known, one frame a
    packet. Packets before the first keyframe are dropped.
    """

    def __init__(self, video: MediaStream | None) -> None:
        self._held: list[MediaPacket] = []
        self._gave_up = False
        self._count = 0
        self._reorders = bool(getattr(video, "has_b_frames", False))
        base = getattr(video, "time_base", None)
        rate = getattr(video, "average_rate", None)
        step_s = float(1 / rate) if rate else USUAL_STEP_S
        self._step = max(round(step_s / base), 1) if base else 1

    @property
    def holding(self) -> bool:
        return bool(self._held)

    def push(self, packet: MediaPacket) -> list[MediaPacket]:
        """Take a packet; those that are now complete, in order of decoding."""
        if packet.dts is None and self._gave_up:
            return [self._counted(packet)]
        if packet.dts is None and packet.pts is not None and not self._reorders:
            packet.dts = packet.pts
        if packet.dts is None:
            if self._held or packet.is_keyframe:
                self._held.append(packet)
            return [] if len(self._held) < MOST_HELD else self._give_up()
        held, self._held = self._held, []
        for back, earlier in enumerate(reversed(held), start=1):
            earlier.dts = packet.dts - back * self._step
        if held and held[0].pts is None:
            known = [item.pts for item in (*held, packet) if item.pts is not None]
            held[0].pts = max(min(known, default=packet.dts) - self._step, held[0].dts or 0)
        return [*held, packet]

    def _give_up(self) -> list[MediaPacket]:
        """Decoding times never come: take those of presentation, or else count frames."""
        held, self._held = self._held, []
        self._gave_up = True
        return [self._counted(packet) for packet in held]

    def _counted(self, packet: MediaPacket) -> MediaPacket:
        packet.dts = self._count * self._step if packet.pts is None else packet.pts
        packet.pts = packet.dts
        self._count += 1
        return packet
