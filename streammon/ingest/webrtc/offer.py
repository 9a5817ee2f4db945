"""What publishers and viewers offer, and what they are answered, as text (SDP, RFC 8866). Pure.

Offers are hostile until read: everything here is bounded, and what the media stack behind cannot
do is said before it is asked.
"""

from __future__ import annotations

import re
from base64 import b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Literal, NamedTuple

MOST_LINES = 2000
MOST_LINE = 2000
MOST_CANDIDATES = 32
"""A publisher with more addresses than this can be reached at the first ones."""

BASELINE = "42e01f"
"""Constrained Baseline, the one H.264 profile that aiortc speaks of. The decoder takes all."""

DIRECTIONS = {"a=sendonly", "a=sendrecv", "a=recvonly", "a=inactive"}

PROFILES = re.compile(r"(42|4d|58|64)[0-9a-f]{4}", re.IGNORECASE)
"""Baseline, Main, Extended and High, of any level."""

_FMTP = re.compile(r"a=fmtp:(\d{1,3}) (.*)")
_RTPMAP = re.compile(r"a=rtpmap:(\d{1,3}) ([A-Za-z0-9-]+)/\d+")
_SETS = re.compile(r"sprop-parameter-sets=([A-Za-z0-9+/=,]+)")
_PROFILE = re.compile(r"profile-level-id=([0-9A-Za-z]+)", re.IGNORECASE)


class Malformed(ValueError):
    """It is no offer at all. The text says what is wrong with it."""


class Unacceptable(ValueError):
    """It is an offer, of something that cannot be received. The text says of what."""


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that may be given to the media stack."""

    sdp: str
    """As offered, but every H.264 as Baseline, without candidates that have no address."""
    profiles: Mapping[str, str]
    """Payload types of H.264, and the profiles that they were offered with."""
    kinds: frozenset[str]
    """`audio`, `video` or both."""
    parameter_sets: Mapping[int, bytes] = field(default_factory=dict)
    """By payload type of H.264: the sets that stand in the offer alone, as Annex B."""


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server, for us and, in Link headers, for publishers."""

    url: str
    username: str = ""
    credential: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Fragment:
    """What a trickled update says (RFC 8840): whose it is, and what it adds."""

    ufrag: str | None
    password: str | None
    candidates: tuple[tuple[str | None, str], ...]
    """The `mid` each belongs to, and the candidate without `a=candidate:`."""
    complete: bool


def read_offer(text: str, *, of: Literal["publisher", "viewer"] = "publisher") -> Offer:
    """Raises `Malformed` or `Unacceptable`, each with words for whoever made it."""
    lines = _lines(text)
    if not lines or lines[0] != "v=0":
        raise Malformed("an SDP offer begins with v=0")
    session, sections = _sections(lines)
    if not sections:
        raise Malformed("the offer has no media")
    kinds = [section[0][2:].split(" ", 1)[0] for section in sections]
    for kind, section in zip(kinds, sections, strict=True):
        if kind not in {"audio", "video"}:
            raise Unacceptable(f"{kind[:20]!r} is not accepted: only audio and video are")
        if kinds.count(kind) > 1:
            raise Unacceptable(f"more than one {kind} track is not accepted")
        _check_section(session, section, _ROLES[of])
    mids = [line.removeprefix("a=mid:") for line in lines if line.startswith("a=mid:")]
    bundles = [line.split(" ")[1:] for line in session if line.startswith("a=group:BUNDLE")]
    if len(set(mids)) != len(sections) or (bundles or [mids[:1]]) != [mids]:
        raise Unacceptable("all media must be in one a=group:BUNDLE, each by its own a=mid")
    profiles: dict[str, str] = {}
    kept = list(_usable(lines, profiles))
    sets = dict(_parameter_sets(lines))
    return Offer("\r\n".join(kept) + "\r\n", profiles, frozenset(kinds), sets)


class _Role(NamedTuple):
    direction: str
    otherwise: str


_ROLES = {
    "publisher": _Role("a=sendonly", "gives nothing to receive: publishers are sendonly"),
    "viewer": _Role("a=recvonly", "takes nothing that is sent: viewers are recvonly"),
}


def _sections(lines: list[str]) -> tuple[list[str], list[list[str]]]:
    """The lines of the session, and those of each of its media."""
    session: list[str] = []
    sections: list[list[str]] = []
    for line in lines:
        if line.startswith("m="):
            sections.append([])
        (sections[-1] if sections else session).append(line)
    return session, sections


def _check_section(session: list[str], section: list[str], role: _Role) -> None:
    """What each media of an offer has to say, itself or through the session."""
    directions = [line for line in section if line in DIRECTIONS]
    if len(directions) != 1:
        raise Malformed(f"each media has to say once that it is {role.direction}")
    if directions[0] not in {role.direction, "a=sendrecv"}:
        raise Unacceptable(f"{directions[0]} {role.otherwise}")
    if sum(line.startswith("a=mid:") for line in section) != 1:
        raise Malformed("each media has to have one a=mid")
    for needed in ("a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:"):
        if not any(line.startswith(needed) for line in (*session, *section)):
            raise Malformed(f"the offer has no {needed}")


def finish_answer(
    answer: str, offer: Offer, *, start_kbps: int, least_kbps: int, most_kbps: int
) -> str:
    """The answer with the profiles that were offered, and the bit rates that are wanted.

    Chromium begins at 300 kbit/s and grows slowly; it heeds `x-google-*`. Others heed `b=` or
    neither.
    """
    rates = (
        f"x-google-start-bitrate={start_kbps};x-google-min-bitrate={least_kbps};"
        f"x-google-max-bitrate={most_kbps}"
    )
    finished, coded, in_video = [], set(), False
    for line in _lines(answer):
        if line.startswith("m="):
            in_video = line.startswith("m=video")
        format_line = _FMTP.fullmatch(line) if in_video else None
        if format_line is not None and "apt=" not in line:
            number, parameters = format_line.groups()
            coded.add(number)
            if number in offer.profiles:
                said = f"profile-level-id={offer.profiles[number]}"
                parameters = _PROFILE.sub(said, parameters)
            finished.append(f"a=fmtp:{number} {parameters};{rates}")
            continue
        finished.append(line)
        if in_video and line.startswith("c="):
            finished += [f"b=AS:{most_kbps}", f"b=TIAS:{most_kbps * 1000}"]
        named = _RTPMAP.fullmatch(line) if in_video else None
        if named is not None and named.group(2).upper() == "VP8":
            finished.append(f"a=fmtp:{named.group(1)} {rates}")
    return "\r\n".join(finished) + "\r\n"


def finish_viewers_answer(answer: str, offer: Offer) -> str:
    """The answer with the profiles that were offered, and without a second port for RTCP."""
    finished = []
    for line in _lines(answer):
        named = _FMTP.fullmatch(line)
        if named is not None and named.group(1) in offer.profiles:
            line = _PROFILE.sub(f"profile-level-id={offer.profiles[named.group(1)]}", line)
        finished.append(line)
        if line == "a=rtcp-mux":
            finished.append("a=rtcp-mux-only")  # RFC 8858
    return "\r\n".join(finished) + "\r\n"


def read_fragment(text: str) -> Fragment:
    """Raises `Malformed`."""
    ufrag = password = mid = None
    candidates: list[tuple[str | None, str]] = []
    complete = False
    for line in _lines(text):
        name, _, value = line.partition(":")
        if name == "a=ice-ufrag":
            ufrag = value
        elif name == "a=ice-pwd":
            password = value
        elif name == "a=mid":
            mid = value
        elif name == "a=end-of-candidates":
            complete = True
        elif name == "a=candidate" and _has_address(value) and len(candidates) < MOST_CANDIDATES:
            candidates.append((mid, value))
    if ufrag is None and not candidates and not complete:
        raise Malformed("an ICE fragment has a=ice-ufrag or a=candidate")
    return Fragment(ufrag, password, tuple(candidates), complete)


def credentials(sdp: str) -> tuple[str, str]:
    """The ICE user fragment and password of an offer (the first ones, if there are several)."""
    found = dict.fromkeys(("a=ice-ufrag", "a=ice-pwd"), "")
    for line in _lines(sdp):
        name, _, value = line.partition(":")
        if name in found and not found[name]:
            found[name] = value
    return found["a=ice-ufrag"], found["a=ice-pwd"]


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    if len(lines) > MOST_LINES or any(len(line) > MOST_LINE for line in lines):
        raise Malformed(f"more than {MOST_LINES} lines, or one of more than {MOST_LINE} characters")
    if not all(re.match(r"[a-z]=", line) for line in lines):
        raise Malformed("a line of SDP is a letter, `=` and a value")
    return lines


def _usable(lines: list[str], profiles: dict[str, str]) -> Iterator[str]:
    """The lines to go on with; fills `profiles`."""
    candidates = 0
    for line in lines:
        if line.startswith("a=candidate:"):
            candidates += 1
            if candidates > MOST_CANDIDATES or not _has_address(line.partition(":")[2]):
                continue
        elif line.startswith("a=end-of-candidates"):
            continue  # a publisher without any is found by its own checks, which come later
        elif (found := _FMTP.fullmatch(line)) is not None:
            profile = _PROFILE.search(found.group(2))
            if profile is not None and PROFILES.fullmatch(profile.group(1)):
                profiles[found.group(1)] = profile.group(1)
                line = _PROFILE.sub(f"profile-level-id={BASELINE}", line)
        yield line


def _parameter_sets(lines: list[str]) -> Iterator[tuple[int, bytes]]:
    """What RFC 6184 8.1 calls sprop-parameter-sets: senders may leave them out of the stream."""
    for line in lines:
        format_line = _FMTP.fullmatch(line)
        said = _SETS.search(format_line.group(2)) if format_line else None
        if format_line is None or said is None:
            continue
        try:
            units = [b64decode(unit, validate=True) for unit in said.group(1).split(",")]
        except ValueError:
            raise Malformed("sprop-parameter-sets is not base64") from None
        yield int(format_line.group(1)), b"".join(b"\0\0\0\1" + unit for unit in units if unit)


def _has_address(candidate: str) -> bool:
    """Whether a candidate names an IP address. Names (mDNS) are not looked up: who sits behind
    one reaches us first, and then its address is known.
    """
    fields = candidate.split(" ")
    try:
        ip_address(fields[4])
        return fields[2].lower() == "udp" and 0 < int(fields[5]) < 65536
    except (IndexError, ValueError):
        return False
