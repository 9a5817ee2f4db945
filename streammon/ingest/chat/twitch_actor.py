"""What can be done in a Twitch chat, through Helix: delete, warn, timeout, ban, and back."""

from __future__ import annotations

import math
from dataclasses import replace

from streammon.core.moderation import ActionOutcome, ActionRequest, ModerationAction
from streammon.ingest.chat.acting import ALREADY, outcome_of, together
from streammon.ingest.chat.twitch_login import Helix, reset_s
from streammon.ingest.chat.web_api import Answer

MOST_TIMEOUT_S = 1_209_600
"""Two weeks."""
MOST_REASON = 500
SCOPES = {
    "moderator:manage:chat_messages": {ModerationAction.DELETE},
    "moderator:manage:warnings": {ModerationAction.WARN},
    "moderator:manage:banned_users": {
        ModerationAction.TIMEOUT,
        ModerationAction.UNTIMEOUT,
        ModerationAction.BAN,
        ModerationAction.UNBAN,
    },
}


class TwitchActor:
    """Satisfies `acting.PlatformActor`. A receipt is the account's number.

    What it may do is what the token was given; whether the user moderates the channel, Twitch
    says when it is asked.
    """

    name = "Twitch"
    lacking = "the token lacks the scope: see docs/chat.md"

    def __init__(self, helix: Helix, broadcaster_id: str) -> None:
        self._helix = helix
        self._where = {"broadcaster_id": broadcaster_id}

    @property
    def actions(self) -> frozenset[ModerationAction]:
        granted = self._helix.user.scopes
        return frozenset().union(*(SCOPES[scope] for scope in SCOPES if scope in granted))

    async def act(self, request: ActionRequest, account: str) -> ActionOutcome:
        match request.action:
            case ModerationAction.DELETE:
                return together([await self._delete(each) for each in request.message_ids])
            case ModerationAction.WARN:
                data = {"user_id": account, "reason": _reason(request) or "Please mind the rules."}
                answer = await self._ask("POST", "/moderation/warnings", body={"data": data})
                return self._outcome(answer, "moderator:manage:warnings")
            case ModerationAction.TIMEOUT | ModerationAction.BAN:
                return await self._ban(request, account)
            case _:
                return await self._unban(account)

    async def _delete(self, message_id: str) -> ActionOutcome:
        answer = await self._ask("DELETE", "/moderation/chat", message_id=message_id)
        if answer.status == 404:
            return ALREADY  # gone, or older than the six hours in which it could be
        return self._outcome(answer, "moderator:manage:chat_messages")

    async def _ban(self, request: ActionRequest, account: str) -> ActionOutcome:
        data: dict[str, str | int] = {"user_id": account, "reason": _reason(request)}
        if request.duration_s is not None and request.action is ModerationAction.TIMEOUT:
            data["duration"] = min(MOST_TIMEOUT_S, math.ceil(request.duration_s))
        answer = await self._ask("POST", "/moderation/bans", body={"data": data})
        if answer.status == 400 and "already banned" in answer.text("message").lower():
            return replace(ALREADY, receipt=account)
        outcome = self._outcome(answer, "moderator:manage:banned_users")
        return replace(outcome, receipt=account)

    async def _unban(self, account: str) -> ActionOutcome:
        answer = await self._ask("DELETE", "/moderation/bans", user_id=account)
        if answer.status == 400 and "not banned" in answer.text("message").lower():
            return ALREADY
        return self._outcome(answer, "moderator:manage:banned_users")

    async def _ask(self, method: str, path: str, *, body: object = None, **more: str) -> Answer:
        query = {**self._where, "moderator_id": self._helix.user.user_id, **more}
        return await self._helix.ask(method, path, query=query, body=body)

    def _outcome(self, answer: Answer, scope: str) -> ActionOutcome:
        if answer.status == 409:  # another action on the same user is under way
            answer = Answer(503, answer.body, answer.headers)
        needs = f"moderate the channel, and the scope {scope}"
        return outcome_of(self.name, answer, needs=needs, wait_s=reset_s(answer))


def _reason(request: ActionRequest) -> str:
    return request.reason[:MOST_REASON]
