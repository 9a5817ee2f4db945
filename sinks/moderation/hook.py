"""Asks somebody else's program about a decision, over a signed webhook, and reads the answer."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from enum import StrEnum

import httpx

from streammon.core.errors import Retryable
from streammon.sinks.moderation.records import Decision, State, to_json
from streammon.sinks.moderation.settings import HookConfig
from streammon.sinks.standard_webhooks import event_body, signed_headers
from streammon.sinks.wire import rfc3339

log = logging.getLogger(__name__)

EVENT = "moderation.suggested"
MOST_ANSWER_BYTES = 4096
ONE_TRY_S = 5.0
LATER = frozenset({408, 425, 429})


class Answer(StrEnum):
    CONFIRM = "confirm"
    VETO = "veto"
    NONE = ""
    """It was told, and said nothing that counts: it may still confirm or veto over the API."""


class ModerationHook:
    """One receiver. Use within `client`'s life."""

    def __init__(
        self, settings: HookConfig, client: httpx.AsyncClient, *, wall_ns: Callable[[], int]
    ) -> None:
        self._settings = settings
        self._client = client
        self._wall_ns = wall_ns

    async def ask(self, decision: Decision) -> Answer:
        """Tell of a decision and take the answer. Raises `Retryable` when nobody heard it."""
        now_ns = self._wall_ns()
        data = to_json(decision) | {"needs_person": decision.state is State.HELD}
        body = event_body(EVENT, at=rfc3339(now_ns), data=data)
        headers = signed_headers(
            self._settings.secret,
            message_id=f"mod_{decision.decision_id}",
            at_s=now_ns // 10**9,
            body=body,
        )
        url = self._settings.url.get_secret_value()
        try:
            async with (
                asyncio.timeout(min(ONE_TRY_S, self._settings.answer_within_s)),
                self._client.stream("POST", url, content=body, headers=headers) as answer,
            ):
                said = await _bounded(answer)
                status = answer.status_code
        except (httpx.HTTPError, TimeoutError) as error:
            # httpx's own text may hold the URL.
            raise Retryable(f"the hook is away: {type(error).__name__}") from None
        if status in LATER or status >= 500:
            raise Retryable(f"the hook answered {status}")
        if status >= 300:
            log.warning("moderation_hook_refused", extra={"status": status})
            return Answer.NONE
        return understood(said, decision.decision_id)


async def _bounded(answer: httpx.Response) -> bytes:
    """The body as it came, decoded by nobody; empty where it is longer than an answer is."""
    said = bytearray()
    async for part in answer.aiter_raw():
        said += part
        if len(said) > MOST_ANSWER_BYTES:
            return b""
    return bytes(said)


def understood(said: bytes, decision_id: str) -> Answer:
    """`{"decision": "confirm" | "veto"}`, and with a `decision_id` that of the question. Anything
    else is no answer.
    """
    try:
        answer = json.loads(said)
    except (ValueError, RecursionError):
        return Answer.NONE
    if not isinstance(answer, dict) or answer.get("decision_id", decision_id) != decision_id:
        return Answer.NONE
    word = answer.get("decision")
    return Answer(word) if word in ("confirm", "veto") else Answer.NONE
