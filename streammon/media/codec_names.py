"""What WebCodecs calls a codec: its name, profile and level in one string.

The strings are those of the W3C's WebCodecs codec registry: RFC 6381 and ISO/IEC 14496-15
(annex E for HEVC), the VP9 and AV1 ISO media bindings. Pure; input may be hostile.
"""

from __future__ import annotations

VP9_LEVELS = (
    (36_864, 10),
    (73_728, 11),
    (122_880, 20),
    (245_760, 21),
    (552_960, 30),
    (983_040, 31),
    (2_228_224, 40),
    (8_912_896, 50),
    (35_651_584, 60),
)
"""Largest picture in pixels and the level that allows it: the WebM project's table of VP9."""

_VP9_SYNC = b"\x49\x83\x42"


def avc_name(profile_level: bytes) -> str | None:
    """`avc1.64001f` of the three bytes behind the header of an SPS, or of an avcC from its second.

    Profile, constraint flags and level.
    """
    return f"avc1.{profile_level[:3].hex()}" if len(profile_level) >= 3 else None


def hevc_name(profile_tier_level: bytes, *, described: bool) -> str | None:
    """`hvc1.1.6.L93.90` of the twelve bytes that an hvcC has from its second byte on.

    `described`: parameter sets stand in the description (`hvc1`), not in the packets (`hev1`).
    """
    if len(profile_tier_level) < 12:
        return None
    first, level = profile_tier_level[0], profile_tier_level[11]
    space = ("", "A", "B", "C")[first >> 6]
    tier = "H" if first & 0x20 else "L"
    compatible = int.from_bytes(profile_tier_level[1:5], "big")
    reversed_bits = int(f"{compatible:032b}"[::-1], 2)
    constraints = profile_tier_level[5:11].rstrip(b"\x00")
    parts = [
        "hvc1" if described else "hev1",
        f"{space}{first & 0x1F}",
        f"{reversed_bits:X}",
        f"{tier}{level}",
        *(f"{byte:X}" for byte in constraints),
    ]
    return ".".join(parts)


def hevc_profile_of(sequence: bytes) -> bytes:
    """The twelve bytes that `hevc_name` wants out of an SPS with its two bytes of header."""
    return without_emulation(sequence[:40])[3:15]


def vp9_name(keyframe: bytes, *, width: int, height: int) -> str | None:
    """`vp09.00.30.08` of a keyframe's uncompressed header (VP9 bitstream specification, 6.2)."""
    if len(keyframe) < 5 or keyframe[0] >> 6 != 2:
        return None
    bits = int.from_bytes(keyframe[:6].ljust(6, b"\x00"), "big")
    profile = (bits >> 45 & 1) | (bits >> 44 & 1) << 1
    at = 44 - (profile == 3)
    shows_existing, is_inter = bits >> at - 1 & 1, bits >> at - 2 & 1
    at -= 4  # and show_frame, error_resilient_mode
    sync = (bits >> at - 24 & 0xFFFFFF).to_bytes(3, "big")
    if shows_existing or is_inter or sync != _VP9_SYNC:
        return None
    twelve = bits >> at - 25 & 1
    depth = 8 if profile < 2 else 12 if twelve else 10
    pixels = width * height
    level = next((level for most, level in VP9_LEVELS if pixels <= most), 62)
    return f"vp09.{profile:02d}.{level:02d}.{depth:02d}"


def av1_name(record: bytes) -> str | None:
    """`av01.0.04M.08` of an av1C record (AV1 codec ISO media file format binding, 2.3.3 and 5)."""
    if len(record) < 4 or record[0] != 0x81:
        return None
    profile, level = record[1] >> 5, record[1] & 0x1F
    tier = "H" if record[2] & 0x80 else "M"
    high, twelve = record[2] & 0x40, record[2] & 0x20
    depth = 8 if not high else 12 if profile == 2 and twelve else 10
    return f"av01.{profile}.{level:02d}{tier}.{depth:02d}"


def without_emulation(unit: bytes) -> bytes:
    """The NAL unit without the bytes that keep start codes out of it."""
    return unit.replace(b"\x00\x00\x03", b"\x00\x00")
