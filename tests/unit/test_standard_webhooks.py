"""Signing and verifying: laws, and what a receiver must refuse."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, ValidationError

from streammon.core.signatures import webhook_signature
from streammon.sinks.standard_webhooks import (
    ForgedWebhook,
    WebhookSecrets,
    event_body,
    signed_headers,
    verify_webhook,
)

OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NEW = "whsec_" + base64.b64encode(bytes(range(32))).decode()
NOW_S = 1_614_265_330
BODY = b'{"test": 2432232314}'


class Settings(BaseModel):
    secret: WebhookSecrets = ()


def signed(*secrets: str, message_id: str = "m1", at_s: int = NOW_S) -> dict[str, str]:
    return signed_headers(
        [SecretStr(each) for each in secrets], message_id=message_id, at_s=at_s, body=BODY
    )


@given(
    keys=st.lists(st.binary(min_size=24, max_size=64), min_size=1, max_size=4),
    body=st.binary(max_size=200),
    message_id=st.from_regex(r"\A[A-Za-z0-9_-]{1,40}\Z"),
)
def test_whoever_has_one_of_the_secrets_can_tell_that_it_is_ours(
    keys: list[bytes], body: bytes, message_id: str
) -> None:
    secrets = ["whsec_" + base64.b64encode(key).decode() for key in keys]
    headers = signed_headers(
        [SecretStr(each) for each in secrets], message_id=message_id, at_s=NOW_S, body=body
    )
    for secret in secrets:
        assert verify_webhook(headers, body, secrets=[secret], now_s=NOW_S) == message_id
        with pytest.raises(ForgedWebhook):
            verify_webhook(headers, body + b" ", secrets=[secret], now_s=NOW_S)


def test_the_headers_are_those_of_the_specification() -> None:
    headers = signed(OLD, NEW)
    ours = [
        webhook_signature(each, message_id="m1", timestamp=str(NOW_S), body=BODY)
        for each in (OLD, NEW)
    ]
    assert headers == {
        "content-type": "application/json",
        "webhook-id": "m1",
        "webhook-timestamp": "1614265330",
        "webhook-signature": " ".join(ours),
    }
    assert "webhook-signature" not in signed()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"webhook-id": "m2"}, "no signature of ours"),
        ({"webhook-id": ""}, "no webhook-id"),
        ({"webhook-timestamp": str(NOW_S + 1)}, "no signature of ours"),
        ({"webhook-timestamp": "-1"}, "not a number"),
        ({"webhook-timestamp": "\u0661\u0666"}, "not a number"),
        ({"webhook-timestamp": "9" * 400}, "not a number"),
        ({"webhook-signature": ""}, "no signature of ours"),
        ({"webhook-signature": "v1, \udcff"}, "no signature of ours"),
        ({"webhook-signature": "v1a," + "x" * 44}, "no signature of ours"),
    ],
)
def test_what_somebody_else_may_have_written_is_refused(change: dict[str, str], why: str) -> None:
    with pytest.raises(ForgedWebhook, match=why):
        verify_webhook({**signed(OLD), **change}, BODY, secrets=[OLD], now_s=NOW_S)


@pytest.mark.parametrize("late_s", [301, -301])
def test_an_old_message_is_refused_though_its_signature_is_right(late_s: int) -> None:
    assert verify_webhook(signed(OLD), BODY, secrets=[NEW, OLD], now_s=NOW_S + 300) == "m1"
    with pytest.raises(ForgedWebhook, match="further than 300 s"):
        verify_webhook(signed(OLD), BODY, secrets=[OLD], now_s=NOW_S + late_s)


def test_a_setting_takes_one_secret_or_several() -> None:
    assert Settings.model_validate({"secret": OLD}).secret == (SecretStr(OLD),)
    assert Settings.model_validate({"secret": [NEW, OLD]}).secret == (
        SecretStr(NEW),
        SecretStr(OLD),
    )
    assert Settings().secret == ()


@pytest.mark.parametrize(
    "secret",
    ["whsec_hunter2!", "", "whsec_", "whsec_c2hvcnQ=", "whsec_\xe4\xf6", [OLD] * 5, 7],
)
def test_what_is_no_secret_is_refused_without_being_repeated(secret: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate({"secret": secret})
    told = " ".join(problem["msg"] for problem in caught.value.errors())
    assert "hunter2" not in told
    assert "c2hvcnQ" not in told


def test_the_body_says_what_when_and_then_the_event() -> None:
    body = event_body("alert.opened", at="2026-11-22T07:00:00.000Z", data={"b": 1, "a": None})
    assert json.loads(body) == {
        "type": "alert.opened",
        "timestamp": "2026-11-22T07:00:00.000Z",
        "data": {"a": None, "b": 1},
    }
