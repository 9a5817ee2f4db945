"""What an operator of an IRC channel can do about an author: warn, quiet, ban, kick, and back.

IRC answers a mode only where it changes something, so each action is followed by a question whose
answer comes after all that the server had to say to the action.
"""

from __future__ import annotations

import asyncio
import re
import secrets

from streammon.core.moderation import (
    UNDOES,
    ActionOutcome,
    ActionRequest,
    ActionStatus,
    ModerationAction,
)
from streammon.ingest.chat.book import Author
from streammon.ingest.chat.irc.line import IrcLine
from streammon.ingest.chat.irc.registration import Send
from streammon.ingest.chat.irc.session import Session

ACTIONS = frozenset(
    {
        ModerationAction.WARN,
        ModerationAction.TIMEOUT,
        ModerationAction.BAN,
        ModerationAction.UNTIMEOUT,
        ModerationAction.UNBAN,
    }
)
ANSWERED_WITHIN_S = 20.0
MOST_REASON_BYTES = 250
REFUSALS = {
    "401": "the author is gone",
    "404": "we may not speak there",
    "442": "we are not in the channel",
    "472": "the server does not know this mode",
    "478": "the channel's list of bans is full",
    "481": "the server does not let us",
    "482": "we are no operator of the channel: have somebody make us one",
    "484": "the server protects this author",
    "485": "the server protects this author",
}
HARMLESS_TO_A_BAN = frozenset({"401", "441"})
"""The author had left before being kicked."""
RECEIPT = re.compile(r"(\S+) ([bq]) (\S+)")


class Acting:
    """Acts on one connection, one action at a time."""

    def __init__(self, session: Session, send: Send, *, ban_by: str) -> None:
        self._session = session
        self._send = send
        self._ban_by = ban_by
        self._turn = asyncio.Lock()
        self._token = ""
        self._refusals: list[str] = []
        self._answered: asyncio.Future[bool] | None = None

    def heard(self, line: IrcLine) -> None:
        """Every line of the connection, before anybody else looks at it."""
        if self._answered is None or self._answered.done():
            return
        if line.command == "PONG" and line.param(-1) == self._token:
            self._answered.set_result(True)
        elif line.command in REFUSALS or line.command == "441":
            self._refusals.append(line.command)

    def end(self) -> None:
        """The connection is over."""
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(False)

    async def act(self, request: ActionRequest, author: Author | None) -> ActionOutcome:
        """See `moderation.ChatActor`."""
        undoing = request.action in UNDOES
        steps, receipt = self._undo(request) if undoing else self._do(request, author)
        if isinstance(steps, str):
            return ActionOutcome(ActionStatus.REFUSED, steps)
        try:
            async with asyncio.timeout(ANSWERED_WITHIN_S), self._turn:
                answered = await self._asked(steps)
        except TimeoutError:
            return ActionOutcome(ActionStatus.FAILED, "no answer from the server")
        if not answered:
            return ActionOutcome(ActionStatus.FAILED, "the connection was lost")
        harmless = HARMLESS_TO_A_BAN if request.action is ModerationAction.BAN else frozenset()
        refused = [each for each in self._refusals if each not in harmless]
        if refused:
            cause = REFUSALS.get(refused[0], "the author is not in the channel")
            return ActionOutcome(ActionStatus.REFUSED, cause)
        lasts = request.action is ModerationAction.TIMEOUT
        return ActionOutcome(ActionStatus.DONE, receipt=receipt, lasts_until_undone=lasts)

    async def _asked(self, steps: list[tuple[str, ...]]) -> bool:
        """Send, and return once all is answered; false: it will not be."""
        self._token = f"act-{secrets.token_hex(6)}"
        self._refusals = []
        self._answered = asyncio.get_running_loop().create_future()
        for step in steps:
            self._send(*step)
        self._send("PING", self._token)
        return await self._answered

    def _do(
        self, request: ActionRequest, author: Author | None
    ) -> tuple[list[tuple[str, ...]] | str, str]:
        """What to send and the receipt, or why not."""
        session, room = self._session, self._room(request.room)
        if author is None or "@" not in author.address:
            return "the author has not been seen since we connected", ""
        if session.fold(room) not in session.rooms.joined:
            return "we are not in the channel", ""
        nick, _, account_at_host = author.address.partition("!")
        reason = request.reason.encode()[:MOST_REASON_BYTES].decode(errors="ignore")
        if request.action is ModerationAction.WARN:
            return [("NOTICE", nick, reason or f"A warning from the moderators of {room}.")], ""
        mask = self._mask(account_at_host)
        if self._mask(session.address.partition("!")[2]) == mask:
            return "the mask would hit ourselves: we come from the same host", ""
        mode = "b"
        steps: list[tuple[str, ...]] = []
        if request.action is ModerationAction.TIMEOUT:
            mode = self._quiet_mode()
            steps = [("MODE", room, f"+{mode}", mask)]
        else:
            steps = [("MODE", room, "+b", mask), ("KICK", room, nick, reason or "banned")]
        return steps, f"{room} {mode} {mask}"

    def _undo(self, request: ActionRequest) -> tuple[list[tuple[str, ...]] | str, str]:
        found = RECEIPT.fullmatch(request.receipt)
        if found is None:
            return "there is no receipt of what is to be undone", ""
        room, mode, mask = found.groups()
        if self._session.fold(room) not in self._session.rooms.joined:
            return "we are not in the channel", ""
        return [("MODE", room, f"-{mode}", mask)], ""

    def _room(self, room: str) -> str:
        """The channel that is meant: where there is one, it need not be named."""
        names = list(self._session.rooms.names.values())
        return names[0] if not room and len(names) == 1 else room

    def _mask(self, user_at_host: str) -> str:
        user, _, host = user_at_host.rpartition("@")
        return f"*!{user}@{host}" if self._ban_by == "user" else f"*!*@{host}"

    def _quiet_mode(self) -> str:
        """`q` where that is a list of who may not speak; a ban, which says the same, elsewhere."""
        lists = self._session.isupport.get("CHANMODES", "").partition(",")[0]
        return "q" if "q" in lists else "b"
