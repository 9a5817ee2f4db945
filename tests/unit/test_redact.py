"""No secret of a URL survives redaction, wherever the URL stands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.telemetry.redact import redact_url

SECRETS = st.text("abcXYZ0189-._~!$'()*+,:%@/", min_size=6, max_size=20).map(lambda s: f"Q{s}Q")
SCHEMES = st.sampled_from(["rtsp", "rtmp", "srt", "https", "RTSP"])
HOSTS = st.sampled_from(["camera.lan", "127.0.0.1:8554", "[::1]:554", "a-b.example"])
SURROUNDINGS = st.text(st.characters(codec="ascii", exclude_characters=':@/"<>?'), max_size=20)
NAMES = st.sampled_from(["token", "access_token", "API_KEY", "sig", "Password", "x-auth", "pwd"])


@given(SCHEMES, SECRETS, SECRETS, HOSTS, SURROUNDINGS, SURROUNDINGS)
def test_user_and_password_are_gone_and_the_host_stays(
    scheme: str, user: str, password: str, host: str, before: str, after: str
) -> None:
    url = f"{scheme}://{user}:{password}@{host}/live"
    redacted = redact_url(f"{before} {url} {after}")
    assert redacted == f"{before} {scheme}://***@{host}/live {after}"


@given(SCHEMES, HOSTS, NAMES, st.text("abcXYZ0189-._~%+/=", min_size=6, max_size=20))
def test_secret_query_values_are_gone_and_the_others_stay(
    scheme: str, host: str, name: str, value: str
) -> None:
    secret = f"Q{value}Q"
    url = f"{scheme}://{host}/live?width=640&{name}={secret}&mode=fast"
    assert redact_url(url) == f"{scheme}://{host}/live?width=640&{name}=***&mode=fast"


@given(st.text())
def test_redaction_is_stable(text: str) -> None:
    once = redact_url(text)
    assert redact_url(once) == once


@given(st.text(st.characters(exclude_characters=":")))
def test_text_without_a_url_is_untouched(text: str) -> None:
    assert redact_url(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rtsp://host/a@b", "rtsp://host/a@b"),
        ("rtsp://host:554/a@b", "rtsp://host:554/a@b"),
        ("rtsp://user@host/x", "rtsp://***@host/x"),
        ("rtsp://u:p#w@host/x", "rtsp://***@host/x"),
        ("'rtsp://u:p'w@host/x'", "'rtsp://***@host/x'"),
        ("srt://h:9000?passphrase=abc&mode=caller", "srt://h:9000?passphrase=***&mode=caller"),
        ("http://h/x#access_token=abc", "http://h/x#access_token=***"),
        ("at 12:30 nothing: fine", "at 12:30 nothing: fine"),
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert redact_url(text) == expected
