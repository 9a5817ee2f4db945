"""Windows of so many frames or messages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import Item, Modality, Window, WindowSpec, WindowUnit
from streammon.windows.sliding import Windower, make_windower
from tests.fakes import CAM, a_frame, a_message

FRAMES, MESSAGES = WindowUnit.FRAMES, WindowUnit.MESSAGES


def pushed(cutter: Windower, items: list[Item]) -> list[list[int]]:
    return [seqs(window) for item in items for window in cutter.push(item)]


def seqs(window: Window) -> list[int]:
    return [item.seq for item in window.items]


@st.composite
def specs(draw: st.DrawFn) -> WindowSpec:
    length = draw(st.integers(1, 12))
    overlap = draw(st.integers(0, length - 1))
    return WindowSpec(length, overlap, FRAMES, frame_interval_s=0.5)


@given(spec=specs(), runs=st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_every_hop_of_an_unbroken_run_ends_one_window(spec: WindowSpec, runs: list[int]) -> None:
    length, hop = int(spec.length), int(spec.hop)
    items: list[Item] = []
    wanted, at_s = [], 0.0
    for size in runs:
        first = len(items)
        items += [a_frame(first + i, media_s=at_s + i / 4) for i in range(size)]
        at_s += size / 4 + spec.gap_limit_s
        starts = range(first, first + size - length + 1, hop)
        wanted += [list(range(start, start + length)) for start in starts]
    assert pushed(make_windower(CAM, Modality.VIDEO, spec), items) == wanted


@given(spec=specs(), count=st.integers(0, 40))
def test_the_end_gives_what_is_half_full_and_new(spec: WindowSpec, count: int) -> None:
    cutter = make_windower(CAM, Modality.VIDEO, spec)
    whole = pushed(cutter, [a_frame(seq, media_s=seq / 4) for seq in range(count)])
    rest = [seqs(window) for window in cutter.flush()]
    seen = {seq for window in whole for seq in window}
    unseen = set(range(count)) - seen
    left = count - len(whole) * int(spec.hop)
    if unseen and 2 * left >= spec.length:
        assert rest == [list(range(count - left, count))]
    else:
        assert rest == []
    assert cutter.flush() == []


def test_frames_break_at_a_new_epoch_and_where_time_steps_back() -> None:
    spec = WindowSpec(2, 0, FRAMES, frame_interval_s=0.5)
    cutter = make_windower(CAM, Modality.VIDEO, spec)
    items: list[Item] = [
        a_frame(0, media_s=0.0),
        a_frame(1, media_s=0.5, epoch=1),
        a_frame(2, media_s=0.4, epoch=1),
        a_frame(3, media_s=0.45, epoch=1, damaged=True),
        a_frame(4, media_s=0.5, epoch=1),
    ]
    assert pushed(cutter, items) == [[2, 4]]


def test_messages_count_in_the_order_in_which_they_come_however_long_apart() -> None:
    cutter = make_windower(CAM, Modality.TEXT, WindowSpec(3, 1, MESSAGES))
    times = [5.0, 4.0, 1000.0, 2.0, 2000.0]
    items = [a_message(seq, media_s=at_s) for seq, at_s in enumerate(times)]
    windows = [window for item in items for window in cutter.push(item)]
    assert [seqs(window) for window in windows] == [[0, 1, 2], [2, 3, 4]]
    assert windows[0].start_s == 4.0
    assert 1000.0 < windows[0].end_s < 1000.001
    assert windows[0].captured_ns == items[2].captured_ns
    assert cutter.advance(9999.0) == []


@given(spec=specs(), epochs=st.lists(st.integers(0, 2), max_size=30))
def test_an_epoch_never_spans_two(spec: WindowSpec, epochs: list[int]) -> None:
    messages = WindowSpec(spec.length, spec.overlap, MESSAGES)
    cutter = make_windower(CAM, Modality.TEXT, messages)
    for seq, epoch in enumerate(epochs):
        for window in cutter.push(a_message(seq, epoch=epoch)):
            assert {item.epoch for item in window.items} == {window.epoch}
