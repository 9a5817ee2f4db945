"""Only the very bytes that were meant are run, and other files are refused in words."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from streammon.core.errors import Permanent
from streammon.detectors.faces.networks import (
    FOLDER,
    FULL_RANGE,
    LANDMARKS,
    SHORT_RANGE,
    Network,
    NetworkFile,
)

FILES = [SHORT_RANGE, FULL_RANGE, LANDMARKS]
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
NOTICE = (Path(__file__).parents[2] / "NOTICE").read_text()


@each_file
def test_the_notice_names_the_file_and_its_bytes(file: NetworkFile) -> None:
    assert file.name in NOTICE
    assert file.sha256 in NOTICE


def test_together_they_stay_below_three_megabytes() -> None:
    assert sum((FOLDER / file.name).stat().st_size for file in FILES) < 3_000_000


@each_file
def test_it_answers_finite_numbers_the_same_each_time(file: NetworkFile) -> None:
    network = Network(file)
    picture = np.random.default_rng(3).uniform(0, 1, (file.side_px, file.side_px, 3))
    network.show(picture.astype(np.float32))
    where, whether = network.where(), network.whether()
    assert np.isfinite(where).all()
    assert np.isfinite(whether).all()
    np.testing.assert_array_equal(network.where(), where)


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    data = bytearray((FOLDER / SHORT_RANGE.name).read_bytes())
    data[1000] ^= 1
    (tmp_path / SHORT_RANGE.name).write_bytes(data)
    with pytest.raises(Permanent, match="SHA-256"):
        Network(SHORT_RANGE, folder=tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="cannot be read"):
        Network(SHORT_RANGE, folder=tmp_path)


def test_a_file_of_another_kind_is_refused_even_if_it_was_pinned(tmp_path: Path) -> None:
    shutil.copy(Path(__file__), tmp_path / "other.tflite")
    digest = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    file = replace(SHORT_RANGE, name="other.tflite", sha256=digest)
    with pytest.raises(Permanent, match="cannot run it"):
        Network(file, folder=tmp_path)
