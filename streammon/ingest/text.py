"""Text that is at hand: one message however long it is, or a recorded chat."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import PositiveInt

from streammon.core.errors import TooLarge, Undecodable
from streammon.core.ports import Demand
from streammon.core.types import ChatMessage, Item, Modality, StreamId
from streammon.ingest.chat.author_ids import LINES, RECORDED_KEY, AuthorIds, hashed_author
from streammon.ingest.chat.lines import BadLine, Numbers, Stamper, parse_line
from streammon.ingest.finite import Finite
from streammon.ingest.whole_file import read_file
from streammon.registry import AdapterConfig

MOST_CHARACTERS = 1_000_000
MOST_BYTES_PER_CHARACTER = 4
_CONTROL = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f]")
"""What no text holds; tab, line ends, form feed and escape may occur."""


class TextConfig(AdapterConfig):
    """A text file (UTF-8, or UTF-16 with its mark) as a stream of one message."""

    type: Literal["text"] = "text"
    path: Path
    pace: Literal["fast"] = "fast"
    """There is no time in a text."""
    most_characters: PositiveInt = MOST_CHARACTERS

    def build(self, stream: StreamId) -> Finite:
        def make(demand: Demand) -> Iterator[Item]:
            data = read_file(self.path, most_bytes=self.most_characters * MOST_BYTES_PER_CHARACTER)
            text = decode_text(data)
            if text is None:
                raise Undecodable(f"{self.path}: not text in UTF-8 or UTF-16")
            yield _message(stream, bounded(text, most_characters=self.most_characters))

        return Finite(stream, Modality.TEXT, make)


def decode_text(data: bytes) -> str | None:
    """The text of these bytes, or `None` when they are none: not UTF-8, or with control codes."""
    encoding = "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


def bounded(text: str, *, most_characters: int) -> str:
    """The text itself. Raises `TooLarge` beyond the bound."""
    if len(text) > most_characters:
        raise TooLarge(f"the text has {len(text)} characters: more than {most_characters}")
    return text


def text_source(stream: StreamId, text: str) -> Finite:
    """A recording of one message; blank text gives none."""

    def make(demand: Demand) -> Iterator[Item]:
        if text.strip():
            yield _message(stream, text)

    return Finite(stream, Modality.TEXT, make)


def _message(stream: StreamId, text: str) -> ChatMessage:
    return ChatMessage(
        stream=stream,
        seq=0,
        media_s=0.0,
        captured_ns=0,
        author_id="",
        text=text,
        message_id=hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:24],
    )


def looks_like_chat(text: str) -> bool:
    """Whether the first line that is not blank is one of a recorded chat (`chat_jsonl`)."""
    first = re.search(r"\S[^\n]*", text)
    try:
        return first is not None and bool(parse_line(first.group().encode("utf-8", "replace")))
    except BadLine:
        return False


def chat_source(stream: StreamId, text: str) -> Finite:
    """A recording of the messages of a chat in JSON lines; lines that are none are passed over."""

    def make(demand: Demand) -> Iterator[Item]:
        stamper, ids = Stamper(stream, Numbers()), AuthorIds(RECORDED_KEY, platform=LINES)
        for line in text.split("\n"):
            try:
                parsed = parse_line(line.encode("utf-8", "replace"))
                yield hashed_author(stamper.stamp(parsed, since_open_s=0.0), ids)
            except BadLine:
                continue

    return Finite(stream, Modality.TEXT, make)
