"""What is said on one connection to an IRC server, and what we say to it. Pure but for `send`."""

from __future__ import annotations

import re
from collections.abc import Callable

from streammon.core.errors import Retryable, StreammonError
from streammon.ingest.chat import causes
from streammon.ingest.chat.irc import speech
from streammon.ingest.chat.irc.line import IrcLine, folded
from streammon.ingest.chat.irc.registration import Registration, Send
from streammon.ingest.chat.irc.rooms import NOT_LET_IN, Rooms
from streammon.ingest.chat.irc.settings import IrcSettings
from streammon.ingest.chat.said import Said

WELCOME_WITHIN_S = 30.0
JOINED_WITHIN_S = 20.0
REJOIN_S = 30.0
JOINS_AT_ONCE, JOINS_EVERY_S = 4, 6.0
"""Slower than what servers take for a flood."""
TWITCH_JOINS_AT_ONCE, TWITCH_JOINS_EVERY_S = 18, 11.0
"""20 in 10 s are allowed to an account."""
MOST_TOKENS = 500
ENDED = (
    (r"bad password|access denied|authori", "the server's password was refused: check `password`"),
    (r"[kgzd]-?line|banned", "we are banned from this server: ask its operators"),
    (r"throttl|too (?:many|fast)|flood", "the server has too many connections from here"),
    (r"ping timeout|timed? ?out", "the server did not hear from us"),
    (r"kill", "an operator of the server ended the connection"),
    (r"shut|restart|going down|terminat", "the server is going down"),
)
"""Why a server says goodbye: what its words hold, and how we put it."""
NEEDS_PERSON = re.compile(ENDED[0][0] + "|" + ENDED[1][0], re.IGNORECASE)
TWITCH_REFUSED = re.compile(r"login (?:authentication failed|unsuccessful)|improperly formatted")
TWITCH_NOT_LET_IN = {"msg_banned": "474", "msg_channel_suspended": "403", "tos_ban": "403"}


class Session:
    """One connection's conversation: `begin`, then `take` with each line that comes.

    `stands` is told how we stand in our channels whenever that changes: empty where all is well.
    `fail` is called when a timer finds that this connection is of no use; `take` raises.
    """

    def __init__(
        self,
        settings: IrcSettings,
        *,
        send: Send,
        later: Callable[[float, Callable[[], None]], None],
        stands: Callable[[str], None],
        fail: Callable[[StreammonError], None],
        worked_before: bool,
    ) -> None:
        self.registration = Registration(settings, send, worked_before=worked_before)
        self.rooms = Rooms((), self.fold)
        self.isupport: dict[str, str] = {}
        """What the server tells of itself: 005."""
        self.address = ""
        """Ours, `nick!user@host`, as the others see it; empty before we are in a channel."""
        self.deleted: Callable[[str], None] = lambda message_id: None
        """Told of messages that moderators of Twitch delete."""
        self._settings = settings
        self._twitch = settings.dialect == "twitch"
        self._send = send
        self._later = later
        self._stands = stands
        self._fail = fail
        self._worked_before = worked_before
        self._to_join: list[str] = []

    def begin(self) -> None:
        self.registration.begin()
        self._later(WELCOME_WITHIN_S, self._welcomed)

    def fold(self, name: str) -> str:
        """A name as this server compares them."""
        return folded(name, mapping=self.isupport.get("CASEMAPPING", "rfc1459"))

    def is_us(self, nick: str) -> bool:
        return self.fold(nick) == self.fold(self.registration.nick)

    def take(self, line: IrcLine) -> Said | None:
        """What somebody said, if this line is that. Raises when the connection is of no use."""
        if line.command == "PRIVMSG":
            return self._said(line)
        match line.command:
            case "PING":
                self._send("PONG", *line.params[-1:])
            case "ERROR":
                raise self._ended(line.param(-1))
            case "RECONNECT":
                raise Retryable("the server asks to connect anew")
            case "NOTICE" if self._twitch:
                self._told(line)
            case "NOTICE" | "USERNOTICE":
                return self._said(line)
            case "CLEARMSG":
                self.deleted(line.tags.get("target-msg-id", ""))
            case _ if not self.registration.done:
                self.registration.take(line)
            case _:
                self._note(line)
        return None

    # --- what others say -------------------------------------------------------------------

    def _said(self, line: IrcLine) -> Said | None:
        if self.fold(line.param(0)) not in self.rooms.names or len(line.params) < 2:
            return None
        if self._twitch:
            return speech.twitch(line)
        return None if self.is_us(line.nick) else speech.plain(line, self.rooms.roles, self.fold)

    def _told(self, line: IrcLine) -> None:
        """Twitch says by a notice what other servers have numbers for."""
        if line.param(0) == "*" and TWITCH_REFUSED.search(line.param(1).lower()):
            raise causes.login_refused(
                "Twitch refused the token: make a new one with chat:read",
                worked_before=self._worked_before,
            )
        if (why := TWITCH_NOT_LET_IN.get(line.tags.get("msg-id", ""))) is not None:
            self.rooms.left(line.param(0), NOT_LET_IN[why])
            if self.rooms.refused(line.param(0), why):
                self._look()

    # --- channels --------------------------------------------------------------------------

    def _note(self, line: IrcLine) -> None:
        """What the server tells of itself, of channels and of people."""
        rooms, us = self.rooms, self.is_us(line.nick)
        match line.command:
            case "005":
                self._supports(line.params[1:-1])
            case "376" | "422":
                self._enter()
            case "JOIN" | "ROOMSTATE" if us or line.command == "ROOMSTATE":
                rooms.entered(line.param(0))
                self.address = line.source if us else self.address
                self._look()
            case "PART" | "KICK":
                self._left(line, us=us)
            case "NICK":
                rooms.renamed(line.nick, line.param(0))
                if us:
                    self.registration.nick = line.param(0)
            case command if command in NOT_LET_IN and rooms.refused(line.param(1), command):
                self._look()
            case _:
                self._note_people(line)

    def _note_people(self, line: IrcLine) -> None:
        match line.command:
            case "QUIT":
                self.rooms.gone(line.nick)
            case "353":
                self.rooms.listed(line.param(2), line.param(3))
            case "MODE":
                self.rooms.changed(line.param(0), line.param(1), line.params[2:])

    def _supports(self, tokens: tuple[str, ...]) -> None:
        for token in tokens:
            name, _, value = token.partition("=")
            if len(self.isupport) < MOST_TOKENS:
                self.isupport[name] = value

    def _enter(self) -> None:
        """The server has told all of itself: join, a few at a time."""
        if self.rooms.names:
            return  # told again, on request of somebody's
        self.rooms = Rooms(self._settings.channels, self.fold)
        self.rooms.supports(f"{name}={value}" for name, value in self.isupport.items())
        self._to_join = list(self.rooms.names.values())
        self._join_some()

    def _join_some(self) -> None:
        at_once, every_s = JOINS_AT_ONCE, JOINS_EVERY_S
        if self._twitch:
            at_once, every_s = TWITCH_JOINS_AT_ONCE, TWITCH_JOINS_EVERY_S
        for _ in range(min(at_once, len(self._to_join))):
            self._join(self._to_join.pop(0))
        if self._to_join:
            self._later(every_s, self._join_some)
        else:
            self._later(JOINED_WITHIN_S, self._joined)

    def _join(self, channel: str) -> None:
        keys = {self.fold(name): key for name, key in self._settings.channel_keys.items()}
        key = keys.get(self.fold(channel))
        name = channel.lower() if self._twitch else channel  # Twitch knows no other
        self._send("JOIN", name, *([key.get_secret_value()] if key else []))

    def _left(self, line: IrcLine, *, us: bool) -> None:
        channel, kicked = line.param(0), line.command == "KICK"
        if kicked:
            us = self.is_us(line.param(1))
        if not us:
            self.rooms.gone(line.param(1) if kicked else line.nick, channel)
            return
        self.rooms.left(channel, "we were kicked out" if kicked else "we were made to leave")
        self._look()
        if name := self.rooms.names.get(self.fold(channel)):
            self._later(REJOIN_S, lambda: self._join(name))

    def _look(self) -> None:
        """Tell how we stand; raises once there is no channel that we are in."""
        if (failure := self.rooms.failure(worked_before=self._worked_before)) is not None:
            raise failure
        if self.rooms.joined:
            self._worked_before = True
            self._stands(self.rooms.cause)

    # --- timers ----------------------------------------------------------------------------

    def _welcomed(self) -> None:
        if not self.registration.done:
            self._fail(Retryable(f"no welcome from the server for {WELCOME_WITHIN_S:g} s"))

    def _joined(self) -> None:
        self.rooms.unanswered()
        try:
            self._look()
        except StreammonError as error:
            self._fail(error)

    def _ended(self, words: str) -> StreammonError:
        """Its words may hold our address or a name: only what they mean is passed on."""
        cause = "the server ended the connection"
        for pattern, meaning in ENDED:
            if re.search(pattern, words, re.IGNORECASE):
                cause = meaning
                break
        if NEEDS_PERSON.search(words) and not self.registration.done:
            return causes.login_refused(cause, worked_before=self._worked_before)
        return Retryable(cause)
