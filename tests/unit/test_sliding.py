"""Which cuts there are, and which make no sense."""

from __future__ import annotations

import pytest

from streammon.core.types import Modality, WindowSpec, WindowUnit
from streammon.windows.sliding import make_windower
from tests.fakes import CAM, a_frame

ALLOWED = {
    Modality.AUDIO: {WindowUnit.SECONDS},
    Modality.VIDEO: {WindowUnit.SECONDS, WindowUnit.FRAMES},
    Modality.TEXT: {WindowUnit.SECONDS, WindowUnit.MESSAGES, WindowUnit.CHARACTERS},
}


@pytest.mark.parametrize("unit", WindowUnit)
@pytest.mark.parametrize("modality", Modality)
def test_a_modality_is_cut_in_its_own_units(modality: Modality, unit: WindowUnit) -> None:
    spec = WindowSpec(10, 2, unit)
    if unit in ALLOWED[modality]:
        assert make_windower(CAM, modality, spec).flush() == []
    else:
        with pytest.raises(ValueError, match=f"{modality} cannot be cut in {unit}; allowed: "):
            make_windower(CAM, modality, spec)


@pytest.mark.parametrize("modality", Modality)
def test_a_hop_of_next_to_nothing_is_refused(modality: Modality) -> None:
    with pytest.raises(ValueError, match="too small"):
        make_windower(CAM, modality, WindowSpec(2, 1.9999))


@pytest.mark.parametrize("unit", [WindowUnit.MESSAGES, WindowUnit.CHARACTERS])
def test_items_are_counted_whole(unit: WindowUnit) -> None:
    with pytest.raises(ValueError, match="whole"):
        make_windower(CAM, Modality.TEXT, WindowSpec(2.5, 0, unit))


def test_windows_say_whose_they_are() -> None:
    cutter = make_windower(
        CAM, Modality.VIDEO, WindowSpec(1, 0, WindowUnit.FRAMES), participant="ann"
    )
    (window,) = cutter.push(a_frame(7, epoch=3))
    assert (window.stream, window.modality, window.epoch) == (CAM, Modality.VIDEO, 3)
    assert (window.participant, window.lost_before) == ("ann", 0)
