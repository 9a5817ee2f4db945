"""Single streams are looked at for a while, beside the detectors."""

from __future__ import annotations

import pytest

from streammon.core.types import StreamId
from streammon.pipelines.attention import MOST_WAITING, Attention
from tests.contract.source_laws import Nothing
from tests.fakes import CAM, WantAll, a_chunk, a_frame, a_message

OTHER = StreamId("other")


def test_a_look_makes_demand_tighter_for_as_long_as_it_lasts() -> None:
    attention = Attention()
    calm = attention.demand(CAM, WantAll(frame_interval_s=2.0))
    none = attention.demand(CAM, Nothing())
    dense = attention.demand(CAM, WantAll(frame_interval_s=0.01))
    other = attention.demand(OTHER, WantAll(frame_interval_s=2.0))
    with attention.to(CAM, interval_s=0.5), attention.to(CAM, interval_s=0.1):
        assert calm.frame_interval_s == 0.1
        assert none.frame_interval_s == 0.1
        assert dense.frame_interval_s == 0.01
        assert other.frame_interval_s == 2.0
        assert not none.audio
    assert calm.frame_interval_s == 2.0
    assert none.frame_interval_s is None


async def test_everyone_who_looks_sees_the_streams_own_items() -> None:
    attention = Attention()
    attention.saw(a_frame(0))
    with attention.to(CAM, interval_s=0.1) as one, attention.to(CAM, interval_s=0.1) as two:
        attention.saw(a_frame(1))
        attention.saw(a_frame(2, stream=OTHER))
        assert [len(one), len(two)] == [1, 1]
        assert (await one.recv()).seq == 1


async def test_a_reader_that_is_late_loses_the_oldest() -> None:
    attention = Attention()
    with attention.to(CAM, interval_s=0.1) as items:
        for seq in range(MOST_WAITING + 5):
            attention.saw(a_frame(seq))
        assert (await items.recv()).seq == 5


def test_sound_is_wanted_while_somebody_listens() -> None:
    attention = Attention()
    silent = attention.demand(CAM, Nothing())
    with attention.to(CAM, interval_s=0.1):
        assert not silent.audio
        with attention.to(CAM, interval_s=0.1, audio=True):
            assert silent.audio
    assert not silent.audio


def test_detectors_are_given_what_they_want_however_closely_somebody_looks() -> None:
    attention = Attention()
    wanted = attention.demand(CAM, WantAll(frame_interval_s=0.5))
    frames = [a_frame(at, media_s=at / 25, epoch=at // 50) for at in range(100)]
    assert all(attention.usual(frame) for frame in frames), "nobody looks"
    with attention.to(CAM, interval_s=0.04):
        given = [frame.seq for frame in frames if attention.usual(frame)]
        assert attention.usual(a_message(0)), "of what is no picture nothing is left out"
        assert attention.usual(a_chunk(0))
        assert attention.usual(a_frame(0, stream=OTHER))
        assert wanted.frame_interval_s == 0.04
    assert given == [0, 13, 25, 38, 50, 63, 75, 88]
    assert all(attention.usual(frame) for frame in frames)


def test_what_nobody_but_a_viewer_wants_goes_to_the_viewer_alone() -> None:
    attention = Attention()
    wanted = attention.demand(CAM, Nothing())
    with attention.to(CAM, interval_s=0.04, audio=True):
        assert wanted.audio
        assert not attention.usual(a_frame(0))
        assert not attention.usual(a_chunk(0))


def test_a_failure_ends_the_look() -> None:
    attention = Attention()

    def fail() -> None:
        with attention.to(CAM, interval_s=0.1):
            raise KeyError("mine")

    with pytest.raises(KeyError):
        fail()
    assert attention.interval_s(CAM) is None
