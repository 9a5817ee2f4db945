"""Pictures become tensors as Pillow and the textbooks would have it, however they are stacked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from streammon.detectors.model_pictures import (
    Preparation,
    bucket,
    pictures,
    prepared,
    refusal,
    spread,
)
from streammon.detectors.model_settings import PictureSettings
from tests.fakes import a_frame, a_window
from tests.tiny_models import a_picture, seen

PILLOW = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


@pytest.mark.parametrize("name", PILLOW)
@pytest.mark.parametrize("size", [(24, 24), (30, 80), (45, 60), (91, 33)])
def test_resizing_is_pillows_to_one_level(name: str, size: tuple[int, int]) -> None:
    image = a_picture(1)
    how = Preparation(resize=size, interpolation=name)
    ours = prepared([image], how, "cpu")[0].permute(1, 2, 0).numpy()
    theirs = np.asarray(Image.fromarray(image).resize(size[::-1], PILLOW[name]), np.float32)
    assert np.abs(ours - theirs).max() <= 1.0


def test_a_crop_is_the_middle_of_the_covering_picture() -> None:
    image = a_picture(2, height=40, width=100)
    how = Preparation.of(PictureSettings(size=(20, 20), fit="crop", scale=1.0))
    ours = prepared([image], how, "cpu")[0].permute(1, 2, 0).numpy()
    whole = Image.fromarray(image).resize((50, 20), PILLOW["bilinear"])
    assert np.abs(ours - np.asarray(whole.crop((15, 0, 35, 20)), np.float32)).max() <= 1.0


@pytest.mark.parametrize("size", [(10, 40), (40, 10), (31, 30)])
def test_a_crop_fits_any_size(size: tuple[int, int]) -> None:
    how = Preparation.of(PictureSettings(size=size, fit="crop"))
    for height, width in [(1, 1), (7, 300), (300, 7), (45, 60)]:
        found = prepared([a_picture(0, height=height, width=width)], how, "cpu")
        assert found.shape == (1, 3, *size)


def test_values_are_scaled_then_normalised() -> None:
    image = np.zeros((8, 8, 3), np.uint8)
    image[..., 0], image[..., 1] = 255, 51
    how = Preparation.of(PictureSettings(size=(8, 8), mean=(0.5, 0.2, 0.1), std=(0.5, 0.1, 0.2)))
    found = prepared([image], how, "cpu")[0, :, 0, 0]
    assert found.tolist() == pytest.approx([1.0, 0.0, -0.5], abs=1e-6)


def test_colours_can_be_turned_round() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0] = 255
    how = Preparation.of(PictureSettings(size=(4, 4), colours="bgr"))
    assert prepared([image], how, "cpu")[0, :, 0, 0].tolist() == [0.0, 0.0, 1.0]


def test_bytes_stay_bytes() -> None:
    image = a_picture(3, height=16, width=16)
    how = Preparation.of(PictureSettings(size=(16, 16), dtype="uint8"))
    found = prepared([image], how, "cpu")
    assert found.dtype is torch.uint8
    assert np.array_equal(found[0].permute(1, 2, 0).numpy(), image)


def test_pictures_of_several_sizes_keep_their_order() -> None:
    images = [a_picture(n, height=20 + 7 * (n % 3), width=50) for n in range(7)]
    how = Preparation(resize=(16, 16))
    together = prepared(images, how, "cpu")
    for at, image in enumerate(images):
        assert torch.equal(together[at], prepared([image], how, "cpu")[0])


def test_what_the_source_gave_is_not_changed() -> None:
    image = a_picture(4, height=16, width=16)
    before = image.copy()
    prepared([image], Preparation(resize=(16, 16), mean=(1.0, 2.0, 3.0)), "cpu")
    assert np.array_equal(image, before)


@pytest.mark.parametrize(
    ("count", "of", "picked"),
    [(1, 1, [0]), (1, 5, [2]), (4, 4, [0, 1, 2, 3]), (3, 9, [0, 4, 8]), (4, 2, [0, 0, 1, 1])],
)
def test_frames_are_picked_evenly(count: int, of: int, picked: list[int]) -> None:
    assert spread(range(of), count) == picked


def test_damaged_pictures_are_never_shown_to_a_model() -> None:
    good, bad = a_frame(0, level=9), a_frame(1, level=200, damaged=True)
    shown = pictures([a_window(good, bad)], 2)
    assert all(image is good.image_rgb for image in shown)
    assert refusal(a_window(good, bad)) is None
    assert refusal(a_window(bad)) == "no undamaged picture"


def test_pictures_of_one_size_share_a_bucket() -> None:
    assert bucket(seen(0)) == bucket(seen(1)) != bucket(seen(2, height=90))


def test_settings_reach_the_preparation() -> None:
    said: dict[str, Any] = {"size": (8, 9), "interpolation": "bicubic", "scale": 2.0}
    how = Preparation.of(PictureSettings(**said))
    assert (how.resize, how.interpolation, how.scale, how.crop) == ((8, 9), "bicubic", 2.0, None)
