"""Who may ask: the token, the host that was asked for, the page that asks. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from pydantic import SecretStr
from starlette.datastructures import Headers

from streammon.sinks.websocket_auth import bearer_token, origin_matches, token_matches

_ENCODED = "bearer64."
"""Before a token as URL-safe base64: a subprotocol cannot hold every character, `/` for one."""


def bearer_allowed(token: SecretStr | None, headers: Headers) -> bool:
    """Whether the `Authorization` header carries the token; always when there is none."""
    return token_matches(_plain(token), bearer_token(headers.get("authorization"), ()))


def socket_allowed(
    token: SecretStr | None, headers: Headers, *, subprotocols: Sequence[str]
) -> bool:
    """Whether a WebSocket carries the token: in its header, or in a subprotocol."""
    offered = [_decoded(name) for name in subprotocols]
    return token_matches(_plain(token), bearer_token(headers.get("authorization"), offered))


def origin_allowed(token: SecretStr | None, headers: Headers) -> bool:
    """Whether a WebSocket comes from a page of this server, or from no page at all.

    Any page may open a WebSocket anywhere, but the browser says whose page it is. With a token
    to be shown as well, no other site gets in either way.
    """
    return token is not None or origin_matches(headers.get("origin"), headers.get("host"))


def cross_origin_allowed(
    origin: str | None, host: str | None, *, sites: Sequence[str], open_to_all: bool
) -> bool:
    """Whether a page of `origin` may ask: one of ours, of these sites, or any, if so told.

    Programs that are no browsers send no origin.
    """
    return open_to_all or origin in sites or origin_matches(origin, host)


def host_allowed(token: SecretStr | None, headers: Headers) -> bool:
    """Whether `Host` names this machine itself; asked only where no token guards the data.

    A page of another site can make its own name resolve to 127.0.0.1 (DNS rebinding); what its
    browser then sends here still names that site.
    """
    if token is not None:
        return True
    try:
        name = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        return name == "localhost" or ip_address(name).is_loopback
    except ValueError:
        return False  # another name, or none


def _plain(token: SecretStr | None) -> str | None:
    return None if token is None else token.get_secret_value()


def _decoded(subprotocol: str) -> str:
    """`bearer64.<base64url of T>` as `bearer.T`; anything else as it is."""
    if not subprotocol.startswith(_ENCODED):
        return subprotocol
    text = subprotocol.removeprefix(_ENCODED)
    try:
        padded = text + "=" * (-len(text) % 4)
        return "bearer." + base64.b64decode(padded, altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""
