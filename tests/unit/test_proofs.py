"""Who may bring a call. The vectors are those that the providers publish."""

from __future__ import annotations

import pytest

from streammon.core.signatures import webhook_signature
from streammon.ingest.calls.proofs import (
    Asked,
    token_proves,
    twilio_proves,
    twilio_signature,
    webhook_proves,
)

URL = "wss://voice.example.org/calls"
TOKEN = "0123456789abcdef"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NOW_S = 1_614_265_330.0


def asked(query: str = "", **headers: str) -> Asked:
    return Asked("/calls", query, {name.replace("_", "-"): said for name, said in headers.items()})


def test_twilios_own_example_of_a_signature() -> None:
    """Its documents sign a URL with the fields of a form behind it; a handshake has none."""
    signed = (
        "https://mycompany.com/myapp.php?foo=1&bar=2CallSidCA1234567890ABCDE"
        "Caller+14158675309Digits1234From+14158675309To+18005551212"
    )
    assert twilio_signature(signed, "12345") == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


@pytest.mark.parametrize("signed", [URL, f"{URL}/"])
def test_twilio_signs_the_url_as_it_is_configured(signed: str) -> None:
    good = asked(x_twilio_signature=twilio_signature(signed, TOKEN))
    assert twilio_proves(good, url=URL, auth_token=TOKEN)
    assert not twilio_proves(good, url="wss://other.example.org/calls", auth_token=TOKEN)
    assert not twilio_proves(good, url=URL, auth_token="another token")


@pytest.mark.parametrize("said", ["", "x", "\udcff", twilio_signature(URL, "guess")])
def test_without_the_signature_nobody_is_twilio(said: str) -> None:
    assert not twilio_proves(asked(x_twilio_signature=said), url=URL, auth_token=TOKEN)
    assert not twilio_proves(asked(), url=URL, auth_token=TOKEN)


@pytest.mark.parametrize(
    "good",
    [
        asked(authorization=f"Bearer {TOKEN}"),
        asked(authorization=TOKEN),
        asked(query=f"token={TOKEN}"),
        asked(query=f"a=b&token={TOKEN}"),
    ],
)
def test_a_token_is_taken_from_where_it_can_be(good: Asked) -> None:
    assert token_proves(good, token=TOKEN)
    assert not token_proves(good, token=TOKEN + "0")


@pytest.mark.parametrize(
    "bad",
    [
        asked(),
        asked(query="token="),
        asked(query="token=" + "&x=1" * 500),
        asked(authorization="Bearer "),
        asked(authorization="Basic abc"),
    ],
)
def test_no_token_is_no_proof(bad: Asked) -> None:
    assert not token_proves(bad, token=TOKEN)


def signed(message_id: str = "m1", timestamp: str = "1614265330") -> dict[str, str]:
    signature = webhook_signature(SECRET, message_id=message_id, timestamp=timestamp, body=b"")
    return {
        "webhook_id": message_id,
        "webhook_timestamp": timestamp,
        "webhook_signature": f"v1a,other {signature}",
    }


def test_an_upgrade_is_signed_with_an_empty_body() -> None:
    assert webhook_proves(asked(**signed()), secret=SECRET, now_s=NOW_S)
    assert webhook_proves(asked(**signed()), secret=SECRET, now_s=NOW_S + 299)


@pytest.mark.parametrize(
    "change",
    [
        {"webhook_id": "m2"}, {"webhook_id": ""}, {"webhook_timestamp": "1614265331"},
        {"webhook_timestamp": "yesterday"}, {"webhook_timestamp": "9" * 400},
        {"webhook_signature": ""}, {"webhook_signature": "v1,"},
    ],
)  # fmt: skip
def test_an_upgrade_that_was_changed_is_refused(change: dict[str, str]) -> None:
    assert not webhook_proves(asked(**{**signed(), **change}), secret=SECRET, now_s=NOW_S)


def test_an_old_upgrade_is_refused() -> None:
    assert not webhook_proves(asked(**signed()), secret=SECRET, now_s=NOW_S + 301)
    assert not webhook_proves(asked(**signed()), secret=SECRET, now_s=NOW_S - 301)
