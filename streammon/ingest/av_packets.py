"""Demuxes an open container packet by packet and turns every way it can end into one meaning."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import av
from av.container import InputContainer

from streammon.ingest.av_input import Input
from streammon.ingest.causes import why_ended, why_interrupted
from streammon.media.tracks import MediaPacket

MOST_DAMAGE = 64
"""Damaged stretches that are skipped before a recording counts as ended."""


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
    for _ in range(MOST_DAMAGE):
        error: Exception | None = None
        try:
            for packet in container.demux():
                if leaving.is_set():
                    return
                if packet.size:
                    yield packet
        except (av.FFmpegError, OSError) as raised:
            error = raised
        except IndexError:
            pass  # the end, where PyAV asks for tracks that began after the head was read
        if leaving.is_set() or (error is None and not live):
            return
        if error is None:
            raise why_ended(source.place)
        if live or not isinstance(error, av.InvalidDataError):
            raise why_interrupted(error, place=source.place, silent_s=source.stall_s)
