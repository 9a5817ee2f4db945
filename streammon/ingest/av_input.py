"""Opens what FFmpeg can read, and says in plain words why it could not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from streammon.core.errors import Permanent, StreammonError, Undecodable
from streammon.ingest.causes import Place, why_not_opened

NETWORKS: Mapping[str, str] = {
    "rtsp": "rtsp,rtp,udp,tcp",
    "rtsps": "rtsps,rtsp,rtp,srtp,udp,tcp,tls",
    "rtmp": "rtmp,tcp",
    "rtmps": "rtmps,rtmp,tcp,tls",
    "srt": "srt,udp",
    "udp": "udp",
    "rtp": "rtp,udp",
    "http": "http,https,tcp,tls,crypto,data",
    "https": "https,http,tcp,tls,crypto,data",
}
"""The schemes of a URL, and the protocols that may be used to read it. Never `file`: what a
server sends (an HLS playlist, an SDP) cannot make FFmpeg read this machine's files."""

SEGMENTS_S = 30.0
"""HLS comes in segments of up to ten seconds: silence in between is no stall."""

CLOCKLESS = frozenset({"mpjpeg"})
WALL_CLOCK = "use_wallclock_as_timestamps"
"""A camera's multipart JPEG has no times: those of arrival are the best there are."""


@dataclass(frozen=True, slots=True)
class Input:
    """What to open and how long to wait for it."""

    url: str = field(repr=False)
    place: Place
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict, repr=False)
    open_timeout_s: float = 10.0
    stall_s: float = 5.0
    lossy: bool = False
    """The transport drops packets and says nothing of it."""
    live: bool | None = None
    """Whether an end is a disconnect; `None`: if its length is not known."""
    file: Callable[[], BinaryIO] | None = None
    """Opens the bytes to read in place of `url`, so that FFmpeg itself opens nothing."""
    most_pixels: int | None = None
    """Decoders refuse larger pictures, whatever the container says of their size."""


@contextmanager
def opened(source: Input, *, worked_before: bool) -> Iterator[InputContainer]:
    """The open container, closed on leaving. Raises `Retryable` or `Permanent` with a cause.

    Blocks for at most `source.open_timeout_s`; twice that where the format asks for more.
    """
    if source.file is not None:
        with source.file() as file, _open_file(file, source) as container:
            yield container
        return
    container = _open(source, worked_before=worked_before)
    if (adapted := adapted_to(container.format.name, source)) is not None:
        container.close()
        container = _open(adapted, worked_before=worked_before)
    try:
        yield container
    finally:
        container.close()


def adapted_to(format_name: str, source: Input) -> Input | None:
    """How this format has to be read instead, or `None` if `source` does."""
    if format_name == "hls" and source.stall_s < SEGMENTS_S:
        return replace(source, stall_s=SEGMENTS_S)
    if format_name in CLOCKLESS and WALL_CLOCK not in source.options:
        return replace(source, options={**source.options, WALL_CLOCK: "1"})
    return None


FILE_FORMATS = ",".join((
    "aac", "ac3", "aiff", "amr", "asf", "au", "avi", "caf", "dv", "eac3", "flac", "flv", "gif",
    "h264", "hevc", "ivf", "m4v", "matroska", "mov", "mp3", "mpeg", "mpegts", "mxf", "nut", "ogg",
    "w64", "wav", "yuv4mpegpipe",
))  # fmt: skip
"""Formats that hold their media themselves: no playlist, image sequence, script or device."""


def _open_file(file: BinaryIO, source: Input) -> InputContainer:
    """Raises `Undecodable`. FFmpeg may use no protocol and no format that leads elsewhere."""
    options = {"format_whitelist": FILE_FORMATS, "protocol_whitelist": "none"}
    if source.most_pixels is not None:
        options["max_pixels"] = str(source.most_pixels)
    try:
        container = av.open(file, "r", options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError):
        raise Undecodable("not a media file, or one that was cut short") from None
    if source.most_pixels is not None:
        known = (stream for stream in container.streams.video if stream.codec_context is not None)
        for stream in known:
            stream.codec_context.options = {"max_pixels": options["max_pixels"]}
    return container


def _open(source: Input, *, worked_before: bool) -> InputContainer:
    failure: StreammonError | None = None
    started_s = time.monotonic()
    try:
        return av.open(
            source.url,
            format=source.format,
            options=dict(source.options),
            timeout=(source.open_timeout_s, source.stall_s),
            metadata_errors="replace",
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        failure = why_not_opened(
            error,
            place=source.place,
            url=source.url,
            waited_s=time.monotonic() - started_s,
            patience_s=source.open_timeout_s,
            worked_before=worked_before,
        )
    raise failure  # outside the handler: FFmpeg's error text holds the URL's password


def chosen(
    container: InputContainer, *, video: bool, audio: bool
) -> tuple[VideoStream | None, AudioStream | None]:
    """The picture and the sound to read; raises `Permanent` when it has neither."""
    pictures = container.streams.best("video") if video else None
    sound = container.streams.best("audio") if audio else None
    if not isinstance(pictures, VideoStream) or pictures.codec_context is None:
        pictures = None
    if not isinstance(sound, AudioStream) or sound.codec_context is None:
        sound = None
    for stream in container.streams:
        if stream not in (pictures, sound):
            stream.discard = av.stream.Discard.all
    if pictures is None and sound is None:
        wanted = " or ".join(name for name, on in (("picture", video), ("sound", audio)) if on)
        raise Permanent(f"there is no {wanted} in it that can be decoded")
    return pictures, sound
