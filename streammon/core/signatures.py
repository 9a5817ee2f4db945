"""Signatures of Standard Webhooks (standardwebhooks.com), for those who send and who receive. Pure.

The specification: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md, 1.0.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Mapping

SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with
ID = "webhook-id"
TIMESTAMP = "webhook-timestamp"
SIGNATURE = "webhook-signature"
TOLERANCE_S = 300.0
"""A timestamp is believed for so long, into the past and the future."""
MOST_SIGNATURES = 8
"""Of one message that are looked at."""


class ForgedWebhook(ValueError):
    """A message that nobody with the secret has signed, or that was signed long ago."""


def webhook_signature(secret: str, *, message_id: str, timestamp: str, body: bytes) -> str:
    """The `v1` signature: HMAC-SHA256 of `id.timestamp.body`, in Base64 behind `v1,`.

    Raises `ValueError` where the secret is not Base64, with or without `whsec_` before it.
    """
    signed = f"{message_id}.{timestamp}.".encode(errors="surrogatepass") + body
    digest = hmac.new(webhook_key(secret), signed, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode()


def webhook_key(secret: str) -> bytes:
    """The bytes that a secret stands for. Raises `ValueError`, which does not repeat it."""
    try:
        return base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("the secret is not Base64") from None


def verify_webhook(
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: Iterable[str],
    now_s: float,
    tolerance_s: float = TOLERANCE_S,
) -> str:
    """The message's id, once one of its signatures was made with one of `secrets`.

    `headers` has its names in lower case; `body` is as it came, not parsed and written again.
    Raises `ForgedWebhook`. An id that was seen before is the same message, sent again: to drop
    those is the receiver's business.
    """
    message_id, timestamp = headers.get(ID, ""), headers.get(TIMESTAMP, "")
    if not message_id:
        raise ForgedWebhook(f"no {ID}")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise ForgedWebhook(f"{TIMESTAMP} is not a number of seconds")
    if abs(now_s - int(timestamp)) > tolerance_s:
        raise ForgedWebhook(f"{TIMESTAMP} is further than {tolerance_s:g} s from now")
    given = [
        each.encode(errors="surrogatepass")
        for each in headers.get(SIGNATURE, "").split(" ")[:MOST_SIGNATURES]
    ]
    for secret in secrets:
        ours = webhook_signature(secret, message_id=message_id, timestamp=timestamp, body=body)
        if any(hmac.compare_digest(each, ours.encode()) for each in given):
            return message_id
    raise ForgedWebhook(f"{SIGNATURE} holds no signature of ours")
