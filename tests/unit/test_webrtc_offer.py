"""Offers, answers and fragments as text: what is let through, refused, and rewritten."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.ingest.webrtc.offer import (
    MOST_CANDIDATES,
    Fragment,
    Malformed,
    Unacceptable,
    credentials,
    finish_answer,
    finish_viewers_answer,
    read_fragment,
    read_offer,
)

OFFER = """v=0
o=- 1 1 IN IP4 0.0.0.0
s=-
t=0 0
a=group:BUNDLE 0 1
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 0.0.0.0
a=mid:0
a=sendonly
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=fingerprint:sha-256 AA:BB
a=setup:actpass
a=rtcp-mux
a=rtpmap:111 opus/48000/2
m=video 9 UDP/TLS/RTP/SAVPF 96 102
c=IN IP4 0.0.0.0
a=mid:1
a=sendonly
a=ice-ufrag:abcd
a=ice-pwd:0123456789012345678901
a=fingerprint:sha-256 AA:BB
a=rtpmap:96 VP8/90000
a=rtpmap:102 H264/90000
a=fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=640C1f
a=candidate:1 1 udp 2130706431 192.0.2.4 50000 typ host
a=candidate:2 1 udp 2130706431 4f1c.local 50001 typ host
a=candidate:3 1 tcp 1518280447 192.0.2.4 9 typ host tcptype active
a=end-of-candidates
"""
ANSWER = """v=0
m=audio 9 UDP/TLS/RTP/SAVPF 111
c=IN IP4 127.0.0.1
a=rtpmap:111 opus/48000/2
m=video 9 UDP/TLS/RTP/SAVPF 96 97 102
c=IN IP4 127.0.0.1
a=rtpmap:96 VP8/90000
a=rtpmap:97 rtx/90000
a=fmtp:97 apt=96
a=rtpmap:102 H264/90000
a=fmtp:102 packetization-mode=1;profile-level-id=42e01f
"""


def test_an_offer_of_high_profile_is_answered_in_high_profile() -> None:
    offer = read_offer(OFFER)
    assert offer.profiles == {"102": "640C1f"}
    assert "profile-level-id=42e01f" in offer.sdp
    answer = finish_answer(ANSWER, offer, start_kbps=2500, least_kbps=600, most_kbps=6000)
    assert "a=fmtp:102 packetization-mode=1;profile-level-id=640C1f;x-google-start" in answer


def test_the_answer_asks_for_the_bit_rate_of_each_video_codec_and_no_other() -> None:
    answer = finish_answer(
        ANSWER, read_offer(OFFER), start_kbps=2500, least_kbps=600, most_kbps=6000
    ).splitlines()
    rates = "x-google-start-bitrate=2500;x-google-min-bitrate=600;x-google-max-bitrate=6000"
    assert f"a=fmtp:96 {rates}" in answer
    assert sum(rates in line for line in answer) == 2
    assert answer.count("b=AS:6000") == answer.count("b=TIAS:6000000") == 1
    assert answer.index("b=AS:6000") > answer.index("m=video 9 UDP/TLS/RTP/SAVPF 96 97 102")


def test_candidates_without_an_address_or_over_tcp_are_left_out() -> None:
    lines = read_offer(OFFER).sdp.splitlines()
    assert [line for line in lines if "candidate" in line] == [
        "a=candidate:1 1 udp 2130706431 192.0.2.4 50000 typ host"
    ]


def test_parameter_sets_that_stand_in_the_offer_alone_are_kept() -> None:
    offer = read_offer(OFFER.replace("640C1f", "640C1f;sprop-parameter-sets=Z0LgHw==,aM4="))
    assert offer.parameter_sets == {102: b"\0\0\0\1\x67\x42\xe0\x1f\0\0\0\1\x68\xce"}
    with pytest.raises(Malformed, match="not base64"):
        read_offer(OFFER.replace("640C1f", "640C1f;sprop-parameter-sets=Z"))


def test_candidates_are_bounded() -> None:
    many = "".join(
        f"a=candidate:{n} 1 udp 1 192.0.2.4 {1000 + n} typ host\n" for n in range(MOST_CANDIDATES)
    )
    lines = read_offer(OFFER + many).sdp.splitlines()
    assert sum(line.startswith("a=candidate") for line in lines) <= MOST_CANDIDATES


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "begins with v=0"),
        ("v=0\nhello\n", "a letter, `=` and a value"),
        ("v=0\ns=-\n", "no media"),
        (OFFER.replace("a=ice-pwd:0123456789012345678901\n", ""), "no a=ice-pwd:"),
        (OFFER.replace("a=fingerprint:sha-256 AA:BB\n", ""), "no a=fingerprint:"),
        (OFFER.replace("a=mid:1\n", ""), "one a=mid"),
        (OFFER.replace("a=sendonly\n", ""), "say once that it is a=sendonly"),
        ("v=0\n" + "a=x\n" * 3000, "more than 2000 lines"),
    ],
)
def test_what_is_no_offer_is_said_to_be_none(text: str, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        read_offer(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (OFFER + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\n", "only audio and video"),
        (OFFER + "m=video 9 UDP/TLS/RTP/SAVPF 96\n", "more than one video"),
        (OFFER.replace("a=sendonly", "a=recvonly"), "publishers are sendonly"),
        (OFFER.replace("BUNDLE 0 1", "BUNDLE 0 7"), "in one a=group:BUNDLE"),
        (OFFER.replace("a=mid:1", "a=mid:0"), "in one a=group:BUNDLE"),
    ],
)
def test_what_cannot_be_received_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(Unacceptable, match=words):
        read_offer(text)


@given(st.text(max_size=300) | st.sampled_from(OFFER.splitlines()).map(lambda line: line[:7]))
def test_no_text_does_more_than_be_refused(text: str) -> None:
    for tried in (text, OFFER + text, "v=0\n" + text):
        try:
            read_offer(tried)
        except (Malformed, Unacceptable):
            continue


def test_a_fragment_gives_its_candidates_by_mid() -> None:
    fragment = read_fragment(
        "a=ice-ufrag:abcd\na=ice-pwd:secret\nm=audio 9 RTP/AVP 0\na=mid:0\n"
        "a=candidate:1 1 udp 1 192.0.2.4 50000 typ host\n"
        "a=candidate:2 1 udp 1 4f1c.local 50000 typ host\na=end-of-candidates\n"
    )
    assert fragment == Fragment(
        "abcd", "secret", (("0", "1 1 udp 1 192.0.2.4 50000 typ host"),), complete=True
    )


@pytest.mark.parametrize("text", ["", "m=audio 9 RTP/AVP 0\n", "nonsense"])
def test_a_fragment_that_says_nothing_is_malformed(text: str) -> None:
    with pytest.raises(Malformed):
        read_fragment(text)


def test_credentials_are_those_of_the_first_section() -> None:
    assert credentials(OFFER) == ("abcd", "0123456789012345678901")


def test_a_viewers_offer_takes_what_a_publishers_gives() -> None:
    watching = OFFER.replace("a=sendonly", "a=recvonly")
    assert read_offer(watching, of="viewer").kinds == {"audio", "video"}
    both = OFFER.replace("a=sendonly", "a=sendrecv")
    assert read_offer(both, of="viewer").kinds == read_offer(both).kinds
    with pytest.raises(Unacceptable, match="viewers are recvonly"):
        read_offer(OFFER, of="viewer")
    with pytest.raises(Unacceptable, match="publishers are sendonly"):
        read_offer(watching)
    with pytest.raises(Malformed, match="a=recvonly"):
        read_offer(OFFER.replace("a=sendonly\n", ""), of="viewer")


def test_a_viewer_is_answered_in_the_profile_that_it_offered_over_one_port() -> None:
    offer = read_offer(OFFER.replace("a=sendonly", "a=recvonly"), of="viewer")
    answer = ANSWER.replace("c=IN IP4 127.0.0.1\n", "c=IN IP4 127.0.0.1\na=rtcp-mux\n")
    lines = finish_viewers_answer(answer, offer).splitlines()
    assert "a=fmtp:102 packetization-mode=1;profile-level-id=640C1f" in lines
    assert lines.count("a=rtcp-mux-only") == 2
    assert not any("bitrate" in line for line in lines)
