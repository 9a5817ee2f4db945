"""Who sends a call: what providers put into the handshake to prove it. Pure.

- Twilio signs every request to its customers, the handshakes of Media Streams too: Base64 of the
  HMAC-SHA1, keyed with the account's auth token, of the URL as it was configured, in
  `X-Twilio-Signature` (twilio.com/docs/usage/webhooks/webhooks-security).
- Telnyx sends the `stream_auth_token` that was given with the stream; its documents do not say
  where. Its Ed25519 signatures are documented for webhooks only. So the token is taken from
  `Authorization`, or from `?token=` of the stream's URL, which the customer writes.
- Recall.ai signs as Standard Webhooks do, the upgrade of a WebSocket with an empty body
  (docs.recall.ai/docs/authenticating-requests-from-recallai).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qs

from streammon.core.signatures import ForgedWebhook, verify_webhook


@dataclass(frozen=True, slots=True)
class Asked:
    """A handshake, as far as it matters here."""

    path: str
    query: str
    headers: Mapping[str, str]
    """By names in lower case."""


def twilio_signature(url: str, auth_token: str) -> str:
    """What Twilio puts into `X-Twilio-Signature` of a request without a form."""
    digest = hmac.new(auth_token.encode(), url.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def twilio_proves(asked: Asked, *, url: str, auth_token: str) -> bool:
    """Whether the handshake was signed for this URL, with or without a slash at its end."""
    given = asked.headers.get("x-twilio-signature", "")
    urls = (url, f"{url}/" if not url.endswith("/") else url.rstrip("/"))
    return any(_same(given, twilio_signature(each, auth_token)) for each in urls)


def token_proves(asked: Asked, *, token: str) -> bool:
    """Whether the token is there: `Authorization: [Bearer] T`, or `?token=T`."""
    said = asked.headers.get("authorization", "")
    if said.lower().startswith("bearer "):
        said = said[len("bearer ") :]
    try:
        queried = parse_qs(asked.query, max_num_fields=16).get("token", [""])
    except ValueError:
        queried = [""]
    return _same(said.strip(), token) or _same(queried[0], token)


def webhook_proves(asked: Asked, *, secret: str, now_s: float) -> bool:
    """Whether one of the signatures in `webhook-signature` is ours for an empty body, and fresh."""
    try:
        verify_webhook(asked.headers, b"", secrets=[secret], now_s=now_s)
    except ForgedWebhook:
        return False
    return True


def _same(given: str, ours: str) -> bool:
    return hmac.compare_digest(given.encode(errors="surrogatepass"), ours.encode())
