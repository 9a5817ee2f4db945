"""Remuxes a stretch of the packet ring into a file, without re-encoding."""

from __future__ import annotations

import io
from collections.abc import Mapping
from fractions import Fraction

import av

from streammon.core.ports import Clip
from streammon.media.ring import Cut
from streammon.media.tracks import MediaPacket, MediaStream, Track

CONTAINERS = (("mp4", "video/mp4"), ("matroska", "video/x-matroska"), ("mov", "video/quicktime"))
"""Tried in this order: MP4 plays everywhere, Matroska holds the open codecs, QuickTime G.711."""


def remux(cut: Cut[MediaPacket], tracks: Mapping[int, Track], *, origin_s: float) -> Clip | None:
    """The packets of `cut` as a file, or `None` when there is nothing that could be played.

    `tracks` are those that the packets' numbers mean; `origin_s` is the stream's own time at
    media time 0. Blocking, a few ms. Safe on any thread, also after the source has closed.
    """
    timed = [(track, packet) for track, packet in cut.packets if packet.dts is not None]
    if not timed:
        return None
    for container, media_type in CONTAINERS:
        try:
            data, end_s = _write(container, timed, tracks)
        except (ValueError, av.FFmpegError):
            continue
        return Clip(data, media_type, cut.start_s, max(end_s - origin_s, cut.start_s))
    return None


def _write(
    container: str, timed: list[tuple[int, MediaPacket]], tracks: Mapping[int, Track]
) -> tuple[bytes, float]:
    """The finished file, and the latest end of a packet in the stream's own time."""
    file = io.BytesIO()
    first, packet = timed[0]
    assert packet.dts is not None
    shift_s = packet.dts * tracks[first].time_base
    end_s = Fraction(0)
    with av.open(file, "w", format=container) as output:
        used = {track for track, _ in timed}
        outputs = {number: _add(output, tracks[number]) for number in sorted(used)}
        for number, packet in timed:
            base = tracks[number].time_base
            copy = _shifted(packet, round(shift_s / base))
            if copy is None:
                continue
            copy.time_base = base
            copy.stream = outputs[number]
            moment = packet.dts if packet.pts is None else packet.pts
            assert moment is not None
            end_s = max(end_s, (moment + (packet.duration or 0)) * base)
            output.mux_one(copy)
    return file.getvalue(), float(end_s)


def _add(output: av.container.OutputContainer, track: Track) -> MediaStream:
    stream = output.add_stream_from_template(track.template, opaque=True)
    if track.extradata is not None:
        stream.codec_context.extradata = track.extradata
    return stream


def _shifted(packet: MediaPacket, shift: int) -> MediaPacket | None:
    """A copy, `shift` ticks earlier; `None` if that is before the file begins.

    Muxing rewrites a packet, and the ring's packets are shared: only copies are muxed.
    """
    assert packet.dts is not None
    if packet.dts < shift:
        return None
    copy: MediaPacket = av.Packet(bytes(packet))
    copy.dts = packet.dts - shift
    copy.pts = None if packet.pts is None else packet.pts - shift
    copy.duration = packet.duration
    copy.is_keyframe = packet.is_keyframe
    return copy
