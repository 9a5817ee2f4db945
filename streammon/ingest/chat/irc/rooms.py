"""The channels we are in, or want to be, and who is who there. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from streammon.core.errors import Permanent, Retryable, StreammonError
from streammon.core.moderation import AuthorRole

NOT_LET_IN = {
    "403": "no such channel",
    "405": "we are in too many channels",
    "437": "not to be had just now",
    "471": "it is full",
    "473": "by invitation only",
    "474": "we are banned from it",
    "475": "its key is wrong or missing: see `channel_keys`",
    "476": "not a channel's name",
    "477": "for registered nicks only: see `sasl`",
    "489": "over TLS only",
}
MAY_CHANGE = frozenset({"437", "471", "405"})
ROLE_OF_MODE = {
    "q": AuthorRole.BROADCASTER,
    "a": AuthorRole.MODERATOR,
    "o": AuthorRole.MODERATOR,
    "h": AuthorRole.MODERATOR,
    "v": AuthorRole.VIP,
    "Y": AuthorRole.MODERATOR,
}
NO_ANSWER = "the server does not answer the join: is it there?"


class Rooms:
    """Channels by their folded names. `fold` may change once, when the server tells its rules."""

    def __init__(self, channels: Iterable[str], fold: Callable[[str], str]) -> None:
        self._fold = fold
        self.names = {fold(name): name for name in channels}
        """As they are written in the settings."""
        self.joined: set[str] = set()
        self._out: dict[str, tuple[str, bool]] = {}
        """Why we are not in a channel, and whether that needs a person."""
        self._modes = "qaohv"
        self._signs = "~&@%+"
        self._with_argument = "beIkqaohvl"
        self._without_argument_off = "l"
        self._ranks: dict[str, dict[str, set[str]]] = {}
        """By channel and nick, both folded: those who have a mode there."""

    def supports(self, tokens: Iterable[str]) -> None:
        """What the server tells of itself: 005."""
        for token in tokens:
            name, _, value = token.partition("=")
            if name == "PREFIX" and (found := re.fullmatch(r"\((\w+)\)(\S+)", value)):
                self._modes, self._signs = found[1], found[2]
            elif name == "CHANMODES":
                lists, always, on_only = [*value.split(","), "", "", ""][:3]
                self._with_argument = lists + always + on_only + self._modes
                self._without_argument_off = on_only

    # --- we --------------------------------------------------------------------------------

    def entered(self, channel: str) -> None:
        key = self._fold(channel)
        if key in self.names:
            self.joined.add(key)
            self._out.pop(key, None)

    def refused(self, channel: str, why: str) -> bool:
        """By a numeric; whether it is about one of ours."""
        key = self._fold(channel)
        if key not in self.names or why not in NOT_LET_IN:
            return False
        self._out[key] = (NOT_LET_IN[why], why not in MAY_CHANGE)
        return True

    def left(self, channel: str, why: str) -> None:
        """We are in no longer."""
        key = self._fold(channel)
        self._ranks.pop(key, None)
        if key in self.joined:
            self.joined.discard(key)
            self._out[key] = (why, False)

    def unanswered(self) -> None:
        """The time to be let in is over."""
        for key in self.names.keys() - self.joined - self._out.keys():
            self._out[key] = (NO_ANSWER, False)

    @property
    def settled(self) -> bool:
        """Whether every channel is joined or refused."""
        return len(self.joined) + len(self._out) >= len(self.names)

    @property
    def cause(self) -> str:
        """Which channels we are not in, and why; empty when in all of them."""
        return "; ".join(f"not in {self.names[key]}: {why}" for key, (why, _) in self._out.items())

    def failure(self, *, worked_before: bool) -> StreammonError | None:
        """What to raise once we are nowhere."""
        if self.joined or not self.settled:
            return None
        if all(person for _, person in self._out.values()) and not worked_before:
            return Permanent(self.cause)
        return Retryable(self.cause)

    # --- the others ------------------------------------------------------------------------

    def roles(self, channel: str, nick: str) -> frozenset[AuthorRole]:
        held = self._ranks.get(self._fold(channel), {}).get(self._fold(nick), ())
        return frozenset(ROLE_OF_MODE[mode] for mode in held if mode in ROLE_OF_MODE)

    def holds(self, channel: str, nick: str, modes: str) -> bool:
        """Whether the nick has one of the modes there."""
        return bool(
            self._ranks.get(self._fold(channel), {}).get(self._fold(nick), set()) & set(modes)
        )

    def listed(self, channel: str, names: str) -> None:
        """A part of who is there: 353."""
        for each in names.split():
            nick = each.lstrip(self._signs)
            signs = each[: len(each) - len(nick)]
            modes = {self._modes[self._signs.index(sign)] for sign in signs}
            self._set(channel, nick.partition("!")[0], modes)

    def changed(self, channel: str, modes: str, arguments: Iterable[str]) -> None:
        """`MODE #channel +o-v ann bob`."""
        left, on = list(arguments), True
        for mode in modes:
            if mode in "+-":
                on = mode == "+"
            elif mode in self._with_argument and (on or mode not in self._without_argument_off):
                argument = left.pop(0) if left else ""
                if mode in self._modes and argument:
                    held = set(
                        self._ranks.get(self._fold(channel), {}).get(self._fold(argument), ())
                    )
                    self._set(channel, argument, held | {mode} if on else held - {mode})

    def gone(self, nick: str, channel: str | None = None) -> None:
        """From one channel, or from all."""
        ranks = (
            self._ranks.values() if channel is None else [self._ranks.get(self._fold(channel), {})]
        )
        for each in ranks:
            each.pop(self._fold(nick), None)

    def renamed(self, nick: str, new: str) -> None:
        for ranks in self._ranks.values():
            if (held := ranks.pop(self._fold(nick), None)) is not None:
                ranks[self._fold(new)] = held

    def _set(self, channel: str, nick: str, modes: set[str]) -> None:
        key = self._fold(channel)
        if key not in self.names:
            return
        ranks = self._ranks.setdefault(key, {})
        if modes:
            ranks[self._fold(nick)] = modes
        else:
            ranks.pop(self._fold(nick), None)
