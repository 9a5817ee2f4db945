"""Text and chat at hand; what is text and what is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.errors import TooLarge, Undecodable
from streammon.core.types import ChatMessage, Item, StreamId
from streammon.ingest.chat.jsonl import ChatJsonlConfig
from streammon.ingest.text import (
    TextConfig,
    chat_source,
    decode_text,
    looks_like_chat,
    text_source,
)
from tests.contract.source_laws import fingerprint
from tests.fakes import WantAll

STREAM = StreamId("essay")
WORDS = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t\r"))


@given(text=WORDS, encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_text_comes_back_as_it_was(text: str, encoding: str) -> None:
    if not text.startswith("\ufeff"):
        assert decode_text(text.encode(encoding)) == text


@pytest.mark.parametrize(
    "data", [b"\x00\x01", b"caf\xe9", b"\x89PNG\r\n\x1a\n", b"ID3\x04\x00", b"\xff\xfeA"]
)
def test_other_bytes_are_no_text(data: bytes) -> None:
    assert decode_text(data) is None


def test_a_text_file_is_one_message_however_long(tmp_path: Path) -> None:
    path = tmp_path / "essay.txt"
    path.write_text("words " * 5000)
    (message,) = TextConfig(path=path).build(STREAM).items(WantAll())
    assert isinstance(message, ChatMessage)
    assert message.text == "words " * 5000


def test_a_file_that_is_no_text_or_too_much_of_it_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "essay.txt"
    path.write_bytes(b"\x00\x01")
    with pytest.raises(Undecodable, match="not text"):
        list(TextConfig(path=path).build(STREAM).items(WantAll()))
    for text in ("x" * 11, "x" * 41):
        path.write_text(text)
        with pytest.raises(TooLarge):
            list(TextConfig(path=path, most_characters=10).build(STREAM).items(WantAll()))


def test_blank_text_is_nothing() -> None:
    assert list(text_source(STREAM, " \n\t ").items(WantAll())) == []


@pytest.mark.parametrize(
    ("text", "is_chat"),
    [
        ('{"author_id": "a", "text": "hi"}\n', True),
        ('\n\n  {"author_id": 7, "text": "hi", "captured_s": 3}', True),
        ('{"text": "hi", "label": 1}', False),
        ("{not json", False),
        ("plain words", False),
        ("", False),
    ],
)
def test_chat_is_known_by_its_first_line(text: str, is_chat: bool) -> None:
    assert looks_like_chat(text) is is_chat


def test_chat_in_memory_is_the_same_as_the_recording(tmp_path: Path) -> None:
    lines = [{"captured_s": 5 + n / 3, "author_id": f"u{n % 3}", "text": "hi"} for n in range(20)]
    text = "".join(json.dumps(line) + "\n" for line in lines) + "broken\n\n"
    path = tmp_path / "chat.jsonl"
    path.write_text(text)
    recorded = list(ChatJsonlConfig(path=str(path)).build(STREAM).items(WantAll()))  # type: ignore[attr-defined]
    in_memory = list(chat_source(STREAM, text).items(WantAll()))
    assert len(in_memory) == 20
    assert [_but_id(item) for item in in_memory] == [_but_id(item) for item in recorded]


def _but_id(item: Item) -> tuple[object, ...]:
    return fingerprint(item)[:-1]
