"""Sound and pictures on one clock."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import Modality, Window
from streammon.windows.align import MOST_WAITING, Aligner, Moment
from tests.fakes import a_chunk, a_frame, a_message, a_window

AUDIO, VIDEO = Modality.AUDIO, Modality.VIDEO


def heard(start_s: float, *, epoch: int = 0, length_s: float = 2.0) -> Window:
    chunk = a_chunk(media_s=start_s, epoch=epoch)
    return a_window(chunk, start_s=start_s, end_s=start_s + length_s)


def seen(start_s: float, *, epoch: int = 0, length_s: float = 2.0) -> Window:
    frame = a_frame(media_s=start_s, epoch=epoch)
    return a_window(frame, start_s=start_s, end_s=start_s + length_s)


def pushed(windows: Sequence[Window]) -> list[Moment]:
    aligner = Aligner()
    return [moment for window in windows for moment in aligner.push(window)] + aligner.flush()


def spans(moments: Sequence[Moment]) -> list[tuple[float | None, float | None]]:
    return [
        (
            moment.audio.start_s if moment.audio else None,
            moment.video.start_s if moment.video else None,
        )
        for moment in moments
    ]


def test_windows_of_one_time_are_a_pair_though_their_grids_begin_apart() -> None:
    windows = [heard(0.0), seen(0.04), heard(2.0), heard(4.0), seen(2.04), seen(4.04)]
    moments = pushed(windows)
    assert spans(moments) == [(0.0, 0.04), (2.0, 2.04), (4.0, 4.04)]
    assert (moments[0].start_s, moments[0].end_s) == (0.0, 2.04)


def test_what_has_no_other_half_goes_out_alone_in_its_place() -> None:
    windows = [heard(0.0), seen(0.04), heard(2.0), heard(4.0), seen(4.04)]
    assert spans(pushed(windows)) == [(0.0, 0.04), (2.0, None), (4.0, 4.04)]


def test_epochs_are_never_paired() -> None:
    windows = [heard(0.0, epoch=0), seen(0.0, epoch=1), heard(0.0, epoch=1)]
    moments = pushed(windows)
    assert spans(moments) == [(0.0, None), (0.0, 0.0)]
    assert [moment.epoch for moment in moments] == [0, 1]


def test_when_one_side_falls_silent_the_other_is_not_kept_for_ever() -> None:
    aligner = Aligner()
    sent = [moment for at in range(100) for moment in aligner.push(heard(float(at)))]
    assert len(sent) == 100 - MOST_WAITING
    assert all(moment.video is None for moment in sent)


def test_text_has_no_place_here() -> None:
    with pytest.raises(ValueError, match="text"):
        Aligner().push(a_window(a_message()))


starts = st.lists(st.integers(0, 40), unique=True, max_size=20).map(sorted)


@given(
    audio=starts,
    video=starts,
    offset_s=st.floats(-0.4, 0.4),
    order=st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_every_window_goes_out_once_and_pairs_share_most_of_their_time(
    audio: list[int], video: list[int], offset_s: float, order: list[bool]
) -> None:
    waiting = {
        True: [heard(float(at), length_s=1.0) for at in audio],
        False: [seen(at + offset_s, length_s=1.0) for at in video],
    }
    windows = []
    for first in order:
        side = waiting[first] or waiting[not first]
        if side:
            windows.append(side.pop(0))
    moments = pushed(windows)
    out = [half for moment in moments for half in (moment.audio, moment.video) if half]
    assert sorted(map(id, out)) == sorted(map(id, windows))
    for moment in moments:
        if moment.audio and moment.video:
            shared_s = min(moment.audio.end_s, moment.video.end_s) - max(
                moment.audio.start_s, moment.video.start_s
            )
            assert shared_s >= 0.5
    for modality in (AUDIO, VIDEO):
        own = [half.start_s for half in out if half.modality is modality]
        assert own == sorted(own)
