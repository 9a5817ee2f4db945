"""What `ai_text` remembers of a chat: each author's text not judged yet, and earlier scores."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from streammon.core.types import ChatMessage

MOST_SCORES = 8
"""Newest scores of an author that count."""


@dataclass(slots=True)
class Author:
    """Somebody's newest lines that no full window has been made of, and the scores of such."""

    most_characters: int
    lines: deque[tuple[str, str]] = field(default_factory=deque)
    """Message id and text; the parts of a message that was cut have one id."""
    characters: int = 0
    scores: deque[float] = field(default_factory=lambda: deque(maxlen=MOST_SCORES))

    def add(self, message: ChatMessage) -> None:
        """Remember one more line; the oldest go once there are more characters than needed."""
        text = message.text[-self.most_characters :]
        self.lines.append((message.message_id, text))
        self.characters += len(text)
        while self.characters - len(self.lines[0][1]) >= self.most_characters:
            self.characters -= len(self.lines.popleft()[1])

    def text(self) -> str:
        return joined(self.lines)

    def judged(self, score: float) -> None:
        """A full window was made of the text: it is not used again."""
        self.lines.clear()
        self.characters = 0
        self.scores.append(score)

    @property
    def mean(self) -> float:
        return sum(self.scores) / len(self.scores)


class Authors:
    """The authors of one stream, at most `most`; whoever was silent longest goes first.

    Messages without an author are nobody's: they are not remembered.
    """

    def __init__(self, *, most: int, most_characters: int) -> None:
        self._most = most
        self._most_characters = most_characters
        self._kept: OrderedDict[str, Author] = OrderedDict()
        self._newest: tuple[int, str] = (-1, "")

    def __len__(self) -> int:
        return len(self._kept)

    def hear(self, messages: Sequence[ChatMessage]) -> None:
        """Take in the messages of the next window, oldest first.

        Where their numbers go back, another recording has begun under the same name: what is
        known of the one before is forgotten.
        """
        if not messages:
            return
        seq, message_id = messages[0].seq, messages[0].message_id
        if seq < self._newest[0] or (seq == self._newest[0] and message_id != self._newest[1]):
            self._kept.clear()
        self._newest = messages[-1].seq, messages[-1].message_id
        for message in messages:
            if message.author_id:
                self._author(message.author_id).add(message)

    def present(self, messages: Sequence[ChatMessage]) -> Iterator[tuple[str, Author]]:
        """Who wrote these messages and is still remembered, in the order of first appearance."""
        for name in dict.fromkeys(message.author_id for message in messages):
            author = self._kept.get(name)
            if author is not None:
                yield name, author

    def _author(self, name: str) -> Author:
        author = self._kept.pop(name, None) or Author(self._most_characters)
        self._kept[name] = author
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return author


def joined(lines: Sequence[tuple[str, str]] | deque[tuple[str, str]]) -> str:
    """Lines one under the other; parts of one message, by its id, without a break between."""
    text, last = "", ""
    for message_id, part in lines:
        text += part if not text or (message_id and message_id == last) else f"\n{part}"
        last = message_id
    return text
