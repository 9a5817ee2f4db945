"""Gathers the lines of a chat that say the same, however disguised, and weighs each group.

Exact skeletons first; skeletons of twenty characters or more also join the group of a known one
that is nearly the same. The work per line is done once, whatever windows it lies in.
"""

from __future__ import annotations

import math
from collections import OrderedDict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from rapidfuzz import fuzz, process

from streammon.core.types import ChatMessage
from streammon.detectors.chat_accounts import ChatAccounts, Voices
from streammon.detectors.skeleton import Skeleton, Skeletons

K = TypeVar("K")
V = TypeVar("V")

LONG_CHARACTERS = 20
"""Shorter lines are reactions: everybody says them, so being the same proves nothing. A word that a
line repeats counts once."""
LEAST_ACCOUNTS = 3
LOOSER_FROM, LOOSER_TO, LOOSER = 50, 90, 10.0
"""From so many to so many characters the least similarity falls, by so many percent: long lines
that have nothing to do with each other are far less alike than short ones."""
MOST_MERGED = 64
MANY_WORDINGS = 8
"""Of so many lines on, that they differ says all it can."""
OVER_AFTER_S = 6.0
"""A group to which nobody has added for so long is over."""
SURE_NATS = 6.0
"""So much evidence that the accounts are newer than others here counts in full."""
CROWD_SHARE = 1 / 3
"""Where so many of those who arrived meanwhile write something else, a crowd has arrived."""


@dataclass(frozen=True, slots=True)
class Limits:
    look_back_s: float
    """For how long a message counts."""
    messages: int
    """How many messages count at most: in a greater flood the newest."""
    alike: float
    """Least similarity, 0..100, of two long skeletons of one group."""
    leaders: int
    """With how many groups of long lines, the newest ones, a new line is compared."""
    skeletons: int
    """How many different lines are remembered."""
    accounts: int
    """How many accounts are remembered."""


@dataclass(slots=True)
class Group:
    """The recent lines that say the same, or the few texts that the same accounts say in turn."""

    long: bool
    leaders: set[str] = field(default_factory=set)
    messages: list[ChatMessage] = field(default_factory=list)
    accounts: dict[str, int] = field(default_factory=dict)
    tricks: dict[str, int] = field(default_factory=dict)
    disguised: int = 0
    wordings: set[str] = field(default_factory=set)

    @property
    def start_s(self) -> float:
        return self.messages[0].media_s

    @property
    def end_s(self) -> float:
        return self.messages[-1].media_s

    def add(self, message: ChatMessage, skeleton: Skeleton) -> None:
        self.messages.append(message)
        self.accounts[message.author_id] = self.accounts.get(message.author_id, 0) + 1
        self.wordings.add(skeleton.text)
        self.disguised += bool(skeleton.tricks)
        for trick in skeleton.tricks:
            self.tricks[trick] = self.tricks.get(trick, 0) + 1

    def shares_accounts(self, other: Group) -> bool:
        """Whether at least three, and half of those of the smaller, are the same."""
        both = len(self.accounts.keys() & other.accounts.keys())
        return both >= max(LEAST_ACCOUNTS, min(len(self.accounts), len(other.accounts)) / 2)

    def take_in(self, other: Group) -> None:
        self.leaders |= other.leaders
        self.messages = sorted(self.messages + other.messages, key=lambda message: message.seq)
        self.wordings |= other.wordings
        self.disguised += other.disguised
        for mine, others in ((self.accounts, other.accounts), (self.tricks, other.tricks)):
            for name, count in others.items():
                mine[name] = mine.get(name, 0) + count


class ChatMemory:
    """What is remembered of one chat: its lines' skeletons, the groups' leaders, its accounts."""

    def __init__(self, skeletons: Skeletons, limits: Limits) -> None:
        self._skeletons = skeletons
        self._limits = limits
        self._lines: OrderedDict[str, tuple[Skeleton, str]] = OrderedDict()
        self._leader_of: OrderedDict[str, str] = OrderedDict()
        self._leaders: OrderedDict[str, None] = OrderedDict()
        self._accounts = ChatAccounts(most=limits.accounts)
        self._heard_to = -1
        self._recent: deque[tuple[ChatMessage, Skeleton, str]] = deque(maxlen=limits.messages)

    def hear(self, messages: Iterable[ChatMessage], *, now_s: float) -> None:
        """Take the messages that were not heard before; forget those out of the look-back."""
        for message in messages:
            if message.seq <= self._heard_to:
                continue
            self._heard_to = message.seq
            skeleton, leader = self._line(message.text)
            self._recent.append((message, skeleton, leader))
            self._accounts.hear(message.author_id, leader, at_s=message.media_s)
        while self._recent and self._recent[0][0].media_s < now_s - self._limits.look_back_s:
            self._recent.popleft()

    @property
    def recent(self) -> int:
        """How many messages are looked at."""
        return len(self._recent)

    def authors(self) -> int:
        """How many accounts wrote them."""
        return len({message.author_id for message, _, _ in self._recent})

    def groups(self) -> list[Group]:
        """The groups of at least three accounts, in the order in which they began."""
        groups: dict[str, Group] = {}
        for message, skeleton, leader in self._recent:
            if not leader:
                continue
            group = groups.get(leader)
            if group is None:
                long = len(leader) >= LONG_CHARACTERS
                group = groups[leader] = Group(long=long, leaders={leader})
            group.add(message, skeleton)
        return [group for group in groups.values() if len(group.accounts) >= LEAST_ACCOUNTS]

    def voices(
        self, groups: Sequence[Group], every: Sequence[Group], *, now_s: float
    ) -> list[Voices]:
        """What the accounts of each group are like, against those in none of `every`."""
        flooded = {leader for group in every if group.long for leader in group.leaders}
        recent = (
            (message.author_id, leader)
            for message, _, leader in self._recent
            if len(leader) >= LONG_CHARACTERS
        )
        since_s = min((group.start_s for group in groups), default=now_s)
        around = self._accounts.around(recent, flooded=flooded, since_s=since_s)
        return [
            self._accounts.voices(group.accounts, around, since_s=group.start_s, now_s=now_s)
            for group in groups
        ]

    def _line(self, text: str) -> tuple[Skeleton, str]:
        """A line's skeleton and the skeleton that leads its group."""
        known = self._lines.get(text)
        if known is None:
            skeleton = self._skeletons.of(text)
            known = (skeleton, self._leader(skeleton.text))
            _remember(self._lines, text, known, most=self._limits.skeletons)
        else:
            self._lines.move_to_end(text)
        return known

    def _leader(self, skeleton: str) -> str:
        content = " ".join(dict.fromkeys(skeleton.split()))
        if len(content) < LONG_CHARACTERS:
            return content
        leader = self._leader_of.get(skeleton)
        if leader is None:
            over = (len(skeleton) - LOOSER_FROM) / (LOOSER_TO - LOOSER_FROM)
            alike = self._limits.alike - LOOSER * min(1.0, max(0.0, over))
            near = process.extractOne(
                skeleton, self._leaders.keys(), scorer=fuzz.ratio, score_cutoff=alike
            )
            leader = skeleton if near is None else str(near[0])
            _remember(self._leader_of, skeleton, leader, most=self._limits.skeletons)
        _remember(self._leaders, leader, None, most=self._limits.leaders)
        return leader


def _remember(kept: OrderedDict[K, V], key: K, value: V, *, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)


def weigh(group: Group, voices: Voices) -> float:
    """The probability that the group is a coordinated flood, 0..1.

    A sum of hand-set log-odds, each capped, so that no one sign is enough. One text that many
    people paste once each, word for word, stays below one half; it takes disguises, different
    wordings, accounts that repeat themselves or accounts that say nothing else to go above.
    Where most of the accounts are known to say other things, too, it takes two of these.
    """
    lines, accounts = len(group.messages), len(group.accounts)
    log_odds = -5.0 if group.long else -7.0
    log_odds += min(2.5, math.log2(accounts / 2))
    log_odds += min(1.5, 0.6 * math.log2(lines / LEAST_ACCOUNTS))
    again = math.log2(max(1.0, voices.again))
    log_odds += min(3.0, 1.3 * again) if group.long else min(2.0, again)
    log_odds += 3.0 * min(1.0, 2.0 * group.disguised / lines)
    log_odds -= 3.0 * voices.people
    if group.long:
        varied = min(1.0, 2.0 * (len(group.wordings) - len(group.leaders)) / lines)
        log_odds += 2.5 * varied * min(1.0, lines / MANY_WORDINGS)
        sure = voices.known * min(1.0, voices.surprise / SURE_NATS)
        alone = max(0.0, 1.0 - voices.crowd / CROWD_SHARE)
        log_odds += 2.5 * sure * alone * max(0.0, 2.0 * voices.new - 1.0)
    return 1.0 / (1.0 + math.exp(-log_odds))


def merged(groups: Iterable[Group]) -> list[Group]:
    """The groups, with those of long lines made one where the same accounts say them.

    Bots that take turns with a few texts are one flood and not a few small ones.
    """
    kept: list[Group] = []
    for group in sorted(groups, key=lambda group: -len(group.messages)):
        known = (one for one in kept[:MOST_MERGED] if one.long and one.shares_accounts(group))
        host = next(known, None) if group.long else None
        if host is None:
            kept.append(group)
        else:
            host.take_in(group)
    return kept


def strongest(memory: ChatMemory, *, now_s: float) -> list[tuple[float, Group]]:
    """Each group that is still growing, with its weight; the heaviest first, then the earliest."""
    groups = merged(memory.groups())
    growing = [group for group in groups if group.end_s >= now_s - OVER_AFTER_S]
    voices = memory.voices(growing, groups, now_s=now_s)
    weighed = [(weigh(group, each), group) for group, each in zip(growing, voices, strict=True)]
    return sorted(weighed, key=lambda pair: (-pair[0], pair[1].start_s))
