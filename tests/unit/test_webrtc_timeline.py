"""Two tracks on one clock: wraps, jumps, and what sender reports move."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.ingest.webrtc.timeline import (
    STRAY_S,
    WRAP,
    SenderReport,
    Timeline,
    TrackClock,
)

RATE_HZ = 90_000


def report(ntp_s: float, rtp: int) -> SenderReport:
    return SenderReport(ntp_s, rtp % WRAP, 0.0)


def test_timestamps_go_on_over_the_wrap() -> None:
    clock = TrackClock(RATE_HZ)
    first, _ = clock.place(WRAP - 3000, 10.0)
    second, anew = clock.place(0, 10.03)
    assert first == 10 * RATE_HZ
    assert second - first == 3000
    assert not anew


def test_a_late_packet_lies_before_the_ones_it_follows() -> None:
    clock = TrackClock(RATE_HZ)
    clock.place(9000, 1.0)
    assert clock.place(6000, 1.01) == (RATE_HZ - 3000, False)


def test_a_jump_of_the_senders_timestamps_is_put_where_it_arrived() -> None:
    clock = TrackClock(RATE_HZ)
    clock.place(0, 1.0)
    assert clock.place(2_000_000_000, 1.1) == (round(1.1 * RATE_HZ), True)


@given(
    st.lists(
        st.tuples(st.integers(0, WRAP - 1), st.floats(0, 2)),
        min_size=1,
        max_size=50,
    )
)
def test_whatever_the_sender_writes_it_stays_near_the_arrival(
    steps: list[tuple[int, float]],
) -> None:
    clock, now_s = TrackClock(RATE_HZ), 0.0
    for rtp, step_s in steps:
        now_s += step_s
        ticks, _ = clock.place(rtp, now_s)
        assert abs(ticks / RATE_HZ - now_s) <= STRAY_S + 1 / RATE_HZ


@given(st.floats(-1.9, 1.9), st.integers(0, WRAP - 1), st.integers(0, WRAP - 1))
def test_after_aligning_both_tracks_agree_with_the_sender(
    late_s: float, video_rtp: int, audio_rtp: int
) -> None:
    """The sender took both at ntp 1000; the picture arrived `late_s` after the sound."""
    timeline = Timeline()
    sound = timeline.hear(48_000)
    sound.place(audio_rtp, 10.0)
    timeline.video.place(video_rtp, 10.0 + late_s)
    before = timeline.trust
    sound.reported(report(1000.0, audio_rtp))
    timeline.video.reported(report(1000.0, video_rtp))
    assert (before, timeline.trust) == ("arrival", "sender")
    assert timeline.skew_s == pytest.approx(-late_s, abs=1e-4)
    assert timeline.align() == (abs(timeline.skew_s or 0.0) > 0.04 or abs(late_s) > 0.0401)
    if abs(late_s) > 0.0401:
        assert timeline.video.place(video_rtp, 10.0)[0] / RATE_HZ == pytest.approx(10.0, abs=1e-4)
        assert not timeline.misaligned


def test_a_report_that_was_late_once_moves_nothing() -> None:
    timeline = Timeline()
    timeline.hear(8000).place(0, 10.0)
    timeline.video.place(0, 10.0)
    timeline.hear(8000).reported(report(5.0, 0))
    for late_s in (0.01, 0.12, 0.02):
        timeline.video.reported(report(5.0 + late_s, 0))
    assert timeline.trust == "sender"
    assert timeline.skew_s == pytest.approx(0.02, abs=1e-4)
    assert not timeline.align()


def test_small_and_impossible_skews_move_nothing() -> None:
    for late_s in (0.03, 2.5):
        timeline = Timeline()
        timeline.hear(8000).place(0, 10.0)
        timeline.video.place(0, 10.0 + late_s)
        timeline.hear(8000).reported(report(5.0, 0))
        timeline.video.reported(report(5.0, 0))
        assert not timeline.align()


def test_reports_that_contradict_the_timestamps_are_not_believed() -> None:
    timeline = Timeline()
    timeline.hear(48_000).place(0, 10.0)
    timeline.video.place(0, 10.5)
    timeline.hear(48_000).reported(report(1000.0, 0))
    timeline.video.reported(report(1000.0, 0))
    timeline.video.reported(report(1005.0, RATE_HZ))  # 5 s by its clock, 1 s by its timestamps
    assert timeline.trust == "broken"
    assert not timeline.align()


@given(
    st.lists(st.floats(0.0, 0.19), min_size=2, max_size=4),
    st.floats(0.5, 30.0),
    st.integers(0, 4),
)
def test_one_report_that_was_much_too_late_is_passed_over(
    late_s: list[float], much_s: float, place: int
) -> None:
    timeline = reported_with([*late_s[:place], much_s, *late_s[place:]])
    assert timeline.trust == "sender"


def test_a_sender_that_is_late_again_and_again_is_not_believed_until_it_is_right_again() -> None:
    assert reported_with([0.0, 0.5]).trust == "broken", "either may be the late one"
    assert reported_with([0.0, 0.0, 0.0, 0.5, 0.5]).trust == "broken"
    assert reported_with([0.5, 0.5, 0.0, 0.0, 0.0]).trust == "broken"
    assert reported_with([0.5, 0.5, 0.0, 0.0, 0.0, 0.0]).trust == "sender"


def reported_with(late_s: list[float]) -> Timeline:
    """After a report of the sound, and one of the picture with each of these delays."""
    timeline = Timeline()
    timeline.hear(8000).place(0, 10.0)
    timeline.video.place(0, 10.0)
    timeline.hear(8000).reported(report(5.0, 0))
    for one_s in late_s:
        timeline.video.reported(report(5.0 + one_s, 0))
    return timeline


def test_a_report_without_a_clock_says_nothing() -> None:
    timeline = Timeline()
    timeline.hear(48_000).place(0, 1.0)
    timeline.video.place(0, 1.5)
    timeline.hear(48_000).reported(report(0.0, 0))
    timeline.video.reported(report(0.0, 0))
    assert timeline.trust == "arrival"
