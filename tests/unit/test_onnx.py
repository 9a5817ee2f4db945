"""Models in ONNX files: what the runtime says, how many at once, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from streammon.core.errors import Permanent
from streammon.core.ports import Evictable, Repeatable
from streammon.detectors.model_detector import ModelDetector
from streammon.detectors.model_pictures import Preparation, pictures, prepared
from streammon.detectors.model_settings import PictureSettings
from streammon.detectors.onnx import OnnxConfig
from tests.tiny_models import heard, onnx_file, seen, sha256

SIDE = 8
VALUES = 3 * SIDE * SIDE
PICTURES: list[int | str] = ["batch", 3, SIDE, SIDE]


def weights(values: int = VALUES, outputs: int = 2) -> NDArray[np.float32]:
    return np.random.default_rng(9).normal(0, 0.2, (values, outputs)).astype(np.float32)


def a_file(folder: Path, **more: Any) -> Path:
    said: dict[str, Any] = {"weights": weights(), "shape": PICTURES, **more}
    return onnx_file(folder / "model.onnx", **said)


def loaded(path: Path, **more: Any) -> ModelDetector:
    said = {"model": path, "modality": "image", "scores": {"synthetic": 1}, **more}
    if said["modality"] != "audio":
        said["picture"] = {"size": (SIDE, SIDE), **said.get("picture", {})}
    built = OnnxConfig.model_validate(said).build("d")
    assert isinstance(built, ModelDetector)
    built.load("cpu")
    return built


def confidences(asked: ModelDetector, windows: list[Any]) -> list[float]:
    return [result.confidence or 0.0 for result in asked.score(windows)]


def softmax(logits: NDArray[Any]) -> list[float]:
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found: list[float] = shares[:, 1].tolist()
    return found


def test_it_says_what_the_runtime_says(tmp_path: Path) -> None:
    path, windows = a_file(tmp_path), [seen(seed) for seed in range(5)]
    given = prepared(
        pictures(windows, 1), Preparation.of(PictureSettings(size=(SIDE, SIDE))), "cpu"
    ).numpy()
    session: Any = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    wanted = softmax(session.run(None, {"pictures": given})[0])
    assert confidences(loaded(path), windows) == pytest.approx(wanted, abs=1e-6)
    assert max(wanted) - min(wanted) > 0.01


@pytest.mark.parametrize("size", [1, 2, 4])
def test_a_fixed_batch_is_asked_as_often_as_it_takes(tmp_path: Path, size: int) -> None:
    windows = [seen(seed) for seed in range(5)]
    wanted = confidences(loaded(a_file(tmp_path)), windows)
    fixed = a_file(tmp_path, shape=[size, 3, SIDE, SIDE])
    assert confidences(loaded(fixed), windows) == pytest.approx(wanted, abs=1e-6)


def test_clips_sound_and_bytes_come_in_the_shape_they_are_wanted(tmp_path: Path) -> None:
    clip = a_file(tmp_path, shape=["b", 4, 3, SIDE, SIDE], weights=weights(4 * VALUES))
    asked = loaded(clip, modality="video", picture={"frames": 4})
    assert asked.kind == "synthetic_video"
    assert len(confidences(asked, [seen(1, frames=4), seen(2, frames=9)])) == 2
    sound = a_file(tmp_path, shape=["b", 1, 800], weights=weights(800))
    asked = loaded(
        sound, modality="audio", sound={"rate_hz": 8_000, "samples": 800, "layout": "nct"}
    )
    assert len(set(confidences(asked, [heard(1), heard(2)]))) == 2
    raw = a_file(tmp_path, shape=["b", SIDE, SIDE, 3], dtype="UINT8")
    asked = loaded(raw, picture={"dtype": "uint8", "layout": "nhwc"})
    assert len(confidences(asked, [seen(1)])) == 1


def test_half_precision_is_fed_as_such(tmp_path: Path) -> None:
    path = a_file(tmp_path, dtype="FLOAT16")
    with pytest.raises(Permanent, match=r"is tensor\(float16\), but the config gives float32"):
        loaded(path)
    windows = [seen(1), seen(2)]
    whole = confidences(loaded(a_file(tmp_path)), windows)
    path = a_file(tmp_path, dtype="FLOAT16")
    half = confidences(loaded(path, picture={"dtype": "float16"}), windows)
    assert half == pytest.approx(whole, abs=1e-2)


def test_inputs_and_outputs_are_named(tmp_path: Path) -> None:
    path = a_file(tmp_path)
    loaded(path, input="pictures", output="logits")
    with pytest.raises(Permanent, match=r"inputs are pictures; .*`input` says frames"):
        loaded(path, input="frames")
    with pytest.raises(Permanent, match="`output` says scores, the model has logits"):
        loaded(path, output="scores")


def test_a_model_that_needs_more_than_one_input_is_refused(tmp_path: Path) -> None:
    import onnx

    model = onnx.load(str(a_file(tmp_path)))
    more = onnx.helper.make_tensor_value_info("mask", onnx.TensorProto.FLOAT, ["b"])
    model.graph.input.append(more)
    path = tmp_path / "two.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(Permanent, match="inputs are pictures, mask; one is fed"):
        loaded(path)


@pytest.mark.parametrize("content", [b"", b"no model", b"\x08\x08" * 40])
def test_what_is_no_model_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(Permanent, match=r"cannot be opened|inputs are"):
        loaded(path)


def test_another_file_than_was_pinned_is_refused(tmp_path: Path) -> None:
    path = a_file(tmp_path)
    pinned = sha256(path)
    loaded(path, sha256=pinned)
    a_file(tmp_path, weights=weights() * 2)
    with pytest.raises(Permanent, match=f"expected {pinned}"):
        loaded(path, sha256=pinned)


def test_another_size_than_the_models_is_found_at_load(tmp_path: Path) -> None:
    with pytest.raises(Permanent, match=r"failed on its first input.*`picture` says what"):
        loaded(a_file(tmp_path), picture={"size": (9, 9)})


def test_weights_beside_the_model_are_read_and_no_others(tmp_path: Path) -> None:
    inside = tmp_path / "model"
    inside.mkdir()
    for folder in (inside, tmp_path):
        (folder / "w.bin").write_bytes(weights().tobytes())
    (inside / "link.bin").symlink_to("../w.bin")
    wanted = confidences(loaded(a_file(tmp_path)), [seen(1)])
    assert confidences(loaded(a_file(inside, external="w.bin")), [seen(1)]) == wanted
    for elsewhere in ("../w.bin", str(tmp_path / "w.bin"), "link.bin", "none.bin"):
        with pytest.raises(Permanent, match="External data path"):
            loaded(a_file(inside, external=elsewhere))


def test_without_cuda_in_the_wheel_it_runs_on_the_cpu_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this wheel has CUDA")
    asked = loaded(a_file(tmp_path))
    wanted = confidences(asked, [seen(1)])
    with caplog.at_level(logging.WARNING, "streammon"):
        asked.load("cuda:0")
    (record,) = [each for each in caplog.records if each.message == "onnx_on_cpu"]
    assert "onnxruntime-gpu" in getattr(record, "cause")  # noqa: B009 - an extra field
    assert confidences(asked, [seen(1)]) == wanted


def test_the_session_is_let_go_and_comes_back(tmp_path: Path) -> None:
    path = a_file(tmp_path)
    asked = loaded(path)
    assert isinstance(asked, Evictable)
    assert isinstance(asked, Repeatable)
    before, fingerprint = confidences(asked, [seen(1)]), asked.fingerprint
    assert asked.resident_bytes == path.stat().st_size
    asked.unload()
    assert asked.resident_bytes == 0
    asked.load("cpu")
    assert (confidences(asked, [seen(1)]), asked.fingerprint) == (before, fingerprint)


def test_settings_of_another_modality_are_a_mistake() -> None:
    for modality, part in (("audio", "picture"), ("image", "sound"), ("video", "sound")):
        with pytest.raises(ValidationError, match=f"`{part}` says nothing of a model for modality"):
            OnnxConfig.model_validate({"model": "m.onnx", "modality": modality, part: {}})
