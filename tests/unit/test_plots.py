"""Plots are PNG files that can be opened, the same bytes each time, and say what is missing."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from streammon.core.errors import ConfigError
from streammon.evaluation import plots
from streammon.evaluation.measures import Counts


def some() -> dict[str, Counts]:
    rng = np.random.default_rng(0)
    return {
        "ear": Counts.of(rng.beta(2, 5, size=200), rng.beta(5, 2, size=100)),
        "eye/video": Counts.of(np.array([0.0, 0.5]), np.array([0.5, 1.0])),
        "half": Counts.of(np.array([0.1]), np.array([])),
    }


def test_every_plot_is_a_picture(tmp_path: Path) -> None:
    drawn = plots.draw(tmp_path / "new" / "plots", some())
    assert [path.name for path in drawn] == [
        "roc.png", "det.png", "reliability.png", "scores-ear.png", "scores-eye-video.png",
    ]  # fmt: skip
    for path in drawn:
        picture = cv2.imread(str(path))
        assert picture is not None
        assert picture.shape == (600, 720, 3)
        assert picture.std() > 5, "nothing is drawn in it"


def test_the_same_figures_give_the_same_bytes(tmp_path: Path) -> None:
    for one, other in zip(
        plots.draw(tmp_path / "a", some()), plots.draw(tmp_path / "b", some()), strict=True
    ):
        assert one.read_bytes() == other.read_bytes()


def test_without_anything_to_draw_the_sheets_are_empty(tmp_path: Path) -> None:
    assert len(plots.draw(tmp_path, {})) == 3


def test_without_matplotlib_people_are_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(ConfigError, match=r"pip install 'streammon\[eval\]'"):
        plots.must_be_there()
