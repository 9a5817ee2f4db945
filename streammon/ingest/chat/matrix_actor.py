"""What can be done in a Matrix room: redact, warn, mute by power level, kick, ban, unban."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Literal
from urllib.parse import quote

from streammon.core.moderation import ActionOutcome, ActionRequest, ModerationAction
from streammon.ingest.chat.acting import ALREADY, outcome_of, refused, together
from streammon.ingest.chat.matrix_events import POWER
from streammon.ingest.chat.web_api import Answer, WebApi, fields_in, wait_of, whole_of

CLIENT = "/_matrix/client/v3"
MUTED = -1
MOST_REASON = 500


def segment(text: str) -> str:
    """`text` as one segment of a path."""
    return quote(text, safe="")


def limited_s(answer: Answer) -> float | None:
    """How long a homeserver asks to wait: newer ones in a header, older ones in the body."""
    if answer.retry_after_s is not None:
        return answer.retry_after_s
    return wait_of(answer.body.get("retry_after_ms"), unit_s=1e-3)


class MatrixActor:
    """Satisfies `acting.PlatformActor`. A receipt is the account's full name, `@who:server`.

    A homeserver does a request with the same transaction id once, however often it comes; bans
    and power levels are states, so they can be set again.
    """

    name = "Matrix"
    lacking = "there is no such action"
    actions = frozenset(ModerationAction) - {ModerationAction.FLAG, ModerationAction.HOLD}

    def __init__(
        self, api: WebApi, rooms: Mapping[str, str], *, ban_as: Literal["ban", "kick"]
    ) -> None:
        """`rooms`: their ids under the names that messages carry."""
        self._api = api
        self._rooms = rooms
        self._ban_as = ban_as
        self._levels = asyncio.Lock()
        """Power levels are read, changed and written as a whole: one after the other."""

    async def act(self, request: ActionRequest, account: str) -> ActionOutcome:
        named = request.room or next(iter(self._rooms))
        room_id = self._rooms.get(named)
        if room_id is None or (not request.room and len(self._rooms) > 1):
            return refused("no such room in this stream")
        room = f"{CLIENT}/rooms/{segment(room_id)}"
        match request.action:
            case ModerationAction.DELETE:
                return await self._redact(room, request)
            case ModerationAction.WARN:
                return await self._warn(room, request, account)
            case ModerationAction.TIMEOUT:
                outcome = await self._mute(room, account, muted=True)
                return replace(outcome, receipt=account, lasts_until_undone=True)
            case ModerationAction.UNTIMEOUT:
                return await self._mute(room, account, muted=False)
            case ModerationAction.BAN:
                outcome = await self._remove(room, request, account)
                return replace(outcome, receipt=account)
            case _:
                return await self._unban(room, account)

    async def _redact(self, room: str, request: ActionRequest) -> ActionOutcome:
        outcomes = []
        for event_id in request.message_ids:
            path = f"{room}/redact/{segment(event_id)}/{_transaction(request, event_id)}"
            answer = await self._api.ask("PUT", path, body=_reason(request))
            outcomes.append(self._outcome(answer, "redact messages of others"))
        return together(outcomes)

    async def _warn(self, room: str, request: ActionRequest, account: str) -> ActionOutcome:
        said = {
            "msgtype": "m.notice",
            "body": f"{account}: {request.reason[:MOST_REASON]}",
            "m.mentions": {"user_ids": [account]},
        }
        path = f"{room}/send/m.room.message/{_transaction(request, account)}"
        return self._outcome(await self._api.ask("PUT", path, body=said), "write")

    async def _mute(self, room: str, account: str, *, muted: bool) -> ActionOutcome:
        """Rooms know no timeouts: below the level that writing takes, nobody can write.

        Whoever has a level of their own keeps it: they are trusted, and it would be forgotten.
        """
        async with self._levels:
            return await self._set_muted(f"{room}/state/{POWER}", account, muted=muted)

    async def _set_muted(self, path: str, account: str, *, muted: bool) -> ActionOutcome:
        answer = await self._api.ask("GET", path)
        if not answer.good:
            return self._outcome(answer, "see the power levels")
        users = dict(fields_in(answer.body, "users"))
        is_muted = users.get(account) == MUTED
        if is_muted == muted:
            return ALREADY
        if muted and account in users:
            return refused("Matrix: the author has a power level of their own, which is kept")
        if muted:
            if (whole_of(answer.body.get("events_default")) or 0) <= MUTED:
                return refused("Matrix: in this room writing takes no power level to be taken away")
            users[account] = MUTED
        else:
            del users[account]
        answer = await self._api.ask("PUT", path, body={**answer.body, "users": users})
        return self._outcome(answer, "change power levels")

    async def _remove(self, room: str, request: ActionRequest, account: str) -> ActionOutcome:
        body = {"user_id": account, **_reason(request)}
        answer = await self._api.ask("POST", f"{room}/{self._ban_as}", body=body)
        if answer.status == 403 and self._ban_as == "kick" and not await self._there(room, account):
            return ALREADY
        return self._outcome(answer, f"{self._ban_as} people")

    async def _unban(self, room: str, account: str) -> ActionOutcome:
        answer = await self._api.ask("POST", f"{room}/unban", body={"user_id": account})
        if answer.text("errcode") == "M_BAD_STATE":
            return ALREADY  # not banned
        return self._outcome(answer, "ban people")

    async def _there(self, room: str, account: str) -> bool:
        answer = await self._api.ask("GET", f"{room}/state/m.room.member/{segment(account)}")
        return answer.text("membership") in ("join", "invite")

    def _outcome(self, answer: Answer, needs: str) -> ActionOutcome:
        wait_s = limited_s(answer)
        return outcome_of(self.name, answer, needs=f"{needs} in this room", wait_s=wait_s)


def _transaction(request: ActionRequest, about: str) -> str:
    """The same for the same part of the same decision."""
    return hashlib.sha256(f"{request.key}\0{about}".encode()).hexdigest()[:32]


def _reason(request: ActionRequest) -> dict[str, str]:
    return {"reason": request.reason[:MOST_REASON]} if request.reason else {}
