"""What is said becomes messages: hashed, bounded, each once, on one clock that never goes back."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.moderation import AuthorRole, KnownAuthor
from streammon.core.types import ChatMessage, StreamId
from streammon.ingest.chat.author_ids import AuthorIds
from streammon.ingest.chat.book import Book, Spoken
from streammon.ingest.chat.intake import MOST_IDS, MOST_LATE_S, Bounds, Intake, Refused
from streammon.ingest.chat.said import Said

STREAM = StreamId("chat")
IDS = AuthorIds(bytes(32), platform="test")
NOW_UNIX_S = 1_800_000_000.0
HELLO = Said(author_id="u1", text="hello", message_id="m1", room="main", name="Ann")
S = 1_000_000_000


def an_intake(*, bounds: Bounds = Bounds(), clock: str = "arrival") -> tuple[Intake, Book]:
    book = Book()
    intake = Intake(STREAM, bounds=bounds, book=book, clock=clock, now_unix_s=lambda: NOW_UNIX_S)
    intake.begin_epoch(IDS)
    return intake, book


def taken(intake: Intake, said: Said, at_s: float = 0.0) -> ChatMessage:
    message = intake.take(said, now_ns=round(at_s * S))
    assert isinstance(message, ChatMessage)
    return message


def test_the_author_leaves_only_as_a_pseudonym_that_the_source_can_turn_back() -> None:
    intake, book = an_intake()
    said = replace(HELLO, roles=frozenset({AuthorRole.MODERATOR}), address="ann!a@host")
    message = taken(intake, said)
    assert re.fullmatch("[0-9a-f]{24}", message.author_id)
    assert "u1" not in repr(message)
    assert "Ann" not in repr(message)
    author = book.author(message.author_id)
    assert author is not None
    assert (author.platform_id, author.address) == ("u1", "ann!a@host")
    assert book.known(message.author_id) == KnownAuthor("Ann", frozenset({AuthorRole.MODERATOR}))
    assert book.message("m1") == Spoken("main", message.author_id)


def test_what_is_said_does_not_show_when_it_is_printed() -> None:
    shown = repr(replace(HELLO, address="ann!a@host"))
    assert not [each for each in ("u1", "hello", "Ann", "ann!") if each in shown]


def test_without_ids_the_author_stays_as_the_platform_has_it() -> None:
    intake, _ = an_intake()
    intake.begin_epoch(None)
    assert taken(intake, HELLO).author_id == "u1"


def test_a_repeat_is_refused_also_after_a_reconnect_and_another_room_is_no_repeat() -> None:
    intake, _ = an_intake()
    first = taken(intake, HELLO)
    assert intake.take(HELLO, now_ns=S) is Refused.DUPLICATE
    intake.begin_epoch(IDS)
    assert intake.take(HELLO, now_ns=2 * S) is Refused.DUPLICATE
    other = taken(intake, replace(HELLO, room="other"), 3.0)
    assert (first.seq, other.seq) == (0, 1)
    assert (first.epoch, other.epoch) == (0, 1)


def test_messages_without_an_id_are_all_new_and_get_ids_of_their_own() -> None:
    intake, _ = an_intake()
    said = replace(HELLO, message_id=None)
    ids = [taken(intake, said, at_s).message_id for at_s in (0.0, 0.0, 1.0)]
    other, _ = an_intake()
    assert len({*ids, taken(other, said).message_id}) == 4


def test_ids_are_remembered_up_to_a_bound() -> None:
    bounds = Bounds(most_per_s=10 * MOST_IDS)
    intake, _ = an_intake(bounds=bounds)
    for number in range(MOST_IDS + 1):
        taken(intake, replace(HELLO, message_id=str(number)))
    assert isinstance(intake.take(replace(HELLO, message_id="0"), now_ns=S), ChatMessage)
    assert intake.take(replace(HELLO, message_id=str(MOST_IDS)), now_ns=S) is Refused.DUPLICATE


def test_more_than_the_rate_is_dropped_and_may_be_said_again() -> None:
    intake, _ = an_intake(bounds=Bounds(most_per_s=5.0))
    said = [replace(HELLO, message_id=str(number)) for number in range(12)]
    outcomes = [intake.take(each, now_ns=0) for each in said]
    assert outcomes.count(Refused.TOO_FAST) == 2
    assert isinstance(outcomes[9], ChatMessage)
    again = taken(intake, said[11], 1.0)
    assert again.seq == 10, "numbers have no hole where a message was refused"


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (replace(HELLO, text=" \n"), Refused.EMPTY),
        (replace(HELLO, author_id=""), Refused.EMPTY),
        (replace(HELLO, author_id="u" * 257), Refused.BAD_ID),
        (replace(HELLO, message_id="m" * 257), Refused.BAD_ID),
        (replace(HELLO, room="r" * 257), Refused.BAD_ID),
    ],
)
def test_what_cannot_be_a_message_is_refused(said: Said, why: Refused) -> None:
    assert an_intake()[0].take(said, now_ns=0) is why


def test_long_texts_are_cut_and_what_is_no_text_is_made_whole() -> None:
    intake, _ = an_intake(bounds=Bounds(most_chars=10))
    odd = Said(
        author_id="u\ud800", text="hi\ud83d" + "x" * 50, message_id="m\udc00", room="r\ud800"
    )
    message = taken(intake, odd)
    assert message.text == "hi?xxxxxxx"
    "".join((message.text, message.message_id, message.room, message.author_id)).encode()


def test_by_the_time_of_sending_a_backlog_keeps_its_distances() -> None:
    intake, _ = an_intake(clock="sent")
    ages_s = (300.0, 200.0, 0.0)
    said = [
        replace(HELLO, message_id=str(n), sent_unix_s=NOW_UNIX_S - age_s)
        for n, age_s in enumerate(ages_s)
    ]
    times = [taken(intake, each, 1.0).media_s for each in said]
    assert times == pytest.approx([0.0, 100.0, 300.0])


def test_a_sender_from_the_future_or_the_far_past_moves_no_clock() -> None:
    intake, _ = an_intake(clock="sent")
    offsets_s = (0.0, 1e9, -1e9, 1e308, -1e308, float("inf"), float("-inf"), float("nan"))
    times = []
    for number, offset_s in enumerate(offsets_s):
        said = replace(HELLO, message_id=str(number), sent_unix_s=NOW_UNIX_S + offset_s)
        times.append(taken(intake, said, float(number)).media_s)
    assert times == sorted(times)
    assert times[-1] <= len(offsets_s)


@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 5.0), st.one_of(st.none(), st.floats(allow_nan=True)), st.booleans()
        ),
        max_size=30,
    )
)
def test_media_time_never_goes_back_nor_ahead_of_what_has_passed(
    steps: list[tuple[float, float | None, bool]],
) -> None:
    intake, _ = an_intake(clock="sent")
    now_s, before = 0.0, (-1, -1.0)
    for number, (step_s, sent_s, reconnects) in enumerate(steps):
        if reconnects:
            intake.begin_epoch(IDS)
        now_s += step_s
        said = replace(HELLO, message_id=str(number), sent_unix_s=sent_s)
        message = taken(intake, said, now_s)
        assert (message.epoch, message.media_s) >= before
        assert message.media_s <= now_s + MOST_LATE_S + 1e-6  # arrivals are whole nanoseconds
        before = (message.epoch, message.media_s)


def test_roles_in_any_room_count_and_the_newest_of_each() -> None:
    intake, book = an_intake()
    moderator = replace(HELLO, roles=frozenset({AuthorRole.MODERATOR}))
    author = taken(intake, moderator).author_id
    taken(intake, replace(HELLO, room="other", message_id="m2"))
    known = book.known(author)
    assert known is not None
    assert known.roles == {AuthorRole.MODERATOR}
    taken(intake, replace(HELLO, message_id="m3"))
    known = book.known(author)
    assert known is not None
    assert known.roles == frozenset()


def test_the_book_forgets_the_authors_that_were_longest_silent() -> None:
    book = Book(most_authors=2, most_messages=2)
    for number in range(3):
        book.note(str(number), HELLO)
        book.note_message(str(number), Spoken("main", str(number)))
    assert book.author("0") is None
    assert book.message("0") is None
    assert book.message("2") is not None
    book.forget_message("2")
    assert book.message("2") is None
    assert book.known("nobody") is None
