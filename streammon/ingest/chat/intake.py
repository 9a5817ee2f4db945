"""From what a platform tells to messages of a stream: hashed, bounded, each once, on one clock."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from streammon.core.types import ChatMessage, StreamId
from streammon.ingest.chat.author_ids import AuthorIds
from streammon.ingest.chat.book import Book, Newest, Spoken
from streammon.ingest.chat.rate import Rate
from streammon.ingest.chat.said import Said

MOST_IDS = 50_000
"""Message ids that a repeat is told by."""
MOST_ID_CHARS = 256
MOST_LATE_S = 600.0
"""A message that the platform says was sent longer ago than this counts as sent this long ago."""


class Refused(StrEnum):
    """Why something that was said did not become a message."""

    DUPLICATE = "duplicate"
    """It was taken before. Nothing is lost."""
    EMPTY = "empty"
    """There is no text in it, or no author. Nothing is lost."""
    BAD_ID = "bad_id"
    """An id or a room's name is longer than any platform's."""
    TOO_FAST = "too_fast"
    """Above the rate bound: dropped, and not remembered, so it may be said again."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much of a chat is taken."""

    most_chars: int = 4_000
    """Of one text; what is longer is cut."""
    most_per_s: float = 5_000.0


class Intake:
    """Makes a stream's messages of all its connections. On one thread; no I/O.

    What it remembers (which ids came, the numbers, the rate) goes on over reconnects; only the
    media time begins anew, with an epoch of its own for each.
    """

    def __init__(
        self,
        stream: StreamId,
        *,
        bounds: Bounds,
        book: Book,
        clock: str = "arrival",
        now_unix_s: Callable[[], float] = time.time,
    ) -> None:
        """`clock`: what media time goes by, the `arrival` of a message or when it was `sent`."""
        self._stream = stream
        self._bounds = bounds
        self._book = book
        self._by_sent = clock == "sent"
        self._now_unix_s = now_unix_s
        self._ids: AuthorIds | None = None
        self._seen: Newest[tuple[str, str], None] = Newest(MOST_IDS)
        self.rate = Rate(per_s=bounds.most_per_s, burst=2 * bounds.most_per_s)
        self._made_up = secrets.token_hex(6)
        self._seq = 0
        self._epoch = -1
        self._origin_s: float | None = None
        self._media_s = 0.0

    def begin_epoch(self, ids: AuthorIds | None) -> None:
        """A connection begins: its first message is at 0 seconds of the next epoch.

        `ids` hash the authors; `None`: they are taken as they are.
        """
        self._ids = ids
        self._epoch += 1
        self._origin_s, self._media_s = None, 0.0

    def take(self, said: Said, *, now_ns: int, rated: bool = True) -> ChatMessage | Refused:
        """The message, arrived at `now_ns`, or why there is none.

        `rated=False`: the caller has kept to the rate.
        """
        text = _whole(said.text[: self._bounds.most_chars])
        if not said.author_id or not text.strip():
            return Refused.EMPTY
        if max(len(said.author_id), len(said.message_id or ""), len(said.room)) > MOST_ID_CHARS:
            return Refused.BAD_ID
        room, message_id = _whole(said.room), _whole(said.message_id or "")
        if message_id and (room, message_id) in self._seen:
            return Refused.DUPLICATE
        if rated and not self.rate.allows(1, now_s=now_ns / 1e9):
            return Refused.TOO_FAST
        if message_id:
            self._seen.put((room, message_id), None)
        author_id = (
            _whole(said.author_id) if self._ids is None else self._ids.hashed(said.author_id)
        )
        message = ChatMessage(
            stream=self._stream,
            seq=self._seq,
            media_s=self._place(said.sent_unix_s, now_ns),
            captured_ns=now_ns,
            author_id=author_id,
            text=text,
            message_id=message_id or f"{self._made_up}-{self._seq}",
            room=room,
            epoch=self._epoch,
        )
        self._seq += 1
        self._book.note(author_id, said)
        if message_id:
            self._book.note_message(message_id, Spoken(room, author_id))
        return message

    def _place(self, sent_unix_s: float | None, now_ns: int) -> float:
        """Media time: never going back, never ahead of what has passed since the first message of
        the epoch was sent, or came.

        By the time of sending, a message lies as far back as it is old. A clock that is wrong by
        the same amount all the time changes nothing; one that says the future is not believed.
        """
        at_s = now_ns / 1e9
        if self._by_sent and sent_unix_s is not None:
            late_s = self._now_unix_s() - sent_unix_s
            at_s -= min(MOST_LATE_S, late_s) if late_s > 0.0 else 0.0
        if self._origin_s is None:
            self._origin_s = at_s
        self._media_s = max(self._media_s, at_s - self._origin_s)
        return self._media_s


def _whole(text: str) -> str:
    """Text that can be sent on as UTF-8: JSON can hold halves of surrogate pairs."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
