"""What streams are asked for, and which windows are let in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streammon.core.types import WindowSpec, WindowUnit
from streammon.scheduler.demand import (
    CALM_AFTER_S,
    CALM_BELOW,
    StreamDemand,
    Track,
    frame_interval_s,
    urgency,
)
from tests.virtual_device import result_of, window_of

SECOND_NS = 10**9
SPEC = WindowSpec(2.0, 1.0)


def let_in(track: Track, windows: int, *, hop_s: float = 1.0) -> list[int]:
    """Numbers of the windows let in, of so many that come in real time."""
    return [
        number
        for number in range(windows)
        if track.lets_in(
            window_of("s", number, 0, hop_s=hop_s), round(number * hop_s * 1e9), waiting=False
        )
    ]


def test_without_a_stretch_every_window_is_looked_at() -> None:
    assert let_in(Track(SPEC), 100) == list(range(100))


@given(stretch=st.floats(1.0, 20.0), unit=st.sampled_from([WindowUnit.SECONDS, WindowUnit.FRAMES]))
def test_on_average_every_stretchth_window_is_looked_at_and_never_two_in_a_rush(
    stretch: float, unit: WindowUnit
) -> None:
    track = Track(replace(SPEC, unit=unit), stretch=stretch)
    looks = let_in(track, 400)
    assert looks[0] == 0
    assert len(looks) == pytest.approx(400 / stretch, rel=0.02, abs=2)
    steps = [late - early for early, late in pairwise(looks)]
    assert all(int(stretch) - 1 <= step <= int(stretch) + 2 for step in steps)


def test_a_hole_in_time_counts_as_waiting_but_earns_no_rush() -> None:
    track = Track(SPEC, stretch=4.0)
    times = [0, 1, 2, 50, 51, 52, 53, 54, 55, 56]
    looks = [
        at for at in times if track.lets_in(window_of("s", at, 0), at * SECOND_NS, waiting=False)
    ]
    assert looks == [0, 50, 53]


def test_the_first_window_of_an_epoch_and_after_a_step_back_is_looked_at() -> None:
    track = Track(SPEC, stretch=10.0)
    assert track.lets_in(window_of("s", 5, 0), 0, waiting=False)
    assert not track.lets_in(window_of("s", 6, 0), 0, waiting=False)
    assert track.lets_in(replace(window_of("s", 7, 0), epoch=1), 0, waiting=False)
    assert not track.lets_in(replace(window_of("s", 8, 0), epoch=1), 0, waiting=False)
    assert track.lets_in(replace(window_of("s", 3, 0), epoch=1), 0, waiting=False)


def test_while_one_waits_newer_ones_take_its_place_for_free() -> None:
    track = Track(SPEC, stretch=3.0)
    assert track.lets_in(window_of("s", 0, 0), 0, waiting=False)
    assert track.lets_in(window_of("s", 1, 0), 0, waiting=True)
    assert track.lets_in(window_of("s", 2, 0), 0, waiting=True)
    assert track.lets_in(window_of("s", 3, 0), 0, waiting=False)
    assert not track.lets_in(window_of("s", 4, 0), 0, waiting=False)


def test_the_rate_is_what_comes_and_falls_when_nothing_does() -> None:
    track = Track(SPEC)
    assert track.rate_hz(0) == 0.0
    let_in(track, 1)
    assert track.rate_hz(0) == 1.0, "until more is known, it runs in real time"
    fast = Track(SPEC)
    let_in(fast, 200, hop_s=0.25)
    assert fast.rate_hz(50 * SECOND_NS) == pytest.approx(4.0, rel=0.05)
    assert fast.rate_hz(100 * SECOND_NS) < 0.1


@pytest.mark.parametrize("burst", [1, 5, 20])
def test_the_rate_of_bursts_is_their_mean_from_early_on(burst: int) -> None:
    """HLS brings its windows by the segment, many at once and then none for long."""
    track = Track(SPEC)
    for number in range(10 * burst):
        now_ns = number // burst * burst * SECOND_NS
        track.lets_in(window_of("s", number, now_ns), now_ns, waiting=False)
        assert track.rate_hz(now_ns) < 1.0 + burst
    means = [track.rate_hz((9 * burst * 1000 + at) * 10**6) for at in range(0, burst * 1000, 100)]
    assert sum(means) / len(means) == pytest.approx(1.0, rel=0.1)


def judged(track: Track, confidences: Sequence[float | None], *, epoch: int = 0) -> bool:
    for number, confidence in enumerate(confidences):
        window = replace(window_of("s", number, 0), epoch=epoch)
        track.judged(result_of(window, "d", confidence))
    return track.calm


def test_calm_is_low_confidence_for_long_and_abstentions_say_nothing() -> None:
    long = int(CALM_AFTER_S)
    assert not judged(Track(SPEC), [0.0] * (long - 2))
    assert judged(Track(SPEC), [0.0] * long)
    assert judged(Track(SPEC), [0.0, *[None] * long, 0.0])
    assert not judged(Track(SPEC), [None] * 2 * long)
    assert not judged(Track(SPEC), [0.0] * long + [CALM_BELOW])
    assert not judged(Track(SPEC), [CALM_BELOW] * 2 * long)


def test_a_new_epoch_has_to_become_calm_anew() -> None:
    track = Track(SPEC)
    assert judged(track, [0.0] * 40)
    assert not judged(track, [0.0] * 5, epoch=1)
    assert judged(track, [0.0] * 40, epoch=1)


def test_urgency_grows_with_risk_within_bounds() -> None:
    levels = [urgency(risk) for risk in (-1.0, 0.0, 0.5, 1.0, 4.0, 100.0)]
    assert levels == sorted(levels)
    assert levels[0] == levels[1] == 1.0
    assert levels[-2] == levels[-1]


# --- frames ------------------------------------------------------------------------------------

seconds_spec = st.builds(
    WindowSpec,
    length=st.floats(0.5, 10.0),
    overlap=st.just(0.0),
    frame_interval_s=st.none() | st.floats(0.02, 4.0),
)


@given(spec=seconds_spec, stretch=st.floats(1.0, 50.0))
def test_frames_never_come_so_far_apart_that_the_windower_sees_a_gap(
    spec: WindowSpec, stretch: float
) -> None:
    interval_s = frame_interval_s(spec, stretch)
    assert 0 < interval_s < spec.gap_limit_s
    if spec.frame_interval_s is not None:
        assert interval_s >= spec.frame_interval_s
        assert frame_interval_s(spec, 1.0) == spec.frame_interval_s


def test_looking_less_often_asks_for_fewer_frames() -> None:
    spec = WindowSpec(4.0, 3.0, frame_interval_s=0.5)
    assert [frame_interval_s(spec, stretch) for stretch in (1.0, 1.5, 2.0, 9.0)] == [
        0.5, 0.75, 1.0, 1.0,
    ]  # fmt: skip


def test_both_wishes_change_as_one() -> None:
    demand = StreamDemand()
    assert (demand.frame_interval_s, demand.audio) == (None, False)
    demand.want(0.5, audio=True)
    assert (demand.frame_interval_s, demand.audio) == (0.5, True)
