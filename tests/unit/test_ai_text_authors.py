"""Who wrote how much: bounded, apart by author, and each line used once."""

from __future__ import annotations

from dataclasses import replace

from streammon.core.types import ChatMessage
from streammon.detectors.ai_text_authors import MOST_SCORES, Author, Authors, joined
from tests.fakes import a_message


def said(seq: int, author: str, text: str) -> ChatMessage:
    return replace(a_message(seq), author_id=author, text=text, message_id=f"m{seq}")


def heard(*messages: ChatMessage, most: int = 10, most_characters: int = 100) -> Authors:
    authors = Authors(most=most, most_characters=most_characters)
    authors.hear(messages)
    return authors


def texts(authors: Authors, *names: str) -> dict[str, str]:
    asked = [said(0, name, "") for name in names]
    return {name: author.text() for name, author in authors.present(asked)}


def test_lines_are_gathered_by_author() -> None:
    authors = heard(said(0, "ann", "one"), said(1, "bob", "two"), said(2, "ann", "three"))
    assert texts(authors, "ann", "bob", "cho") == {"ann": "one\nthree", "bob": "two"}


def test_the_parts_of_a_message_that_was_cut_are_put_together() -> None:
    assert joined([("m1", "hel"), ("m1", "lo"), ("m2", "you"), ("", "a"), ("", "b")]) == (
        "hello\nyou\na\nb"
    )


def test_only_as_much_as_a_window_takes_is_remembered() -> None:
    authors = heard(*(said(n, "ann", f"{n:02d}" * 10) for n in range(50)))
    (kept,) = texts(authors, "ann").values()
    assert kept.endswith("49" * 10)
    assert 100 <= len(kept.replace("\n", "")) < 120
    long = heard(said(0, "ann", "x" * 1_000_000))
    assert texts(long, "ann") == {"ann": "x" * 100}


def test_the_longest_silent_author_is_forgotten_first() -> None:
    messages = [said(0, "ann", "a"), said(1, "bob", "b"), said(2, "ann", "a"), said(3, "cho", "c")]
    authors = heard(*messages, most=2)
    assert len(authors) == 2
    assert set(texts(authors, "ann", "bob", "cho")) == {"ann", "cho"}


def test_messages_of_nobody_are_not_remembered() -> None:
    assert len(heard(said(0, "", "hello"))) == 0


def test_another_recording_under_the_same_name_begins_anew() -> None:
    authors = heard(said(5, "ann", "one"))
    authors.hear([said(6, "ann", "two")])
    assert texts(authors, "ann") == {"ann": "one\ntwo"}
    authors.hear([said(0, "ann", "new")])
    assert texts(authors, "ann") == {"ann": "new"}
    authors.hear([replace(said(0, "ann", "other"), message_id="another")])
    assert texts(authors, "ann") == {"ann": "other"}


def test_the_rest_of_a_message_goes_on_in_the_next_window() -> None:
    authors = heard(said(3, "ann", "hel"))
    authors.hear([said(3, "ann", "lo")])
    assert texts(authors, "ann") == {"ann": "hello"}


def test_text_that_was_judged_is_not_used_again() -> None:
    author = Author(most_characters=100)
    author.add(said(0, "ann", "hello"))
    for number in range(MOST_SCORES + 4):
        author.judged(float(number))
    assert author.text() == ""
    assert author.characters == 0
    assert len(author.scores) == MOST_SCORES
    assert author.mean == sum(range(4, MOST_SCORES + 4)) / MOST_SCORES
