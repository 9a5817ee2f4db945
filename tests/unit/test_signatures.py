"""Standard Webhooks, by their published example."""

from __future__ import annotations

import pytest

from streammon.core.signatures import webhook_signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"


@pytest.mark.parametrize("secret", [SECRET, SECRET.removeprefix("whsec_")])
def test_the_example_of_standard_webhooks(secret: str) -> None:
    body = b'{"test": 2432232314}'
    signature = webhook_signature(secret, message_id=ID, timestamp="1614265330", body=body)
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_that_is_none_is_refused_without_being_repeated() -> None:
    with pytest.raises(ValueError, match="not Base64") as caught:
        webhook_signature("whsec_hunter2!", message_id=ID, timestamp="1", body=b"")
    assert "hunter2" not in str(caught.value)
