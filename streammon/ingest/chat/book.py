"""Who writes in a chat, for its source alone: what hashed ids stand for. In memory only."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

from streammon.core.moderation import AuthorRole, KnownAuthor
from streammon.ingest.chat.said import Said

MOST_AUTHORS = 50_000
MOST_MESSAGES = 50_000
MOST_ROOMS = 32
"""Rooms in which the roles of one author are remembered."""

K = TypeVar("K")
V = TypeVar("V")


class Newest(Generic[K, V]):
    """A dictionary of the `most` keys that were put last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held: OrderedDict[K, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held)

    def __contains__(self, key: K) -> bool:
        return key in self._held

    def get(self, key: K) -> V | None:
        return self._held.get(key)

    def put(self, key: K, value: V) -> None:
        self._held[key] = value
        self._held.move_to_end(key)
        if len(self._held) > self._most:
            self._held.popitem(last=False)

    def drop(self, key: K) -> None:
        self._held.pop(key, None)


@dataclass(frozen=True, slots=True)
class Author:
    """An account as its platform knows it."""

    platform_id: str = field(repr=False)
    name: str = field(repr=False)
    address: str = field(default="", repr=False)
    roles_by_room: Mapping[str, frozenset[AuthorRole]] = field(default_factory=dict)

    @property
    def roles(self) -> frozenset[AuthorRole]:
        """Whoever is trusted in one room of the stream is not moderated in the next."""
        return frozenset().union(*self.roles_by_room.values())


@dataclass(frozen=True, slots=True)
class Spoken:
    """Where a message stands, and whose it is."""

    room: str
    author_id: str
    """Hashed."""


class Book:
    """The newest authors and messages of one source. Nothing of it is written or logged."""

    def __init__(self, *, most_authors: int = MOST_AUTHORS, most_messages: int = MOST_MESSAGES):
        self._authors: Newest[str, Author] = Newest(most_authors)
        self._messages: Newest[str, Spoken] = Newest(most_messages)

    def note(self, author_id: str, said: Said) -> None:
        """The author of this message, under the hashed id."""
        known = self._authors.get(author_id)
        if known is None:
            roles = {said.room: said.roles} if said.roles else {}
            known = Author(said.author_id, said.name, said.address, roles)
        elif (said.name or known.name, said.address or known.address) != (
            known.name,
            known.address,
        ):
            known = replace(
                known, name=said.name or known.name, address=said.address or known.address
            )
        self._authors.put(author_id, known)
        self.set_roles(author_id, said.room, said.roles)

    def note_message(self, message_id: str, spoken: Spoken) -> None:
        self._messages.put(message_id, spoken)

    def set_roles(self, author_id: str, room: str, roles: frozenset[AuthorRole]) -> None:
        """What the platform says of a known author in a room from now on."""
        known = self._authors.get(author_id)
        if known is None or known.roles_by_room.get(room, frozenset()) == roles:
            return
        others = {name: held for name, held in known.roles_by_room.items() if name != room}
        if roles:
            others = dict([*others.items()][-(MOST_ROOMS - 1) :])
            others[room] = roles
        self._authors.put(author_id, replace(known, roles_by_room=others))

    def author(self, author_id: str) -> Author | None:
        """The account behind a hashed id."""
        return self._authors.get(author_id)

    def known(self, author_id: str) -> KnownAuthor | None:
        """The same, as far as others may see it; see `moderation.AuthorBook`."""
        author = self._authors.get(author_id)
        return None if author is None else KnownAuthor(author.name, author.roles)

    def message(self, message_id: str) -> Spoken | None:
        """Where this message stands; `None` for one that is gone or was never seen."""
        return self._messages.get(message_id)

    def forget_message(self, message_id: str) -> None:
        """It was deleted."""
        self._messages.drop(message_id)
