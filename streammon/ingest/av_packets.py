"""Demuxes an open container packet by packet and turns every way it can end into one meaning."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import av
from av.container import InputContainer

from streammon.core.errors import Retryable, StreammonError
from streammon.ingest.av_input import Input
from streammon.ingest.causes import why_interrupted
from streammon.media.tracks import MediaPacket

MOST_DAMAGE = 64
"""Damaged stretches in a row that are skipped before a recording counts as ended."""


def is_live(container: InputContainer, source: Input) -> bool:
    """Whether the end of this stream is a disconnect."""
    return container.duration is None if source.live is None else source.live


def packets(
    container: InputContainer, source: Input, leaving: threading.Event
) -> Iterator[MediaPacket]:
    """The packets of the wanted streams, in order of arrival.

    Ends when a recording ends or `leaving` is set. Raises `Retryable` when a live stream ends,
    breaks, or sends nothing for `stall_s`. Damaged stretches of a recording are skipped.
    """
    live = is_live(container, source)
    last_s = time.monotonic()
    damage = 0
    while not leaving.is_set():
        error: Exception | None = None
        try:
            for packet in container.demux():
                if packet.size:
                    last_s, damage = time.monotonic(), 0
                    yield packet
                if leaving.is_set():
                    return
        except (av.FFmpegError, OSError) as raised:
            error = raised
        if error is None:
            if live:
                raise Retryable("the server ended the stream")
            return
        damage += 1
        if (failure := _failure(error, source, live=live, last_s=last_s, damage=damage)) is None:
            continue
        if not live and isinstance(error, av.InvalidDataError):
            return
        raise failure


def _failure(
    error: Exception, source: Input, *, live: bool, last_s: float, damage: int
) -> StreammonError | None:
    """What to raise, or `None` to read on."""
    if isinstance(error, av.ExitError | TimeoutError) and source.sliced:
        if time.monotonic() - last_s < source.stall_s:
            return None
    elif isinstance(error, av.InvalidDataError) and not live and damage < MOST_DAMAGE:
        return None
    return why_interrupted(error, place=source.place, silent_s=source.stall_s)
