"""Media files of unknown origin: what is in them, within bounds, and how to read it."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import av
from av.video.stream import VideoStream

from streammon.core.errors import TooLarge, Undecodable
from streammon.core.types import StreamId
from streammon.ingest.av_input import Input, opened
from streammon.ingest.av_source import AvSource, Reading
from streammon.ingest.causes import Place

MICROSECONDS = 1_000_000


def media_source(
    stream: StreamId,
    file: Callable[[], BinaryIO],
    *,
    video: bool,
    audio: bool,
    most_pixels: int,
    most_s: float,
) -> AvSource:
    """A recording of the tracks that are wanted and there; its `modalities` say which.

    `file` opens the bytes, each time anew. Nothing is decoded yet. The picture on a record's cover
    is none. Raises `Undecodable`, and `TooLarge` for what the head declares.
    """
    source = Input("", Place.FILE, file=file, live=False, most_pixels=most_pixels)
    with opened(source, worked_before=False) as container:
        if container.duration is not None and container.duration > most_s * MICROSECONDS:
            raise TooLarge(f"it lasts {container.duration / MICROSECONDS:.0f} s: over {most_s:g} s")
        has_video = video and _has_pictures(container.streams.best("video"), most_pixels)
        sound = container.streams.best("audio")
        has_audio = audio and sound is not None and sound.codec_context is not None
    if not (has_video or has_audio):
        wanted = " or ".join(name for name, on in (("picture", video), ("sound", audio)) if on)
        raise Undecodable(f"there is no {wanted} in it that can be decoded")
    reading = Reading(
        video=has_video, audio=has_audio, paced=False, pre_roll_s=0.0, max_ring_bytes=1
    )
    return AvSource(stream, source, reading)


def _has_pictures(stream: object, most_pixels: int) -> bool:
    """Whether moving pictures in it can be decoded. Raises `TooLarge`."""
    if not isinstance(stream, VideoStream) or stream.codec_context is None:
        return False  # no video, or of a coding that is not known
    if stream.disposition & av.stream.Disposition.attached_pic:
        return False
    width, height = stream.codec_context.width, stream.codec_context.height
    if width * height > most_pixels:
        raise TooLarge(f"its pictures are {width}x{height}: over {most_pixels} pixels")
    return True
