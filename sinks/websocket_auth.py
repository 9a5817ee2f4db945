"""Who may connect: the bearer token and, for browsers, the page that the script came from."""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

SUBPROTOCOL = "streammon.v1"
_TOKEN_SUBPROTOCOL = "bearer."  # noqa: S105 - a prefix, not a token
_SCHEME = "bearer "


def bearer_token(authorization: str | None, subprotocols: Sequence[str]) -> str | None:
    """The token that a client sent in `Authorization: Bearer T`, or as subprotocol `bearer.T`.

    Browsers can send no headers with a WebSocket; they offer `["streammon.v1", "bearer.T"]`.
    """
    if authorization is not None and authorization.lower().startswith(_SCHEME):
        return authorization[len(_SCHEME) :].strip()
    for offered in subprotocols:
        if offered.startswith(_TOKEN_SUBPROTOCOL):
            return offered[len(_TOKEN_SUBPROTOCOL) :]
    return None


def token_matches(expected: str | None, given: str | None) -> bool:
    """Whether the client may come in; compared in constant time. Nothing expected: everyone."""
    if expected is None:
        return True
    if not given:
        return False
    return hmac.compare_digest(expected.encode(), given.encode(errors="surrogatepass"))


def origin_matches(origin: str | None, host: str | None) -> bool:
    """Whether a browser's page was served by the host that it now connects to.

    Without this any web page that someone has open could read the events of a monitor on that
    person's machine. Programs that are no browsers send no origin.
    """
    if origin is None:
        return True
    try:
        site = urlsplit(origin).netloc
    except ValueError:
        return False
    return host is not None and site.lower() == host.lower()
