"""MesoNet: weights in the layout of Keras, the network written out, what is judged of a face."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from pydantic import ValidationError
from safetensors.torch import save_file

from streammon.catalogue.store import Store
from streammon.config import models_folder
from streammon.core.errors import Permanent
from streammon.core.ports import Evictable, Repeatable
from streammon.core.types import Region
from streammon.detectors.checkpoints import read_checkpoint
from streammon.detectors.mesonet import MesonetConfig
from streammon.detectors.models.mesonet import VARIANTS, from_keras
from streammon.detectors.published import PublishedDetector
from tests.fakes import a_frame, a_window
from tests.keras_files import FIRST_NUMBER, keras_weights, mesonet_file

pytestmark = pytest.mark.usefixtures("one_thread")

Picture = NDArray[np.uint8]


# --- the network, written out in the order and layout of Keras ---------------------------------


def convolved(x: NDArray[np.float64], kernel: Any, bias: Any, dilation: int) -> Any:
    """`same` padding, one place of the kernel at a time; (h, w, inputs) -> (h, w, outputs)."""
    reach = (len(kernel) // 2) * dilation
    padded = np.pad(x, ((reach, reach), (reach, reach), (0, 0)))
    out = np.zeros((*x.shape[:2], kernel.shape[3])) + bias
    for row in range(len(kernel)):
        for column in range(len(kernel)):
            top, left = row * dilation, column * dilation
            seen = padded[top : top + x.shape[0], left : left + x.shape[1]]
            out += seen @ kernel[row, column].astype(np.float64)
    return np.maximum(out, 0.0)


def pooled(x: Any, size: int) -> Any:
    height, width, channels = x.shape
    return x.reshape(height // size, size, width // size, size, channels).max(axis=(1, 3))


def real_slowly(picture: Picture, variant: str) -> float:
    """P(real) by the paper, in float64 and channels-last from beginning to end."""
    weights = keras_weights(variant)
    taken = FIRST_NUMBER

    def next_convolution(x: Any, dilation: int = 1) -> Any:
        nonlocal taken
        name, taken = f"conv2d_{taken}", taken + 1
        return convolved(x, weights[f"{name}/kernel:0"], weights[f"{name}/bias:0"], dilation)

    x: Any = picture / 255.0
    for stage, pool in enumerate((2, 2, 2, 4)):
        if variant == "MesoInception4" and stage < 2:
            looks = [next_convolution(x)]
            looks += [next_convolution(next_convolution(x), reach) for reach in (1, 2, 3)]
            x = np.concatenate(looks, axis=-1)
        else:
            x = next_convolution(x)
        norm = f"batch_normalization_{FIRST_NUMBER + stage}"
        x = (x - weights[f"{norm}/moving_mean:0"]) / np.sqrt(
            weights[f"{norm}/moving_variance:0"].astype(np.float64) + 1e-3
        )
        x = pooled(x * weights[f"{norm}/gamma:0"] + weights[f"{norm}/beta:0"], pool)
    hidden = x.reshape(-1) @ weights["dense_3/kernel:0"] + weights["dense_3/bias:0"]
    hidden = np.where(hidden > 0, hidden, 0.1 * hidden)
    out = hidden @ weights["dense_4/kernel:0"] + weights["dense_4/bias:0"]
    return float(1.0 / (1.0 + np.exp(-out[0])))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("mesonet")
    return {variant: mesonet_file(folder / f"{variant}.h5", variant) for variant in VARIANTS}


@pytest.fixture(scope="module")
def faces() -> list[Picture]:
    numbers = np.random.default_rng(8)
    coarse = numbers.integers(0, 256, (3, 16, 16, 3), np.uint8)
    return [np.kron(one, np.ones((16, 16, 1), np.uint8)).astype(np.uint8) for one in coarse]


def made(weights: Path, variant: str = "Meso4", **settings: Any) -> PublishedDetector:
    given = {"region": "whole", **settings}
    detector = MesonetConfig(variant=variant, weights=weights, **given).build("face")
    detector.load("cpu")
    return detector


def frames(*pictures: Picture, **more: Any) -> Any:
    return a_window(*(a_frame(at, image_rgb=one, **more) for at, one in enumerate(pictures)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_confidence_is_one_minus_the_mean_of_what_the_paper_calls_real(
    files: dict[str, Path], faces: list[Picture], variant: str
) -> None:
    expected = 1.0 - sum(real_slowly(face, variant) for face in faces) / len(faces)
    assert 0.001 < expected < 0.999, "the test says nothing at the ends"
    (result,) = made(files[variant], variant).score([frames(*faces)])
    assert result.confidence == pytest.approx(expected, abs=1e-5)
    assert result.details == {"calibrated": False, "frames": 3}
    assert (result.kind, result.model_used) == ("face_forgery", f"{variant}:{variant}")


@pytest.mark.parametrize(
    ("variant", "trained_on", "said"),
    [
        ("Meso4", "deepfakes", (0.80962670, 0.82870877)),
        ("Meso4", "face2face", (0.00109499, 0.75314093)),
        ("MesoInception4", "deepfakes", (1.0, 0.98987728)),
        ("MesoInception4", "face2face", (0.09998032, 0.81757736)),
    ],
)
def test_published_weights_say_what_they_say_in_the_authors_code(
    variant: str, trained_on: str, said: tuple[float, float]
) -> None:
    """`said`: by DariusAf/MesoNet at 2144d56 (Keras 3.15 over torch, CPU), of these pictures."""
    name = f"{variant.lower()}-{'df' if trained_on == 'deepfakes' else 'f2f'}"
    try:
        Store(models_folder()).path_of(name)
    except Permanent as absent:
        pytest.skip(str(absent))
    settings = {"variant": variant, "trained_on": trained_on, "region": "whole"}
    detector = MesonetConfig.model_validate(settings).build("face")
    detector.load("cpu")
    y, x = np.mgrid[0:256, 0:256]
    ramps = np.stack([x, y, (x * y) % 256], -1).astype(np.uint8)
    waves = np.stack([np.sin(x / one) * np.cos(y / one) for one in (5, 7, 11)], -1) * 127 + 128
    results = detector.score([frames(ramps), frames(waves.astype(np.uint8))])
    assert [1.0 - (one.confidence or 0.0) for one in results] == pytest.approx(said, abs=1e-5)


def test_layers_are_matched_by_number_however_the_file_lists_them() -> None:
    weights = {name: torch.from_numpy(one) for name, one in keras_weights("Meso4").items()}
    backwards = dict(reversed(weights.items()))
    network = VARIANTS["Meso4"]()
    one, other = from_keras(weights, network), from_keras(backwards, network)
    assert all(torch.equal(one[name], other[name]) for name in network.state_dict())


def test_weights_of_the_other_network_are_refused(files: dict[str, Path]) -> None:
    with pytest.raises(Permanent, match=r"not for Meso4; set `variant`.*16 layers conv2d, not 4"):
        made(files["MesoInception4"], "Meso4")


def test_weights_of_something_else_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"lstm_1/kernel:0": torch.ones(2)}, path)
    with pytest.raises(Permanent, match="lstm_1/kernel:0 is of no layer of MesoNet"):
        made(path)


def test_a_misshapen_layer_is_refused(tmp_path: Path) -> None:
    weights = {name: torch.from_numpy(one) for name, one in keras_weights("Meso4").items()}
    weights["dense_4/bias:0"] = torch.zeros(2)
    path = tmp_path / "misshapen.safetensors"
    save_file(weights, path)
    with pytest.raises(Permanent, match=r"not for Meso4.*out\.bias"):
        made(path)


# --- what is judged ----------------------------------------------------------------------------


def test_where_the_face_is_has_to_be_said(files: dict[str, Path]) -> None:
    with pytest.raises(ValidationError, match="region"):
        MesonetConfig.model_validate({"weights": files["Meso4"]})
    with pytest.raises(ValidationError, match="x2 must be above x1"):
        MesonetConfig.model_validate({"region": {"x1": 0.6, "y1": 0.0, "x2": 0.5, "y2": 1.0}})


def test_only_the_region_counts_and_it_is_told(
    files: dict[str, Path], faces: list[Picture]
) -> None:
    scene = np.zeros((512, 1024, 3), np.uint8)
    scene[128:384, 512:768] = faces[0]
    box = {"x1": 0.5, "y1": 0.25, "x2": 0.75, "y2": 0.75}
    (cut,) = made(files["Meso4"], region=box).score([frames(scene)])
    (alone,) = made(files["Meso4"]).score([frames(faces[0])])
    assert cut.confidence == pytest.approx(alone.confidence)
    assert cut.regions == (Region(0.5, 0.25, 0.75, 0.75, "face", cut.confidence),)
    assert alone.regions == ()


def test_damaged_pictures_do_not_count(files: dict[str, Path], faces: list[Picture]) -> None:
    detector = made(files["Meso4"])
    good, bad = a_frame(0, image_rgb=faces[0]), a_frame(1, image_rgb=faces[1], damaged=True)
    (alone,), (both,) = detector.score([a_window(good)]), detector.score([a_window(good, bad)])
    assert both.confidence == alone.confidence
    (none,) = detector.score([a_window(bad)])
    assert (none.confidence, none.abstained) == (None, "no undamaged picture")


def test_a_region_of_a_few_pixels_is_not_judged(files: dict[str, Path]) -> None:
    tiny = np.zeros((63, 640, 3), np.uint8)
    (result,) = made(files["Meso4"]).score([frames(tiny)])
    assert (result.confidence, result.abstained) == (None, "the region is smaller than 64 px")


def test_windows_of_a_batch_do_not_touch_each_other(
    files: dict[str, Path], faces: list[Picture]
) -> None:
    detector = made(files["MesoInception4"], "MesoInception4")
    large = np.repeat(np.repeat(faces[2], 2, axis=0), 3, axis=1)
    windows = [frames(faces[0], faces[1]), frames(np.zeros((1, 1, 3), np.uint8)), frames(large)]
    together = [result.confidence for result in detector.score(windows)]
    alone = [detector.score([window])[0].confidence for window in windows]
    assert together[1] is None
    assert together[0] == pytest.approx(alone[0], abs=1e-6)
    assert together[2] == pytest.approx(alone[2], abs=1e-6)


def test_at_most_so_many_pictures_of_a_window_are_judged(
    files: dict[str, Path], faces: list[Picture]
) -> None:
    detector = made(files["Meso4"], most_frames=2)
    (all_three,), (last_two,) = (
        detector.score([frames(*faces)]),
        detector.score([frames(*faces[1:])]),
    )
    assert all_three.confidence == last_two.confidence
    assert all_three.details["frames"] == 2


def test_weights_leave_the_device_and_come_back(
    files: dict[str, Path], faces: list[Picture]
) -> None:
    detector = made(files["Meso4"])
    assert isinstance(detector, Evictable)
    assert isinstance(detector, Repeatable)
    assert detector.resident_bytes >= 4 * 27_977  # the authors' network has so many parameters
    (before,), known_as = detector.score([frames(faces[0])]), detector.fingerprint
    detector.unload()
    assert detector.resident_bytes == 0
    detector.load("cpu")
    assert detector.score([frames(faces[0])])[0].confidence == before.confidence
    assert detector.fingerprint == known_as
    assert made(files["Meso4"], least_side_px=32).fingerprint != known_as


def test_a_model_without_a_number_abstains(tmp_path: Path, faces: list[Picture]) -> None:
    weights = {name: torch.from_numpy(one) for name, one in keras_weights("Meso4").items()}
    weights["dense_4/bias:0"] = torch.tensor([math.nan])
    path = tmp_path / "nan.safetensors"
    save_file(weights, path)
    read_checkpoint(path, sha256=None)
    (result,) = made(path).score([frames(faces[0])])
    assert (result.confidence, result.abstained) == (None, "the model gave no number")
