"""Encoded pictures for tests: a shelf that is filled as a source does it, packet by packet."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream
from numpy.typing import NDArray

from streammon.core.ports import SourceContext
from streammon.core.types import Item, Modality, StreamId
from streammon.media.clips import ClipShelf
from streammon.media.coded_view import RingView
from streammon.media.ring import PacketRing
from streammon.media.tracks import MediaPacket, Track, remember

VIDEO, SOUND = 0, 1
FPS = 25


def h264(
    images: Sequence[NDArray[np.uint8]], *, gop: int, b_frames: int = 0
) -> tuple[Track, list[MediaPacket]]:
    """RGB pictures as H.264 in a transport stream, a keyframe every `gop`."""
    file = io.BytesIO()
    with av.open(file, "w", format="mpegts") as output:
        options = {"preset": "ultrafast", "g": str(gop), "crf": "12", "bf": str(b_frames)}
        if not b_frames:
            options["tune"] = "zerolatency"
        stream: Any = output.add_stream("libx264", rate=FPS, options=options)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for number, image in enumerate(images):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r", format="mpegts") as source:
        found = source.streams.video[0]
        assert isinstance(found, VideoStream)
        track = remember(found)
        assert track is not None
        return track, [packet for packet in source.demux(found) if packet.size]


class CodedFilm:
    """Satisfies `ports.Source` and `ports.CodedSource`; what it gives is put into its shelf."""

    modalities = frozenset({Modality.VIDEO})

    def __init__(self, stream: str = "cam", *, seconds: float = 10.0) -> None:
        self.stream = StreamId(stream)
        self.shelf = ClipShelf(seconds=seconds, max_bytes=64 * 2**20)
        self._epochs = 0
        self._track: Track | None = None
        self._ring: PacketRing[MediaPacket] | None = None
        self._origin_s = 0.0

    @asynccontextmanager
    async def open(self, context: SourceContext) -> AsyncIterator[AsyncIterator[Item]]:
        raise AssertionError("its pictures are only looked at")
        yield

    def look(self, *, every_s: float | None = None) -> RingView:
        return RingView(self.shelf, every_s=every_s)

    def begin(self, track: Track, first: MediaPacket) -> None:
        """A new epoch, whose media time is 0 at this packet."""
        assert first.pts is not None
        self._track = track
        self._origin_s = float(first.pts * track.time_base)
        self._ring = self.shelf.begin(self._epochs, {VIDEO: track}, origin_s=self._origin_s)
        self._epochs += 1

    def put(self, packet: MediaPacket) -> float:
        """The packet has come; its media time."""
        assert self._track is not None
        assert self._ring is not None
        assert packet.pts is not None
        media_s = float(packet.pts * self._track.time_base) - self._origin_s
        starts = media_s if packet.is_keyframe else None
        self._ring.add(VIDEO, packet, packet.size, starts_group_s=starts)
        return media_s


def spoiled(packet: MediaPacket) -> MediaPacket:
    """The same packet in every way but its content, which no decoder takes."""
    data = bytes(packet)
    copy: MediaPacket = av.Packet(data[:64] + b"\xff" * (len(data) - 64))
    copy.pts, copy.dts, copy.is_keyframe = packet.pts, packet.dts, packet.is_keyframe
    return copy
