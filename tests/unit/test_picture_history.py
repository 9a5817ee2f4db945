from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from streammon.core.types import VideoFrame
from streammon.detectors.picture_history import MOST_PICTURES, PictureHistory
from tests.scenes import STREAM, Picture, frames, room, traffic

STEP_S = 0.5


def history(pictures: Iterable[Picture], *, keep_s: float = 90.0) -> PictureHistory:
    kept = PictureHistory(keep_s=keep_s, gap_s=8.0)
    kept.add(frames((number * STEP_S, picture) for number, picture in enumerate(pictures)))
    return kept


def moving(count: int, *, begin: int = 0) -> list[Picture]:
    return [traffic((begin + number) * STEP_S) for number in range(count)]


def test_stillness_is_timed_from_the_last_picture_that_moved() -> None:
    kept = history(moving(12) + [room()] * 9)
    assert kept.still.seen_alive
    assert kept.still.since_s == 12 * STEP_S
    assert kept.still.longest_earlier_s(10.0) == 0.0


def test_what_never_moved_was_never_alive_and_a_turned_slide_is_not_life() -> None:
    kept = history([room()] * 8 + [room(7)] * 8 + [room()] * 8)
    assert not kept.still.seen_alive
    assert kept.still.since_s == 16 * STEP_S
    assert kept.still.longest_earlier_s(12.0) == 7 * STEP_S


def test_a_keyframe_that_draws_the_picture_anew_does_not_end_stillness() -> None:
    lighter = np.asarray(np.clip(room().astype(np.int16) + 1, 0, 255), np.uint8)
    grain = np.random.default_rng(1).integers(-3, 4, room().shape)
    redrawn = np.asarray(np.clip(lighter + grain, 0, 255), np.uint8)
    kept = history([*moving(10), *[room()] * 6, *[redrawn] * 6])
    assert kept.still.since_s == 10 * STEP_S


def test_noise_that_comes_back_ends_stillness() -> None:
    def noisy(seed: int) -> Picture:
        grain = np.random.default_rng(seed).integers(-6, 7, room().shape)
        return np.asarray(np.clip(room() + grain, 0, 255), np.uint8)

    kept = history(moving(10) + [room()] * 8 + [noisy(seed) for seed in range(8)])
    assert kept.still.since_s is None
    assert kept.still.longest_earlier_s(12.0) >= 7 * STEP_S


def test_a_hole_in_time_makes_the_count_begin_again() -> None:
    kept = history(moving(10) + [room()] * 8)
    kept.add([VideoFrame(STREAM, 99, 60.0, 0, room()), VideoFrame(STREAM, 100, 61.0, 0, room())])
    assert kept.still.since_s == 60.0
    assert kept.still.seen_alive


def test_pictures_are_thinned_seen_once_and_damaged_ones_left_out() -> None:
    kept = PictureHistory(keep_s=90.0, gap_s=8.0)
    many = frames((number * 0.04, room()) for number in range(100))
    kept.add(many)
    kept.add(many)
    assert 8 <= len(kept.glimpses) <= 10
    kept.add([VideoFrame(STREAM, 200, 50.0, 0, room(), damaged=True)])
    assert kept.glimpses[-1].at_s < 5.0


def test_the_past_is_forgotten_and_never_more_than_so_many_are_kept() -> None:
    kept = history(moving(60), keep_s=10.0)
    assert kept.glimpses[0].at_s == 59 * STEP_S - 10.0
    assert len(history([room()[::40, ::40]] * 400, keep_s=1e6).glimpses) == MOST_PICTURES
