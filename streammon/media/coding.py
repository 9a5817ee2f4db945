"""What a decoder in a browser must know of a track, and its packets as it takes them."""

from __future__ import annotations

from dataclasses import dataclass

from streammon.media.codec_names import (
    av1_name,
    avc_name,
    hevc_name,
    hevc_profile_of,
    vp9_name,
)
from streammon.media.parameter_sets import parameter_sets
from streammon.media.tracks import Track

HEADER_BYTES = {"h264": 1, "hevc": 2}
"""Of a NAL unit."""


@dataclass(frozen=True, slots=True)
class TrackCoding:
    """How to hand on the packets of one track; see `ports.Coding`."""

    codec: str
    description: bytes | None
    width: int | None
    height: int | None
    sets: bytes = b""
    """Annex B parameter sets that belong in front of keyframes that come without their own."""
    named: str = ""
    """FFmpeg's name of the codec."""

    def data(self, packet: bytes, *, is_keyframe: bool) -> bytes:
        """The packet as a decoder that was configured so takes it."""
        if not is_keyframe or not self.sets or parameter_sets(self.named, packet) is not None:
            return packet
        return self.sets + packet


def coding_of(track: Track, keyframe: bytes) -> TrackCoding | None:
    """The coding of a video track that goes on with this keyframe.

    `None` when WebCodecs has no name for it, or parameter sets are missing.
    """
    context = track.template.codec_context
    name = track.codec
    changed = track.extradata is not None
    extradata = (track.extradata if changed else context.extradata) or b""
    width = height = None
    if not changed and track.is_video:
        width, height = getattr(context, "width", 0) or None, getattr(context, "height", 0) or None
    if name in HEADER_BYTES:
        return _of_units(name, extradata, keyframe, (width, height))
    codec: str | None = None
    if name == "vp8":
        codec = "vp8"
    elif name == "vp9":
        codec = vp9_name(keyframe, width=width or 0, height=height or 0)
    elif name in {"av1", "libdav1d", "libaom-av1"}:
        codec = av1_name(extradata)
    return None if codec is None else TrackCoding(codec, None, width, height, named=name)


def _of_units(
    name: str, extradata: bytes, keyframe: bytes, size: tuple[int | None, int | None]
) -> TrackCoding | None:
    """H.264 and HEVC: with a record and length prefixes, or with start codes (Annex B)."""
    if extradata[:1] == b"\x01":
        if name == "h264":
            codec = avc_name(extradata[1:4])
        else:
            codec = hevc_name(extradata[1:13], described=True)
        return None if codec is None else TrackCoding(codec, extradata, *size, named=name)
    sets = parameter_sets(name, keyframe) or parameter_sets(name, extradata)
    if sets is None:
        return None
    if name == "h264":
        codec = avc_name(sets.sequence[1:4])
    else:
        codec = hevc_name(hevc_profile_of(sets.sequence), described=False)
    return None if codec is None else TrackCoding(codec, None, *size, sets.annex_b, name)
