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
    long = history([room()[::20, ::20]] * (MOST_PICTURES + 20), keep_s=1e6)
    assert len(long.glimpses) == len(long.moments) == MOST_PICTURES


def test_a_picture_that_was_put_up_is_not_the_one_that_lived() -> None:
    stopped = history(moving(20) + [moving(20)[-1]] * 6)
    put_up = history(moving(20) + [room()] * 6)
    assert stopped.still.seen_alive
    assert not stopped.still.shown_anew
    assert put_up.still.seen_alive
    assert put_up.still.shown_anew


def test_where_much_moves_a_picture_that_was_put_up_is_told_by_how_unlike_it_is() -> None:
    """Of a card that changes no more than some movement does at once."""
    height, width = room().shape[:2]
    across = np.linspace(0, 255, width)[None, :, None] + np.zeros((height, 1, 3))
    down = np.linspace(0, 255, height)[:, None, None] + np.zeros((1, width, 3))

    def shaken(seed: int) -> Picture:
        blocks = np.random.default_rng(seed).uniform(-45, 45, (height // 8 + 1, width // 8 + 1, 1))
        over = blocks.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
        return np.asarray(np.clip(across + over, 0, 255), np.uint8)

    before = [shaken(number) for number in range(40)]
    stopped = history([*before, *[before[-1]] * 8])
    assert stopped.still.since_s is not None
    assert not stopped.still.shown_anew
    assert history([*before, *[np.asarray(down, np.uint8)] * 8]).still.shown_anew


def test_under_a_clock_that_runs_on_the_inside_stands_still() -> None:
    pictures = []
    for number, picture in enumerate(moving(20) + [moving(20)[-1]] * 8):
        clock = picture.copy()
        clock[:20, 5 : 30 + 5 * (number % 7)] = 250
        pictures.append(clock)
    kept = history(pictures)
    assert kept.still.since_s is None
    assert kept.still_inside.since_s == 19 * STEP_S
    assert kept.still_inside.seen_alive


def test_once_is_no_habit() -> None:
    room_s, stop = 8, [traffic(5.0)]
    once = history(moving(10) + stop * room_s + moving(10))
    twice = history((moving(10) + stop * room_s) * 2 + moving(10))
    now_s = 40 * STEP_S
    assert once.still.habit_s(now_s) == once.still.longest_earlier_s(now_s) / 2 > 0
    assert twice.still.habit_s(now_s) == twice.still.longest_earlier_s(now_s)


def test_what_moves_while_a_stream_begins_is_no_life() -> None:
    kept = history(moving(7) + [moving(7)[-1]] * 8)
    assert kept.still.since_s is not None
    assert not kept.still.seen_alive
    assert history(moving(11) + [moving(11)[-1]] * 8).still.seen_alive


def test_noise_that_a_codec_takes_away_in_a_streams_first_seconds_is_no_life() -> None:
    """It works out a still picture, each time a little less."""

    def worked_out(count: int) -> list[Picture]:
        rng = np.random.default_rng(3)
        grain = (rng.integers(-4, 5, room().shape) for _ in range(count))
        return [np.asarray(np.clip(room() + each, 0, 255), np.uint8) for each in grain]

    assert not history(worked_out(15) + [room()] * 8).still.seen_alive
    assert history(worked_out(30) + [room()] * 8).still.seen_alive


def plain(level: int) -> Picture:
    return np.full(room().shape, level, np.uint8)


def written(picture: Picture, count: int) -> Picture:
    """So many letters in the upper margin."""
    picture = picture.copy()
    for number in range(count):
        picture[10:18, 10 + 12 * number : 18 + 12 * number] = 240
    return picture


def test_a_clock_hides_no_colour_that_was_cut_to_and_a_page_that_is_begun_is_none() -> None:
    cut_to = history(moving(12) + [written(plain(90), 8 + number % 3) for number in range(10)])
    assert cut_to.slate_since_s == 12 * STEP_S
    begun = history([plain(30)] * 4 + [written(plain(30), number) for number in range(1, 16)])
    assert begun.slate_since_s is None
    assert history([plain(90)] * 12).slate_since_s == 0.0


def test_a_dark_picture_in_which_something_moves_is_not_black() -> None:
    def walks(number: int) -> Picture:
        picture = plain(6)
        picture[60:120, 15 * number : 15 * number + 20] = 20
        return picture

    assert history([walks(number) for number in range(20)]).black_since_s is None
    assert history(moving(12) + [plain(6)] * 8).black_since_s == 12 * STEP_S


def test_a_cursor_on_a_page_is_no_life() -> None:
    def page(number: int) -> Picture:
        picture = room().copy()
        picture[50:58, 20 + 12 * number : 25 + 12 * number] = 0
        return picture

    kept = history([page(number) for number in range(20)] + [page(19)] * 8)
    assert kept.still.since_s == 19 * STEP_S
    assert not kept.still.seen_alive


def test_a_room_that_is_left_stands_still_as_it_did_before_anybody_came() -> None:
    empty = moving(1)[0]
    left = history([empty] * 8 + moving(12, begin=4) + [empty] * 8)
    assert left.still.seen_alive
    assert left.still.as_at_rest
    assert left.still_inside.as_at_rest
    stopped = history([empty] * 8 + moving(12, begin=4) + [moving(12, begin=4)[-1]] * 8)
    assert stopped.still.since_s is not None
    assert not stopped.still.as_at_rest


def test_a_room_that_was_never_empty_stands_still_as_each_part_of_it_did_before() -> None:
    """Somebody is in every picture but the last ones, each time elsewhere."""

    def somebody(number: int) -> Picture:
        picture = room().copy()
        across = 8 * (number % 26)
        picture[60:110, across : across + 24] = 20
        return picture

    passing = [somebody(number) for number in range(26)]
    left = history(passing + [room()] * 8)
    assert left.still.seen_alive
    assert left.still.as_at_rest
    frozen = history(passing + [somebody(12)] * 8)
    assert frozen.still.seen_alive
    assert frozen.still.new_cells == 0 or not frozen.still.as_at_rest


def test_noise_does_not_end_because_somebody_has_left() -> None:
    rng = np.random.default_rng(2)

    def noisy(picture: Picture) -> Picture:
        return np.asarray(np.clip(picture + rng.normal(0, 3, picture.shape), 0, 255), np.uint8)

    kept = history([noisy(room()) for _ in range(20)] + [noisy(room())] * 1 + [room()] * 8)
    assert kept.still.since_s is not None
    assert kept.still.new_cells == 0
    assert not kept.still.as_at_rest
    assert history([room()] * 28).still.since_s == 0.0


def test_a_camera_that_moved_as_a_whole_is_told_from_things_that_moved() -> None:
    def pan(number: int) -> Picture:
        return np.roll(room(), 5 * number, axis=1)

    panned = history([pan(number) for number in range(16)] + [pan(15)] * 6)
    assert panned.still.moved_as_a_whole
    assert not history(moving(16) + [moving(16)[-1]] * 6).still.moved_as_a_whole
