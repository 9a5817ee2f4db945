"""Helix, Twitch's web API, as one user: the token is checked, renewed, and never shown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from streammon.core.errors import Permanent, Retryable
from streammon.ingest.chat.web_api import Answer, WebApi, wait_of

SIGN_IN = "get a new user access token with the scopes of docs/chat.md and set `token`"


@dataclass(frozen=True, slots=True, repr=False)
class Renewal:
    """What a new token is asked for with."""

    client_id: str
    client_secret: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class TwitchUser:
    """Whose token it is, and what it is good for."""

    user_id: str
    client_id: str
    scopes: frozenset[str]


class Tokens:
    """The newest tokens of a login: they outlive connections, in memory only."""

    def __init__(self, access: str, renewal: Renewal | None) -> None:
        self.access = access
        self.renewal = renewal

    def renewed(self, access: str, refresh: str) -> None:
        assert self.renewal is not None
        renewal = self.renewal
        self.access = access
        self.renewal = Renewal(renewal.client_id, renewal.client_secret, refresh)


class Helix:
    """On the event loop. A token that has run out is renewed once per question."""

    def __init__(self, api: WebApi, accounts: WebApi, tokens: Tokens) -> None:
        self.user = TwitchUser("", "", frozenset())
        """Filled by `validate`."""
        self._api = api
        self._accounts = accounts
        self._tokens = tokens
        self._renewing = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def opened(
        cls, api_url: str, accounts_url: str, tokens: Tokens, *, worked_before: bool
    ) -> AsyncGenerator[Helix]:
        """Raises `Permanent` for a token that is no good."""
        async with (
            WebApi.opened("Twitch", api_url, worked_before=worked_before) as api,
            WebApi.opened("Twitch", accounts_url, worked_before=worked_before) as accounts,
        ):
            helix = cls(api, accounts, tokens)
            await helix.validate()
            yield helix

    async def validate(self) -> None:
        """Find out whose token it is; Twitch wants this done every hour."""

        async def check(token: str) -> Answer:
            headers = {"Authorization": f"OAuth {token}"}
            return await self._accounts.ask("GET", "/oauth2/validate", headers=headers)

        answer = await self._with_good_token(check)
        if not answer.good:
            raise Retryable(f"Twitch answered {answer.status} to the check of the token")
        if not answer.text("user_id"):
            raise Permanent(f"Twitch: this is an app access token: {SIGN_IN}")
        scopes = answer.body.get("scopes")
        named = [each for each in scopes if isinstance(each, str)] if scopes else []
        self.user = TwitchUser(answer.text("user_id"), answer.text("client_id"), frozenset(named))

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: object = None,
    ) -> Answer:
        """One question. Raises `Permanent` when the token is refused and cannot be renewed."""

        async def attempt(token: str) -> Answer:
            headers = {"Authorization": f"Bearer {token}", "Client-Id": self.user.client_id}
            return await self._api.ask(method, path, query=query, body=body, headers=headers)

        return await self._with_good_token(attempt)

    async def _with_good_token(self, attempt: Callable[[str], Awaitable[Answer]]) -> Answer:
        token = self._tokens.access
        answer = await attempt(token)
        if answer.status != 401:
            return answer
        async with self._renewing:
            if self._tokens.access == token:
                await self._renew()
        answer = await attempt(self._tokens.access)
        if answer.status == 401:
            raise Permanent(f"Twitch refused the token: {SIGN_IN}")
        return answer

    async def _renew(self) -> None:
        renewal = self._tokens.renewal
        if renewal is None:
            raise Permanent(f"Twitch refused the token: {SIGN_IN}")
        form = {
            "grant_type": "refresh_token",
            "refresh_token": renewal.refresh_token,
            "client_id": renewal.client_id,
            "client_secret": renewal.client_secret,
        }
        answer = await self._accounts.ask("POST", "/oauth2/token", form=form)
        access, refresh = answer.text("access_token"), answer.text("refresh_token")
        if answer.status in (400, 401, 403):
            raise Permanent(f"Twitch does not renew the token: {SIGN_IN}, and `refresh_token`")
        if not answer.good or not access:
            raise Retryable(f"Twitch answered {answer.status} to the renewal of the token")
        self._tokens.renewed(access, refresh or renewal.refresh_token)


def reset_s(answer: Answer, *, now_unix_s: Callable[[], float] = time.time) -> float | None:
    """How long until Helix answers again, as far as it says."""
    reset = answer.headers.get("ratelimit-reset", "")
    if not reset.isdigit():
        return answer.retry_after_s
    return wait_of(int(reset[:15]) - now_unix_s())
