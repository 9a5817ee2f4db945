"""Which device is meant."""

from __future__ import annotations

import pytest

from streammon.core.errors import Retryable
from streammon.ingest.sound_card import InputDevice, chosen

DEVICES = [
    InputDevice(0, "USB Headset: Audio (hw:1,0)", 1, 48_000),
    InputDevice(2, "USB Camera: Audio (hw:2,0)", 2, 32_000),
    InputDevice(5, "default", 32, 44_100),
]


@pytest.mark.parametrize(
    ("wanted", "index"),
    [(None, 5), (2, 2), ("headset", 0), ("default", 5), ("USB Camera: Audio (hw:2,0)", 2)],
)
def test_a_device_is_meant_by_number_name_or_part_of_a_name(
    wanted: str | int | None, index: int
) -> None:
    assert chosen(wanted, DEVICES, default=5).index == index


def test_without_a_default_the_first_is_taken() -> None:
    assert chosen(None, DEVICES, default=None).index == 0


@pytest.mark.parametrize("wanted", ["studio", 7, -1])
def test_one_that_is_not_there_is_named_with_those_that_are(wanted: str | int) -> None:
    with pytest.raises(Retryable, match="2 'USB Camera: Audio"):
        chosen(wanted, DEVICES, default=5)


def test_part_of_two_names_is_not_guessed() -> None:
    with pytest.raises(Retryable, match="part of several names"):
        chosen("usb", DEVICES, default=5)


def test_a_machine_without_inputs_says_so() -> None:
    with pytest.raises(Retryable, match="no device to take sound from"):
        chosen("usb", [], default=None)
