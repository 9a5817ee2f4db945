"""From connected to welcome: capabilities, login, a nick that is free. Pure but for `send`."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable

from streammon.core.errors import Permanent, Retryable
from streammon.ingest.chat.causes import login_refused
from streammon.ingest.chat.irc.line import IrcLine
from streammon.ingest.chat.irc.settings import IrcSettings

Send = Callable[..., None]
"""`send(command, *params)`: one line to the server."""

WANTED = frozenset({"message-tags", "server-time", "account-tag", "multi-prefix"})
WANTED_OF_TWITCH = frozenset({"twitch.tv/tags", "twitch.tv/commands"})
SASL_CHUNK = 400
MOST_NICKS = 6
SHORTEST_NICK_LIMIT = 9
"""Characters that every server allows (RFC 1459)."""
SASL_FAILED = frozenset({"902", "904", "905", "906", "908"})
NO_SASL = "the server offers no SASL {mechanism}: remove `sasl`, or ask its operators"


class Registration:
    """One login. `done` once the server has said welcome.

    `take` raises `Permanent` and `Retryable` with the cause when there will be no welcome.
    """

    def __init__(self, settings: IrcSettings, send: Send, *, worked_before: bool) -> None:
        self.nick = settings.nick
        """Ours: the server has the last word."""
        self.done = False
        self.capabilities: frozenset[str] = frozenset()
        self._settings = settings
        self._send = send
        self._worked_before = worked_before
        self._offered: dict[str, str] = {}
        self._nicks_tried = 1
        self._logged_in = settings.sasl is None

    def begin(self) -> None:
        settings = self._settings
        self._send("CAP", "LS", "302")
        if settings.password is not None:
            self._send("PASS", settings.password.get_secret_value())
        self._send("NICK", self.nick)
        self._send("USER", settings.nick.lower(), "0", "*", settings.real_name)

    def take(self, line: IrcLine) -> None:
        match line.command:
            case "CAP":
                self._negotiate(line)
            case "AUTHENTICATE" if line.param(0) == "+":
                self._authenticate()
            case "903":
                self._logged_in = True
                self._send("CAP", "END")
            case command if command in SASL_FAILED:
                raise self._refused("the login was refused: check the SASL settings")
            case "464":
                raise self._refused("the server's password was refused: check `password`")
            case "465":
                raise Permanent("we are banned from this server: ask its operators")
            case "432" | "433" | "436" | "437":
                self._try_another_nick(line)
            case "001":
                if not self._logged_in:
                    raise self._no_sasl()
                self.nick = line.param(0) or self.nick
                self.done = True

    def _negotiate(self, line: IrcLine) -> None:
        told = line.param(1).upper()
        if told == "LS":
            for each in line.param(-1).split():
                name, _, value = each.partition("=")
                self._offered[name] = value
            if line.param(2) != "*":  # `*`: more lines of it follow
                self._request()
        elif told == "ACK":
            granted = {each.lstrip("-~=") for each in line.param(-1).split()}
            self.capabilities |= granted
            if "sasl" in granted and not self._logged_in:
                self._send("AUTHENTICATE", str(self._settings.sasl).upper())
            else:
                self._send("CAP", "END")
        elif told == "NAK":
            if not self._logged_in:
                raise self._no_sasl()
            self._send("CAP", "END")

    def _request(self) -> None:
        wanted = WANTED_OF_TWITCH if self._settings.dialect == "twitch" else WANTED
        requested = sorted(wanted & self._offered.keys())
        mechanism = self._settings.sasl
        if mechanism is not None:
            offered = self._offered.get("sasl")
            if offered is None or (offered and mechanism.upper() not in offered.upper().split(",")):
                raise self._no_sasl()
            requested.append("sasl")
        if requested:
            self._send("CAP", "REQ", " ".join(requested))
        else:
            self._send("CAP", "END")

    def _authenticate(self) -> None:
        settings = self._settings
        if settings.sasl == "external" or settings.sasl_password is None:
            self._send("AUTHENTICATE", "+")
            return
        user, password = settings.sasl_user or settings.nick, settings.sasl_password
        said = f"\0{user}\0{password.get_secret_value()}".encode()
        encoded = base64.b64encode(said).decode()
        for at in range(0, len(encoded), SASL_CHUNK):
            self._send("AUTHENTICATE", encoded[at : at + SASL_CHUNK])
        if len(encoded) % SASL_CHUNK == 0:
            self._send("AUTHENTICATE", "+")

    def _try_another_nick(self, line: IrcLine) -> None:
        if line.command == "432" and self._nicks_tried == 1:
            raise Permanent("the server does not allow this nick: set another `nick`")
        if self._nicks_tried >= MOST_NICKS:
            raise Retryable("the nick is taken, and so are others like it")
        self._nicks_tried += 1
        beginning = self._settings.nick[: SHORTEST_NICK_LIMIT - 4]
        self.nick = f"{beginning}{secrets.randbelow(10_000):04d}"
        self._send("NICK", self.nick)

    def _no_sasl(self) -> Exception:
        return self._refused(NO_SASL.format(mechanism=str(self._settings.sasl).upper()))

    def _refused(self, cause: str) -> Exception:
        return login_refused(cause, worked_before=self._worked_before)
