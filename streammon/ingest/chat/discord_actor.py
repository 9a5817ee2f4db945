"""What can be done in a Discord server: delete, warn, timeout, kick or ban, and back."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, Literal
from urllib.parse import quote

from streammon.core.moderation import ActionOutcome, ActionRequest, ModerationAction
from streammon.ingest.chat.acting import ALREADY, outcome_of, refused, together
from streammon.ingest.chat.discord_events import message_number
from streammon.ingest.chat.web_api import Answer, WebApi, wait_of, whole_of

MOST_TIMEOUT_S = 28 * 86_400.0
MOST_REASON = 400
MOST_AT_ONCE = 100
"""Messages of one bulk delete."""
GONE: Final = frozenset({10007, 10008, 10026})
"""Unknown member, message, ban: what was to be taken away is not there."""


def limited_s(answer: Answer) -> float | None:
    """How long Discord asks to wait: its body says it to the millisecond."""
    said_s = wait_of(answer.body.get("retry_after"))
    return answer.retry_after_s if said_s is None else said_s


class DiscordActor:
    """Satisfies `acting.PlatformActor`. A receipt is the account's number."""

    name = "Discord"
    lacking = "there is no such action"
    actions = frozenset(ModerationAction) - {ModerationAction.FLAG, ModerationAction.HOLD}

    def __init__(self, api: WebApi, guild_id: str, *, ban_as: Literal["ban", "kick"]) -> None:
        self._api = api
        self._guild = f"/guilds/{guild_id}"
        self._ban_as = ban_as

    async def act(self, request: ActionRequest, account: str) -> ActionOutcome:
        match request.action:
            case ModerationAction.DELETE:
                return await self._delete(request)
            case ModerationAction.WARN:
                return await self._warn(request, account)
            case ModerationAction.TIMEOUT:
                outcome = await self._silence(request, account, request.duration_s)
                return replace(outcome, receipt=account)
            case ModerationAction.UNTIMEOUT:
                return await self._silence(request, account, None)
            case ModerationAction.BAN:
                return replace(await self._remove(request, account), receipt=account)
            case _:
                answer = await self._ask(request, "DELETE", f"{self._guild}/bans/{account}")
                return self._outcome(answer, "Ban Members")

    async def _delete(self, request: ActionRequest) -> ActionOutcome:
        numbers = list(dict.fromkeys(message_number(each) for each in request.message_ids))
        if not request.room.isdigit() or not all(each.isdigit() for each in numbers):
            return refused("Discord: no such message in this stream")
        channel = f"/channels/{request.room}/messages"
        outcomes = []
        for begin in range(0, len(numbers), MOST_AT_ONCE):
            ids = numbers[begin : begin + MOST_AT_ONCE]
            outcomes.append(await self._delete_some(request, channel, ids))
        return together(outcomes)

    async def _delete_some(
        self, request: ActionRequest, channel: str, ids: Sequence[str]
    ) -> ActionOutcome:
        if len(ids) == 1:
            answer = await self._ask(request, "DELETE", f"{channel}/{ids[0]}")
        else:
            body = {"messages": ids}
            answer = await self._ask(request, "POST", f"{channel}/bulk-delete", body=body)
        return self._outcome(answer, "Manage Messages")

    async def _warn(self, request: ActionRequest, account: str) -> ActionOutcome:
        """A line in the channel that mentions the author; the same nonce is written once."""
        if not request.room.isdigit():
            return refused("Discord: no such channel in this stream")
        body = {
            "content": f"<@{account}> {request.reason[:MOST_REASON]}",
            "allowed_mentions": {"users": [account]},
            "nonce": hashlib.sha256(request.key.encode()).hexdigest()[:24],
            "enforce_nonce": True,
        }
        path = f"/channels/{request.room}/messages"
        return self._outcome(await self._ask(request, "POST", path, body=body), "Send Messages")

    async def _silence(
        self, request: ActionRequest, account: str, duration_s: float | None
    ) -> ActionOutcome:
        until = None
        if duration_s is not None:
            length = timedelta(seconds=min(duration_s, MOST_TIMEOUT_S))
            until = (datetime.now(UTC) + length).isoformat()
        body = {"communication_disabled_until": until}
        answer = await self._ask(request, "PATCH", f"{self._guild}/members/{account}", body=body)
        if whole_of(answer.body.get("code")) == 10007 and until is not None:
            return refused("Discord: the author has left the server")
        return self._outcome(answer, "Moderate Members")

    async def _remove(self, request: ActionRequest, account: str) -> ActionOutcome:
        if self._ban_as == "kick":
            answer = await self._ask(request, "DELETE", f"{self._guild}/members/{account}")
            return self._outcome(answer, "Kick Members")
        body = {"delete_message_seconds": 0}
        answer = await self._ask(request, "PUT", f"{self._guild}/bans/{account}", body=body)
        return self._outcome(answer, "Ban Members")

    async def _ask(
        self, request: ActionRequest, method: str, path: str, *, body: object = None
    ) -> Answer:
        headers = {}
        if request.reason:  # for the server's audit log
            headers["X-Audit-Log-Reason"] = quote(request.reason[:MOST_REASON])
        return await self._api.ask(method, path, body=body, headers=headers)

    def _outcome(self, answer: Answer, permission: str) -> ActionOutcome:
        if answer.status == 404 and whole_of(answer.body.get("code")) in GONE:
            return ALREADY
        needs = f"{permission}, in a role above the author's"
        return outcome_of(self.name, answer, needs=needs, wait_s=limited_s(answer))
