"""Lines of IRC are read as the documents say, and nothing that a server sends is a surprise."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.ingest.chat.irc.line import (
    MOST_SENT_BYTES,
    IrcLine,
    build,
    folded,
    parse,
    without_formatting,
)
from streammon.ingest.chat.lines import BadLine


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"foo bar baz asdf", IrcLine("FOO", ("bar", "baz", "asdf"))),
        (b":cool foo bar baz :asdf quux", IrcLine("FOO", ("bar", "baz", "asdf quux"), "cool")),
        (b"PRIVMSG #c :", IrcLine("PRIVMSG", ("#c", ""))),
        (b"PRIVMSG #c ::-) :", IrcLine("PRIVMSG", ("#c", ":-) :"))),
        (b":a!b@c  JOIN   #chan ", IrcLine("JOIN", ("#chan",), "a!b@c")),
        (b"@a=b;c=32;k :src foo", IrcLine("FOO", (), "src", {"a": "b", "c": "32", "k": ""})),
        (
            rb"@a=\:\s\\\r\n\b\ cmd".replace(b"\\ cmd", b" cmd"),
            IrcLine("CMD", (), "", {"a": "; \\\r\nb"}),
        ),
        (b"@a=dangling\\ cmd", IrcLine("CMD", (), "", {"a": "dangling"})),
        (b"001 me :hi\r\n", IrcLine("001", ("me", "hi"))),
        (b":a!b@c@d PRIVMSG #x hi", IrcLine("PRIVMSG", ("#x", "hi"), "a!b@c@d")),
        (b"PRIVMSG #x :caf\xe9", IrcLine("PRIVMSG", ("#x", "café"))),
        ("PRIVMSG #x :café".encode(), IrcLine("PRIVMSG", ("#x", "café"))),
    ],
)
def test_lines_are_read_as_the_documents_say(raw: bytes, line: IrcLine) -> None:
    assert parse(raw) == line


@pytest.mark.parametrize(
    "raw", [b"", b"\r\n", b" ", b"@a=b", b":", b":only", b"12 x", b"A\0B", b"PING\rQUIT"]
)
def test_what_is_no_line_is_refused(raw: bytes) -> None:
    with pytest.raises(BadLine):
        parse(raw)


@given(st.binary(max_size=300))
def test_nothing_that_a_server_sends_is_a_surprise(raw: bytes) -> None:
    with contextlib.suppress(BadLine):
        line = parse(raw)
        assert line.command
        assert [line.param(index) for index in (-1, 0, 99)][2] == ""
        assert isinstance(line.nick, str)


@given(st.text(max_size=600), st.text(max_size=600))
def test_whatever_is_sent_is_one_line_that_fits(middle: str, last: str) -> None:
    sent = build("PRIVMSG", middle, last)
    assert len(sent) <= MOST_SENT_BYTES + 2
    assert sent.endswith(b"\r\n")
    assert not set(sent[:-2]) & set(b"\r\n\0")
    read = parse(sent)
    assert read.command == "PRIVMSG"
    assert len(read.params) <= 2


@given(st.text(st.characters(exclude_characters="\r\n\0", exclude_categories=["Cs"]), max_size=80))
def test_what_is_sent_is_read_again(text: str) -> None:
    assert parse(build("PRIVMSG", "#c", text)).params == ("#c", text)


def test_colours_and_the_like_are_taken_off() -> None:
    assert without_formatting("\x02b\x0f \x0304,12red\x03 \x04ff0000hex \x1dit") == "b red hex it"


def test_names_are_compared_as_the_server_does() -> None:
    assert folded("Ann[]\\~") == "ann{}|^"
    assert folded("Ann[]", mapping="ascii") == "ann[]"
    assert folded("ÀB") == "Àb"
