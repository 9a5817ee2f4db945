"""What must be remembered of an elementary stream to remux it once its source has closed."""

from __future__ import annotations

import io
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, TypeAlias

import av
from av.audio.stream import AudioStream
from av.packet import Packet
from av.video.stream import VideoStream

MediaStream: TypeAlias = VideoStream | AudioStream
MediaPacket: TypeAlias = "Packet[Any]"

UNCOMPRESSED = frozenset({"rawvideo", "wrapped_avframe"})
"""Pictures as they are: hundreds of times the size of a coded stream, so never kept."""

INTRA_ONLY = UNCOMPRESSED | {"mjpeg", "ffv1", "prores", "dnxhd", "huffyuv", "png", "rawvideo"}
"""Every packet is a whole picture, whatever its flags say."""


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One elementary stream of an epoch, independent of the container it came from."""

    is_video: bool
    time_base: Fraction
    template: MediaStream
    """Belongs to a container that is never written: a closed source's stream would crash."""
    extradata: bytes | None = None
    """Newer parameter sets than the template's, when they changed in mid-stream."""

    @property
    def codec(self) -> str:
        """FFmpeg's name of it."""
        return self.template.codec_context.name


def remember(stream: MediaStream, *, extradata: bytes | None = None) -> Track | None:
    """A track for `stream`, or `None` when its packets cannot be kept (raw pictures)."""
    if stream.codec_context.name in UNCOMPRESSED or stream.time_base is None:
        return None
    carrier = av.open(io.BytesIO(), "w", format="nut")
    try:
        template = carrier.add_stream_from_template(stream, opaque=True)
    except ValueError:
        return None
    return Track(stream.type == "video", stream.time_base, template, extradata)
