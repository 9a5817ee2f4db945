"""Signatures of Standard Webhooks (standardwebhooks.com), for those who send and who receive."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with


def webhook_signature(secret: str, *, message_id: str, timestamp: str, body: bytes) -> str:
    """The `v1` signature: HMAC-SHA256 of `id.timestamp.body`, in Base64 behind `v1,`.

    Raises `ValueError` where the secret is not Base64, with or without `whsec_` before it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(SECRET_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("the secret is not Base64") from error
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
