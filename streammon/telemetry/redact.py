"""Takes the secrets out of URLs before anyone reads them."""

from __future__ import annotations

import re

HIDDEN = "***"

_URL = re.compile(r"""[A-Za-z][A-Za-z0-9+.-]*:(?://|[^\s"<>]*[?&;#])[^\s"<>]*""")
_AUTHORITY = re.compile(r"^(?P<scheme>[^:]*://)(?P<authority>[^/?#]*)(?P<rest>.*)$")
_HOST_AND_PORT = re.compile(r"^(?:\[[^\]]*\]|[^:]*)(?::\d*)?$")
_SECRET = re.compile(
    r"""(?P<name>[?&;\#][^=&;\#]*?
        (?:token|key|sig|pass|pwd|secret|auth|cred|jwt|session|streamid)[^=&;\#]*=)
        [^&;\#]*""",
    re.IGNORECASE | re.VERBOSE,
)


def redact_url(text: str) -> str:
    """`text` with the secrets of every URL in it replaced by `***`.

    Gone are the whole user part (`user:password@`) and the values of query keys that look
    secret (token, key, sig, password, auth, ...). Errs on the side of hiding too much; text
    without a URL comes back unchanged.
    """
    return _URL.sub(lambda found: _redacted(found.group()), text)


def _redacted(url: str) -> str:
    return _SECRET.sub(rf"\g<name>{HIDDEN}", _without_user(url))


def _without_user(url: str) -> str:
    parts = _AUTHORITY.match(url)
    if parts is None:
        return url
    scheme, authority, rest = parts.group("scheme", "authority", "rest")
    # A password may hold an unescaped `/`, `?`, `#` or `@`: the user part ends at the last `@`.
    head, at, tail = rest.rpartition("@")
    if at and ("@" in authority or ":" in head or not _HOST_AND_PORT.match(authority)):
        return f"{scheme}{HIDDEN}@{tail}"
    if "@" in authority:
        return f"{scheme}{HIDDEN}@{authority.rpartition('@')[2]}{rest}"
    return url
