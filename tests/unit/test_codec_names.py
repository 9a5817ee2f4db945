"""Codecs are called what the registry of WebCodecs calls them; hostile bytes have no name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.media.codec_names import (
    av1_name,
    avc_name,
    hevc_name,
    hevc_profile_of,
    vp9_name,
    without_emulation,
)

MAIN_PROFILE = bytes.fromhex("01 60000000 900000000000 5d")
"""Profile, compatibility, constraints, level 3.1: as in an hvcC from its second byte."""


@pytest.mark.parametrize(
    ("sequence", "name"),
    [
        ("6742c01e", "avc1.42c01e"),
        ("674d401f", "avc1.4d401f"),
        ("6764001f", "avc1.64001f"),
        ("67640028acd9", "avc1.640028"),
    ],
)
def test_h264_is_named_by_profile_constraints_and_level(sequence: str, name: str) -> None:
    assert avc_name(bytes.fromhex(sequence)[1:4]) == name


def test_a_cut_off_parameter_set_has_no_name() -> None:
    assert avc_name(b"\x64\x00") is None
    assert hevc_name(MAIN_PROFILE[:11], described=True) is None


def test_hevc_is_named_by_profile_compatibility_tier_level_and_constraints() -> None:
    assert hevc_name(MAIN_PROFILE, described=True) == "hvc1.1.6.L93.90"
    assert hevc_name(MAIN_PROFILE, described=False) == "hev1.1.6.L93.90"
    high = bytes([0x22, *MAIN_PROFILE[1:]])
    assert hevc_name(high, described=True) == "hvc1.2.6.H93.90"
    spaced = bytes([0x41, *MAIN_PROFILE[1:5], *bytes(6), 120])
    assert hevc_name(spaced, described=True) == "hvc1.A1.6.L120", "zero constraints are left out"


def test_the_profile_of_an_hevc_sps_is_read_past_emulation_prevention() -> None:
    escaped = bytes.fromhex("01 6000000300 9000000300000300 5d")
    assert hevc_profile_of(b"\x42\x01\x01" + escaped + b"\xa0") == MAIN_PROFILE


def test_emulation_prevention_is_taken_out() -> None:
    assert without_emulation(bytes.fromhex("00000301 000003 000003")) == bytes.fromhex(
        "000001 0000 0000"
    )


@pytest.mark.parametrize(
    ("header", "size", "name"),
    [
        ("82498342 00", (320, 180), "vp09.00.11.08"),
        ("82498342 00", (1920, 1080), "vp09.00.40.08"),
        ("82498342 00", (20_000, 20_000), "vp09.00.62.08"),
        ("92498342 00", (320, 180), "vp09.02.11.10"),
        ("92498342 80", (320, 180), "vp09.02.11.12"),
        ("a2498342 00", (320, 180), "vp09.01.11.08"),
    ],
)
def test_vp9_is_named_by_profile_level_and_depth(
    header: str, size: tuple[int, int], name: str
) -> None:
    assert vp9_name(bytes.fromhex(header), width=size[0], height=size[1]) == name


@pytest.mark.parametrize("header", ["86498342 00", "8a498342 00", "82498343 00", "02498342 00"])
def test_what_is_no_vp9_keyframe_has_no_name(header: str) -> None:
    assert vp9_name(bytes.fromhex(header), width=320, height=180) is None


@pytest.mark.parametrize(
    ("record", "name"),
    [
        ("81040c00", "av01.0.04M.08"),
        ("81084c00", "av01.0.08M.10"),
        ("814dec00", "av01.2.13H.12"),
        ("01040c00", None),
        ("8104", None),
    ],
)
def test_av1_is_named_by_profile_level_tier_and_depth(record: str, name: str | None) -> None:
    assert av1_name(bytes.fromhex(record)) == name


@given(st.binary(max_size=64))
def test_no_bytes_break_it(data: bytes) -> None:
    for name in (
        avc_name(data),
        hevc_name(hevc_profile_of(data), described=False),
        hevc_name(data, described=True),
        vp9_name(data, width=0, height=0),
        av1_name(data),
    ):
        assert name is None or name.isascii()
