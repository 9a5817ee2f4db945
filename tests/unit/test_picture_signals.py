from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from streammon.detectors.picture_signals import (
    CELLS,
    FINE_WIDTH_PX,
    THUMB,
    change_between,
    change_inside,
    look_at,
)
from tests.scenes import HEIGHT, WIDTH, head, room

Picture = NDArray[np.uint8]


def plain(*rgb: int) -> Picture:
    return np.full((HEIGHT, WIDTH, 3), rgb, np.uint8)


def grainy(picture: Picture, noise: float, seed: int) -> Picture:
    grain = np.random.default_rng(seed).normal(0, noise, (HEIGHT, WIDTH, 1))
    return np.asarray(np.clip(picture + grain, 0, 255), np.uint8)


@pytest.mark.parametrize(
    "shape", [(1, 1), (4, 4), (90, 160), (360, 640), (1080, 1920), (1280, 720)]
)
def test_a_picture_of_any_size_is_reduced_to_a_small_one(shape: tuple[int, int]) -> None:
    look = look_at(np.zeros((*shape, 3), np.uint8))
    assert look.fine.shape[1] <= 2 * FINE_WIDTH_PX
    assert look.cells.shape == CELLS[::-1]
    assert look.thumb.shape == THUMB[::-1]


def test_black_is_dark_nearly_everywhere_and_never_a_slate() -> None:
    assert look_at(grainy(plain(3, 3, 3), 2.0, 0)).black
    assert not look_at(plain(3, 3, 3)).slate
    night = plain(3, 3, 3)
    night[:40, :60] = 200
    assert not look_at(night).black


def test_a_dark_place_is_not_black_and_a_clock_on_black_is() -> None:
    dark = grainy(np.asarray(0.12 * room(), np.uint8), 2.0, 1)
    assert dark.mean() < 16
    assert not look_at(dark).black
    clock = grainy(plain(4, 4, 4), 1.0, 2)
    clock[8:16, 8:48] = 230
    assert look_at(clock).black


def test_lights_in_a_dark_place_are_no_clock() -> None:
    night = plain(10, 10, 14)
    for across in range(40, 300, 60):
        night[60:66, across : across + 6] = 120
    assert not look_at(night).black
    assert not look_at(night).slate


def test_a_speck_that_a_keyframe_gets_wrong_is_no_life() -> None:
    wrong = room().copy()
    wrong[40:43, 60:63] = np.minimum(wrong[40:43, 60:63].astype(np.int16) + 25, 255)
    change = change_between(look_at(room()), look_at(wrong))
    assert change is not None
    assert change.peak > 12
    assert change.refreshed


def test_a_flat_picture_is_a_slate_and_a_room_or_a_page_of_text_is_not() -> None:
    assert look_at(grainy(plain(90, 120, 60), 2.0, 0)).slate
    assert not look_at(room()).slate
    page = plain(250, 250, 250)
    page[30:150:12, 20:300] = 20
    assert not look_at(page).slate


def test_upright_bars_are_a_slate_only_in_strong_colours() -> None:
    def bars(colours: list[tuple[int, int, int]]) -> Picture:
        picture = plain(0, 0, 0)
        wide = WIDTH // len(colours)
        for number, colour in enumerate(colours):
            picture[:, number * wide : (number + 1) * wide + 8] = colour
        return picture

    strong = [(190, 190, 0), (0, 190, 190), (0, 190, 0), (190, 0, 190), (190, 0, 0), (0, 0, 190)]
    assert look_at(bars(strong)).slate
    assert not look_at(bars([(40, 40, 40), (90, 90, 90), (140, 140, 140), (200, 200, 200)])).slate


def test_a_clock_over_bars_or_over_one_colour_hides_neither() -> None:
    def with_clock(picture: Picture) -> Picture:
        picture[6:20, 20:150] = 0
        picture[9:17, 24:146:6] = 255
        return picture

    bars = plain(0, 0, 0)
    for number, colour in enumerate([(190, 190, 0), (0, 190, 190), (190, 0, 190), (190, 0, 0)]):
        bars[:, number * WIDTH // 4 : (number + 1) * WIDTH // 4] = colour
    assert look_at(with_clock(bars)).slate
    blue = look_at(with_clock(plain(40, 60, 190)))
    assert blue.blank
    assert not blue.slate
    assert not look_at(room()).blank


def test_noise_touches_pixels_and_movement_peaks() -> None:
    still, noisy = look_at(grainy(room(), 2.0, 1)), look_at(grainy(room(), 2.0, 2))
    same = change_between(still, still)
    noise = change_between(still, noisy)
    motion = change_between(look_at(head(1.0)), look_at(head(1.5)))
    assert same is not None
    assert noise is not None
    assert motion is not None
    assert (same.touched, same.peak, same.spread) == (0.0, 0.0, 0.0)
    assert noise.touched > 0.2
    assert noise.peak < 6
    assert motion.peak > 40


def test_pictures_of_two_sizes_cannot_be_compared() -> None:
    assert change_between(look_at(room()), look_at(room()[:90, :150])) is None


@pytest.mark.parametrize(("gain", "offset"), [(0.7, 0.0), (1.25, 0.0), (0.9, 18.0), (1.0, -9.0)])
def test_light_and_haze_over_the_whole_picture_are_no_change(gain: float, offset: float) -> None:
    lit = np.asarray(np.clip(0.7 * room() + 20, 0, 255), np.uint8)
    relit = np.asarray(np.clip(np.rint(gain * lit + offset), 0, 255), np.uint8)
    change = change_between(look_at(lit), look_at(relit))
    assert change is not None
    assert change.still


def test_who_moves_in_changing_light_is_seen_to_move_and_another_picture_is_no_light() -> None:
    darker = np.asarray(0.8 * head(9.0), np.uint8)
    moved = change_between(look_at(head(4.0)), look_at(darker))
    other = change_between(look_at(room(4)), look_at(room(7)))
    assert moved is not None
    assert other is not None
    assert moved.lively
    assert moved.wide < 0.5 < other.wide


@pytest.mark.parametrize("noise", [0.5, 3.0, 8.0])
def test_noise_alone_is_told_from_anything_that_moves_in_it(noise: float) -> None:
    looks = [look_at(grainy(room(), noise, seed)) for seed in (1, 2)]
    change = change_inside(*looks)
    assert change is not None
    assert change.beneath.still
    moved = room().copy()
    moved[40:52, 60:72] = 255 - moved[40:52, 60:72]
    change = change_inside(looks[0], look_at(grainy(moved, noise, 3)))
    assert change is not None
    assert change.beneath.lively
