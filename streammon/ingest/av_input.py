"""Opens what FFmpeg can read, and says in plain words why it could not."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.stream import VideoStream

from streammon.core.errors import Permanent, StreammonError
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


@contextmanager
def opened(source: Input, *, worked_before: bool) -> Iterator[InputContainer]:
    """The open container, closed on leaving. Raises `Retryable` or `Permanent` with a cause.

    Blocks for at most `source.open_timeout_s`.
    """
    container, failure = _open(source, worked_before=worked_before)
    if failure is not None:
        raise failure  # outside the handler: FFmpeg's error text holds the URL's password
    assert container is not None
    try:
        yield container
    finally:
        container.close()


def _open(
    source: Input, *, worked_before: bool
) -> tuple[InputContainer | None, StreammonError | None]:
    started_s = time.monotonic()
    try:
        container = av.open(
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
        return None, failure
    return container, None


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
