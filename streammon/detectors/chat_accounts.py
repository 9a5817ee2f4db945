"""Who says it: what the accounts of a group said before, held against those of the chat around it.

Bots say what they were made for and nothing else, and come when it begins. So do people who were
silent until now and join in, or came with a raid. What tells the two apart is the chat itself: how
many of those who write sentences here never wrote another one, and whether many others arrived in
the same moments who write something else.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Iterable, Set
from dataclasses import dataclass

MOST_TEXTS = 3
"""An account that said more different things than this is a person."""
ARRIVED_BEFORE_S = 3.0
LEAST_SPAN_S = 5.0
KNOWN_S = 60.0
SPANS = 3
"""With so many equal spans before it the arrivals of a span are compared."""
USUAL_TIMES, USUAL_MORE = 1.5, 3.0
"""A crowd arrives where so many times as many as usual do, and so many more."""


@dataclass(frozen=True, slots=True)
class Voices:
    """What the accounts of a group are like."""

    new: float
    """Share of them that said nothing but what is flooded."""
    people: float
    """Share of them that said more than `MOST_TEXTS` different things."""
    surprise: float
    """Nats of evidence that more of them are new than of the others who write sentences here."""
    crowd: float
    """Share, 0..1, of others among those who arrived meanwhile beyond what is usual here."""
    known: float
    """How much, 0..1, of what it takes to know a chat had been heard before the group began."""
    again: float
    """Lines of this group per account, of accounts that are not people."""


@dataclass(slots=True)
class _Account:
    first_s: float
    said: frozenset[str]


class ChatAccounts:
    """Remembers of each account when it came and what it said, but of people only that they are."""

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._accounts: OrderedDict[str, _Account] = OrderedDict()
        self._arrivals: list[float] = []
        self._arrived: list[str] = []
        self._began_s = 0.0

    def __len__(self) -> int:
        return len(self._accounts)

    def hear(self, account: str, said: str, *, at_s: float) -> None:
        """Take one line, by what it says. Times must not fall."""
        known = self._accounts.get(account)
        if not self._arrivals:
            self._began_s = at_s
        if known is None:
            self._accounts[account] = _Account(at_s, frozenset((said,)))
            self._arrivals.append(at_s)
            self._arrived.append(account)
            if len(self._accounts) > self._most:
                self._accounts.popitem(last=False)
            if len(self._arrivals) > 2 * self._most:
                del self._arrivals[: self._most], self._arrived[: self._most]
            return
        self._accounts.move_to_end(account)
        if len(known.said) <= MOST_TEXTS and said not in known.said:
            known.said |= {said}

    def around(
        self, recent: Iterable[tuple[str, str]], *, flooded: Set[str], since_s: float
    ) -> Around:
        """What the others are like: `recent` is account and what it says, of lines at length.

        `flooded` is what several accounts say at length; who says that is no other. Groups that
        began before `since_s` are not asked about.
        """
        lines = list(recent)
        members = {account for account, said in lines if said in flooded}
        talkers = {account for account, _ in lines} - members
        once = sum(len(self._said(account)) == 1 for account in talkers)
        newest = len(self._arrivals) - self._since(since_s - ARRIVED_BEFORE_S)
        arrived = [
            at_s
            for at_s, account in zip(self._arrivals[newest:], self._arrived[newest:], strict=True)
            if account not in members
        ]
        return Around((once + 1) / (len(talkers) + 2), arrived, frozenset(flooded))

    def voices(
        self, lines: dict[str, int], around: Around, *, since_s: float, now_s: float
    ) -> Voices:
        """Of the accounts in `lines` (at least one) with how often each spoke in the group."""
        new, people, their_lines = 0, 0, 0
        for account, count in lines.items():
            said = self._said(account)
            new += len(said) == 1 or said <= around.flooded
            people += len(said) > MOST_TEXTS
            their_lines += count if len(said) <= MOST_TEXTS else 0
        bots = len(lines) - people
        return Voices(
            new=new / len(lines),
            people=people / len(lines),
            surprise=_surprise(new, len(lines), usual=around.once),
            crowd=self._crowd(new, around.arrived, since_s=since_s, now_s=now_s),
            known=min(1.0, max(0.0, since_s - self._began_s) / KNOWN_S),
            again=their_lines / bots if bots else 1.0,
        )

    def _said(self, account: str) -> frozenset[str]:
        known = self._accounts.get(account)
        return frozenset() if known is None else known.said

    def _crowd(self, new: int, arrived: list[float], *, since_s: float, now_s: float) -> float:
        """1 where nothing is known of how many arrive in so long a time."""
        from_s = since_s - ARRIVED_BEFORE_S
        span_s = max(LEAST_SPAN_S, now_s - from_s)
        usual = [
            self._since(from_s - (back + 1) * span_s) - self._since(from_s - back * span_s)
            for back in range(SPANS)
            if from_s - (back + 0.5) * span_s >= self._began_s
        ]
        if not usual:
            return 1.0
        others = len(arrived) - bisect_left(arrived, from_s)
        beyond = max(0.0, others - USUAL_TIMES * max(usual) - USUAL_MORE)
        return beyond / (beyond + max(1, new))

    def _since(self, at_s: float) -> int:
        """How many accounts were heard first since then."""
        return len(self._arrivals) - bisect_left(self._arrivals, at_s)


@dataclass(frozen=True, slots=True)
class Around:
    """The accounts that are heard now and do not say what is flooded."""

    once: float
    """Share of those who write at length that wrote one thing only, ever."""
    arrived: list[float]
    """When each of the others was first heard, in order."""
    flooded: frozenset[str]


def _surprise(count: int, of: int, *, usual: float) -> float:
    """Nats: `of` times the divergence of the share from the usual one; 0 where it is no more."""
    share = count / of
    if share <= usual:
        return 0.0
    rest = 0.0 if share == 1.0 else (1 - share) * math.log((1 - share) / (1 - usual))
    return of * (share * math.log(share / usual) + rest)
