"""Windows of so many characters of running text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import ChatMessage, Modality, StreamId, Window, WindowSpec, WindowUnit
from streammon.windows.sliding import Windower, make_windower
from tests.fakes import a_message

CHARACTERS = WindowUnit.CHARACTERS


def windower(length: int, overlap: int) -> Windower:
    return make_windower(StreamId("chat"), Modality.TEXT, WindowSpec(length, overlap, CHARACTERS))


def text_of(window: Window) -> str:
    return "".join(item.text for item in window.items if isinstance(item, ChatMessage))


texts = st.lists(st.text(max_size=60), max_size=25)
sizes = st.tuples(st.integers(1, 50), st.integers(0, 49)).filter(lambda pair: pair[1] < pair[0])


@given(lines=texts, size=sizes)
def test_the_texts_of_a_window_are_exactly_its_span_of_the_running_text(
    lines: list[str], size: tuple[int, int]
) -> None:
    length, overlap = size
    cutter = windower(length, overlap)
    windows = [
        window
        for seq, line in enumerate(lines)
        for window in cutter.push(a_message(seq, text=line))
    ]
    running = "".join(lines)
    starts = range(0, len(running) - length + 1, length - overlap)
    assert [text_of(window) for window in windows] == [running[at : at + length] for at in starts]
    rest = running[len(windows) * (length - overlap) :]
    is_new = len(rest) > (overlap if windows else 0)
    wanted = [rest] if is_new and 2 * len(rest) >= length else []
    assert [text_of(window) for window in cutter.flush()] == wanted
    assert cutter.flush() == []


@given(lines=texts, size=sizes)
def test_every_item_of_a_window_says_something_in_it(
    lines: list[str], size: tuple[int, int]
) -> None:
    cutter = windower(*size)
    for seq, line in enumerate(lines):
        for window in cutter.push(a_message(seq, text=line)):
            assert all(isinstance(item, ChatMessage) and item.text for item in window.items)
            own = [item.seq for item in window.items]
            assert own == sorted(set(own))
            assert window.start_s == own[0]
            assert window.captured_ns == own[-1] * 10**9


def test_a_new_epoch_begins_a_new_text() -> None:
    cutter = windower(4, 0)
    assert cutter.push(a_message(0, text="abc", epoch=0)) == []
    (window,) = cutter.push(a_message(1, text="defg", epoch=1))
    assert (text_of(window), window.epoch) == ("defg", 1)


def test_time_alone_completes_nothing() -> None:
    cutter = windower(4, 0)
    cutter.push(a_message(0, text="abc"))
    assert cutter.advance(1e6) == []
