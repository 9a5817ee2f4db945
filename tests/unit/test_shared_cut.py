"""One cut for several detectors, each with its own length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.errors import ConfigError
from streammon.core.types import AudioChunk, Modality, StreamId, Window, WindowSpec, WindowUnit
from streammon.detectors.shared_cut import Wanted, newest_part, shared_cut, shared_modalities
from streammon.windows.sliding import make_windower
from tests.fakes import RATE_HZ, a_chunk, a_frame, a_message, a_window

SECONDS, MESSAGES, CHARACTERS = WindowUnit.SECONDS, WindowUnit.MESSAGES, WindowUnit.CHARACTERS

specs = st.tuples(st.integers(1, 80), st.integers(1, 80)).map(
    lambda pair: WindowSpec(max(pair) / 10, (max(pair) - min(pair)) / 10)
)


@given(st.lists(specs, min_size=1, max_size=5))
def test_no_member_is_shown_less_or_less_often_than_it_asked_for(many: list[WindowSpec]) -> None:
    together = shared_cut({str(at): spec for at, spec in enumerate(many)})
    for spec in many:
        assert together.length >= spec.length
        assert together.hop <= spec.hop + 1e-9


@given(st.lists(specs, min_size=1, max_size=4), st.integers(3, 12))
def test_each_member_is_handed_its_own_length_of_sound_up_to_the_same_end(
    many: list[WindowSpec], seconds: int
) -> None:
    windower = make_windower(
        StreamId("s"), Modality.AUDIO, shared_cut({str(at): one for at, one in enumerate(many)})
    )
    windows = [one for at in range(10 * seconds) for one in windower.push(a_chunk(at))]
    for window in windows[:20]:
        whole = window.items[0]
        assert isinstance(whole, AudioChunk)
        for spec in many:
            part = newest_part(window, spec)
            assert part is not None
            chunk = part.items[0]
            assert isinstance(chunk, AudioChunk)
            assert abs(len(chunk.pcm) - spec.length * RATE_HZ) <= 1
            assert part.end_s == window.end_s
            assert part.end_s - part.start_s == pytest.approx(spec.length, abs=1e-3)
            assert chunk.captured_ns == whole.captured_ns
            assert (chunk.pcm == whole.pcm[-len(chunk.pcm) :]).all()


@given(st.lists(specs, min_size=2, max_size=4), st.integers(60, 200))
def test_a_member_sees_every_instant_that_it_would_see_alone(
    many: list[WindowSpec], frames: int
) -> None:
    """From the first shared window on, nothing falls between its parts."""
    spec = many[0]
    windower = make_windower(
        StreamId("s"), Modality.VIDEO, shared_cut({str(at): one for at, one in enumerate(many)})
    )
    items = [a_frame(at, media_s=at / 10) for at in range(frames)]
    windows = [one for item in items for one in windower.push(item)]
    parts = [newest_part(window, spec) for window in windows]
    seen = {item.seq for part in parts if part is not None for item in part.items}
    if seen:
        assert seen == set(range(min(seen), max(seen) + 1))


def test_pictures_come_as_close_together_as_the_keenest_wants() -> None:
    one = WindowSpec(2.0, 0.0, frame_interval_s=0.5, calm_frame_interval_s=4.0)
    other = WindowSpec(2.0, 0.0, frame_interval_s=0.2)
    both = shared_cut({"one": one, "other": other})
    assert (both.frame_interval_s, both.calm_frame_interval_s) == (0.2, None)
    assert shared_cut({"one": one}).calm_frame_interval_s == 4.0


def test_messages_are_counted_and_chat_may_be_silent() -> None:
    lines = [a_message(at) for at in range(6)]
    window = a_window(*lines, end_s=10.0)
    part = newest_part(window, WindowSpec(2, 0, MESSAGES))
    assert part is not None
    assert [item.seq for item in part.items] == [4, 5]
    assert part.start_s == 4.0
    assert newest_part(window, WindowSpec(6, 0, MESSAGES)) is window
    assert newest_part(window, WindowSpec(3.0, 0.0)) is None
    later = newest_part(window, WindowSpec(5.5, 0.0))
    assert later is not None
    assert [item.seq for item in later.items] == [5]


def test_a_window_that_is_no_longer_is_handed_on_as_it_is() -> None:
    window: Window = a_window(a_chunk(duration_s=1.0), end_s=1.0)
    assert newest_part(window, WindowSpec(2.0, 0.5)) is window


@pytest.mark.parametrize(
    ("one", "other", "message"),
    [
        (WindowSpec(2, 0), WindowSpec(8, 0, MESSAGES), "'a' is cut in seconds and 'b' in messages"),
        (WindowSpec(200, 0, CHARACTERS), WindowSpec(400, 0, CHARACTERS), "200 characters"),
    ],
)
def test_windows_that_cannot_be_shared_are_refused(
    one: WindowSpec, other: WindowSpec, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        shared_cut({"a": one, "b": other})


def test_a_window_that_was_asked_for_must_hold_the_longest() -> None:
    both = {"a": WindowSpec(2.0, 0.0), "deep": WindowSpec(4.0, 0.0)}
    assert shared_cut(both, wanted=Wanted(6.0, 1.0)).hop == 5.0
    with pytest.raises(ConfigError, match=r"window\.length: 'deep' needs 4 seconds, got 3"):
        shared_cut(both, wanted=Wanted(3.0, 0.0))
    text = {"a": WindowSpec(200, 0, CHARACTERS)}
    with pytest.raises(ConfigError, match="only 200 is possible"):
        shared_cut(text, wanted=Wanted(400, 0))


def test_members_look_at_the_same_or_say_what_they_share() -> None:
    both = {Modality.AUDIO: WindowSpec(2, 0), Modality.VIDEO: WindowSpec(2, 0)}
    sound = {Modality.AUDIO: WindowSpec(2, 0)}
    assert shared_modalities({"a": both, "b": both}) == (Modality.AUDIO, Modality.VIDEO)
    assert shared_modalities({"a": both, "b": sound}, only=Modality.AUDIO) == (Modality.AUDIO,)
    with pytest.raises(ConfigError, match="'a' looks at audio and video and 'b' at audio"):
        shared_modalities({"a": both, "b": sound})
    with pytest.raises(ConfigError, match="modality: 'b' looks at audio, not at video"):
        shared_modalities({"a": both, "b": sound}, only=Modality.VIDEO)
