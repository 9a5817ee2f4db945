"""Questions to a platform's web API, answered in JSON: bounded, over HTTPS, without redirects."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from streammon.config import is_loopback
from streammon.core.errors import Retryable, StreammonError
from streammon.ingest.chat.causes import why_lost

TIMEOUT_S = 10.0
MOST_BYTES = 4 * 2**20
MOST_WAIT_S = 3_600.0
"""A platform that asks to wait longer is asked again after this."""

Fields = Mapping[str, Any]
"""A JSON object from outside: whatever is taken from it has to be looked at first."""


def private_url(url: str, scheme: str) -> str:
    """`url` without a last slash if nobody on the way can read what is sent there.

    `scheme` is `https` or `wss`; without TLS only to this machine. Raises `ValueError`.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("not a URL") from None
    plain = scheme.replace("https", "http").replace("wss", "ws")
    if not host or not (parts.scheme == scheme or (parts.scheme == plain and is_loopback(host))):
        raise ValueError(f"expected {scheme}://..., or {plain}:// to this machine")
    if "@" in parts.netloc:
        raise ValueError("credentials do not belong into the URL")
    return url.rstrip("/")


@dataclass(frozen=True, slots=True)
class Answer:
    """What an API said, whatever the status."""

    status: int
    body: Fields
    """Empty where it is not a JSON object."""
    headers: Mapping[str, str]
    """With names in lower case."""

    @property
    def good(self) -> bool:
        return 200 <= self.status < 300

    def text(self, name: str) -> str:
        """A field of the body if it is a string, else an empty one."""
        return text_of(self.body, name)

    @property
    def retry_after_s(self) -> float | None:
        """How long to wait, if the `Retry-After` header says so in seconds."""
        return wait_of(self.headers.get("retry-after"))


class WebApi:
    """One platform's API with one login. On the event loop; open while its `opened` block is."""

    def __init__(self, name: str, client: httpx.AsyncClient, *, worked_before: bool) -> None:
        self.name = name
        self._client = client
        self._worked = worked_before

    @classmethod
    @asynccontextmanager
    async def opened(
        cls,
        name: str,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        worked_before: bool = False,
    ) -> AsyncGenerator[WebApi]:
        """`name` is how causes call the platform; `headers` go with every question."""
        async with httpx.AsyncClient(
            base_url=base_url,
            headers=headers,
            timeout=None,  # noqa: S113 - `ask` bounds the whole question
            follow_redirects=False,
            trust_env=False,
        ) as client:
            yield cls(name, client, worked_before=worked_before)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        timeout_s: float = TIMEOUT_S,
        most_bytes: int = MOST_BYTES,
    ) -> Answer:
        """Ask once. `body` is sent as JSON, `form` as a form; segments of `path` are quoted.

        Raises `Retryable` when there is no whole answer in time, `Permanent` for a certificate that
        was never good; causes hold neither the path nor anything that was sent.
        """
        try:
            async with (
                asyncio.timeout(timeout_s),
                self._client.stream(
                    method, path, params=query, json=body, data=form, headers=headers
                ) as response,
            ):
                raw = await _whole(response, most_bytes)
        except TimeoutError:
            raise Retryable(f"{self.name} did not answer within {timeout_s:g} s") from None
        except httpx.HTTPError as error:
            raise self._why_away(error) from None
        self._worked = True
        if raw is None:
            raise Retryable(f"{self.name} answered with more than {most_bytes} bytes")
        lowered = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, fields_of(raw), lowered)

    def _why_away(self, error: httpx.HTTPError) -> StreammonError:
        """In words; the innermost error of a socket says most."""
        why: StreammonError = Retryable(f"is away: {type(error).__name__}")
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError):
                why = why_lost(cause, worked_before=self._worked)
            cause = cause.__cause__ or cause.__context__
        return type(why)(f"{self.name}: {why}")


async def _whole(response: httpx.Response, most_bytes: int) -> bytes | None:
    """The body, or `None` if it is longer than it may be."""
    taken = bytearray()
    async for part in response.aiter_bytes():
        taken += part
        if len(taken) > most_bytes:
            return None
    return bytes(taken)


def fields_of(raw: bytes | str) -> Fields:
    """A JSON object; an empty one for anything else."""
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def fields_in(fields: Fields, name: str) -> Fields:
    """The object under this name, or an empty one."""
    value = fields.get(name)
    return value if isinstance(value, dict) else {}


def objects_in(fields: Fields, name: str) -> list[Fields]:
    """The objects of the list under this name; what else is in it is passed over."""
    value = fields.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text_of(fields: Fields, name: str) -> str:
    """The string under this name, or an empty one."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def whole_of(value: object) -> int | None:
    """A whole number as JSON or old software writes it, or `None`."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        return int(value)
    except ValueError:
        return None


def wait_of(value: object, *, unit_s: float = 1.0) -> float | None:
    """Seconds to wait, from 0 to `MOST_WAIT_S`; `None` for what is not a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        wait_s = float(value) * unit_s
    except (ValueError, OverflowError):
        return None
    return min(max(wait_s, 0.0), MOST_WAIT_S) if math.isfinite(wait_s) else None
