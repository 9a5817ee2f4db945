"""Each alert posted to a URL, as Standard Webhooks 1.0 (standardwebhooks.com) says."""

from __future__ import annotations

import asyncio
import hashlib
import json
import math
import ssl
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import urlsplit

import httpcore
import httpx
from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from streammon import __version__
from streammon.core.errors import Permanent, Retryable
from streammon.core.ports import StoredAlert
from streammon.core.types import Outgoing
from streammon.registry import AdapterConfig
from streammon.sections import is_loopback
from streammon.sinks.alert_choice import AlertChoice
from streammon.sinks.guarded_network import GuardedNetwork, PrivateAddress, is_public
from streammon.sinks.outbox_post import Gone, Later, Refused, RetryPlan
from streammon.sinks.standard_webhooks import WebhookSecrets, event_body, signed_headers
from streammon.sinks.wire import rfc3339

REFUSED = frozenset({400, 413, 415, 422})
"""The receiver judged the message itself."""
GONE = 410
MOST_RETRY_AFTER_S = 3600.0
"""A receiver may ask for a pause this long; a longer one is cut to it."""
MOST_REPLY_BYTES = 65_536
"""Of an answer that are read, and thrown away, so that the connection can be used again."""
KEEPALIVE_S = 30.0


class WebhookConfig(AdapterConfig):
    """One endpoint. Several endpoints are several sinks, each with its own choice of alerts."""

    type: Literal["webhook"] = "webhook"
    url: SecretStr
    """`https://...`. Often holds a key, so it is not shown."""
    secret: WebhookSecrets = ()
    """`whsec_` and Base64; several while they are being changed. Without one nothing is signed."""
    choose: AlertChoice = AlertChoice()
    allow_private: bool = False
    """Also post to this machine and to private networks, and without TLS."""
    ca_file: Path | None = None
    """Certificates (PEM) to trust instead of the public ones."""
    timeout_s: PositiveFloat = Field(15.0, le=60.0)
    """For one try, all of it."""
    at_once: PositiveInt = Field(8, le=64)
    """Alerts on their way at a time, each of another stream."""
    first_pause_s: PositiveFloat = Field(5.0, le=3600.0)
    most_pause_s: PositiveFloat = Field(900.0, le=86_400.0)
    give_up_after_h: PositiveFloat = Field(24.0, le=168.0)
    """An alert that is not taken is tried again after pauses that double from the first to the
    longest; after this long it is a dead letter."""

    @model_validator(mode="after")
    def leads_outside(self) -> WebhookConfig:
        parts = urlsplit(self.url.get_secret_value())
        host = parts.hostname or ""
        if parts.scheme not in {"http", "https"} or not host or parts.username or parts.password:
            raise ValueError("url: expected https://host/..., without a user in it")
        if self.allow_private:
            return self
        if parts.scheme == "http":
            raise ValueError("url: expected https://... (plain http needs `allow_private: true`)")
        if is_loopback(host) or _is_private_number(host):
            raise ValueError("url: leads into a private network; needs `allow_private: true`")
        return self

    def build(self, name: str) -> WebhookSink:
        return WebhookSink(name, self)


def _is_private_number(host: str) -> bool:
    try:
        return not is_public(host)
    except ValueError:
        return False  # a name: what it leads to is looked at whenever it is connected to


class WebhookSink:
    """Satisfies `ports.Sink` and `outbox_post.PostalSink`."""

    def __init__(
        self,
        name: str,
        config: WebhookConfig,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
        network: httpcore.AsyncNetworkBackend | None = None,
    ) -> None:
        """`network` stands in for the guarded one."""
        self.name = name
        self.plan = RetryPlan.over(
            first_s=config.first_pause_s,
            most_s=config.most_pause_s,
            give_up_s=config.give_up_after_h * 3600.0,
        )
        self.most_at_once = config.at_once
        url = config.url.get_secret_value()
        self.address = hashlib.sha256(url.encode()).hexdigest()[:16]
        self._config = config
        self._wall_ns = wall_ns
        self._network = network or GuardedNetwork(allow_private=config.allow_private)
        self._pool: httpcore.AsyncConnectionPool | None = None

    async def __aenter__(self) -> Self:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_tls(self._config.ca_file),
            max_connections=self._config.at_once,
            keepalive_expiry=KEEPALIVE_S,
            network_backend=self._network,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.aclose()

    def wants(self, item: Outgoing) -> bool:
        """Nothing that does not come through the outbox."""
        return False

    async def deliver(self, item: Outgoing) -> None:
        raise AssertionError("nothing of this kind is wanted")

    def addresses(self, alert: StoredAlert) -> bool:
        return self._config.choose.takes(json.loads(alert.body))

    async def post(self, alert: StoredAlert) -> None:
        """One try. Raises `Later`, `Refused`, another `Retryable`, or `Gone`; none repeats the URL
        or what the receiver said.
        """
        body = webhook_body(alert)
        headers = {"user-agent": f"streammon/{__version__}"} | signed_headers(
            self._config.secret,
            message_id=alert.alert_id,
            at_s=self._wall_ns() // 10**9,
            body=body,
        )
        try:
            async with asyncio.timeout(self._config.timeout_s):
                status, retry_after = await self._ask(headers, body)
        except PrivateAddress:
            raise Retryable(
                "the webhook's name leads into a private network, where it is not posted "
                "to unless `allow_private: true`"
            ) from None
        except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
            raise Retryable(f"the webhook cannot be reached{_tls_problem(error)}") from None
        except (TimeoutError, httpcore.TimeoutException):
            raise Retryable(
                f"the webhook did not answer within {self._config.timeout_s:g} s"
            ) from None
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise Retryable(f"the webhook broke off: {type(error).__name__}") from None
        self._judge(status, retry_after)

    async def _ask(self, headers: Mapping[str, str], body: bytes) -> tuple[int, str | None]:
        """The answer's status and its `Retry-After`."""
        assert self._pool is not None, "posted outside of its context"
        timeouts = dict.fromkeys(("connect", "read", "write", "pool"), self._config.timeout_s)
        url = httpx.URL(self._config.url.get_secret_value())  # encodes what has to be
        async with self._pool.stream(
            "POST",
            str(url),
            headers=list(headers.items()),
            content=body,
            extensions={"timeout": timeouts},
        ) as answer:
            read = 0
            async for part in answer.aiter_stream():
                read += len(part)
                if read > MOST_REPLY_BYTES:
                    break
            said = {name.lower(): value for name, value in answer.headers}
            retry_after = said.get(b"retry-after")
        return answer.status, None if retry_after is None else retry_after.decode("latin-1")

    def _judge(self, status: int, retry_after: str | None) -> None:
        if 200 <= status < 300:
            return
        answered = f"the webhook answered {status}"
        if status == GONE:
            raise Gone(f"{answered}: it wants no more")
        if 300 <= status < 400:
            raise Retryable(f"{answered}: a redirect is not followed; put the new URL into `url`")
        wait_s = parse_retry_after(retry_after, now_s=self._wall_ns() / 1e9)
        if wait_s is not None:
            raise Later(answered, after_s=wait_s)
        if status in REFUSED:
            raise Refused(f"{answered}: it refuses the message")
        raise Retryable(answered)


def webhook_body(alert: StoredAlert) -> bytes:
    """What is posted: the same bytes at each try. `data` is the alert as the schema has it."""
    said: dict[str, Any] = json.loads(alert.body)
    at = said.get("time") or rfc3339(0)
    return event_body(f"alert.{said['state']}", at=at, data=said)


def parse_retry_after(value: str | None, *, now_s: float) -> float | None:
    """Seconds to wait, 0 to `MOST_RETRY_AFTER_S`: of a number, or of an HTTP date (RFC 9110)."""
    if value is None:
        return None
    try:
        wait_s = float(value)
    except ValueError:
        try:
            moment = parsedate_to_datetime(value)
            wait_s = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp() - now_s
        except (ValueError, OverflowError):
            return None
    if math.isnan(wait_s):
        return None
    return min(max(wait_s, 0.0), MOST_RETRY_AFTER_S)


def _tls(ca_file: Path | None) -> ssl.SSLContext:
    """Raises `Permanent` when the certificates cannot be read."""
    if ca_file is None:
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cafile=str(ca_file))
    except (OSError, ssl.SSLError) as error:
        raise Permanent(f"ca_file {ca_file} cannot be used: {error.strerror or error}") from error


def _tls_problem(error: Exception) -> str:
    """Why a certificate was refused, in the words of the library; empty: it was something else."""
    cause = error.__cause__ or error.__context__ or error
    found = cause if isinstance(cause, ssl.SSLCertVerificationError) else None
    return "" if found is None else f": its certificate is refused ({found.verify_message})"
