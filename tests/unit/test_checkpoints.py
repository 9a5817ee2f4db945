"""Checkpoints of other people: their tensors come in, whatever else they hold stays out."""

from __future__ import annotations

import hashlib
import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from streammon.core.errors import Permanent
from streammon.detectors.checkpoints import read_checkpoint
from streammon.detectors.weights import MAX_BYTES


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Trap:
    """Unpickled by anyone who trusts it, it leaves a file behind."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return exec, (f"open({str(self._mark)!r}, 'w').close()",)


def zipped(path: Path, state: Any) -> None:
    torch.save(state, path)


def legacy(path: Path, state: Any) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


def bare(path: Path, state: Any) -> None:
    path.write_bytes(pickle.dumps(state))


def keras_file(path: Path, layers: dict[str, dict[str, Any]]) -> None:
    """Weights in the layout that Keras 2 writes."""
    with h5py.File(path, "w") as stored:
        stored.attrs["layer_names"] = [name.encode() for name in layers]
        for name, weights in layers.items():
            group = stored.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{key}:0".encode() for key in weights]
            for key, array in weights.items():
                group[f"{name}/{key}:0"] = array


LAYERS: dict[str, dict[str, Any]] = {
    "conv2d_9": {"kernel": np.arange(6.0, dtype="f4").reshape(1, 1, 2, 3), "bias": np.ones(3)},
    "conv2d_10": {"kernel": np.zeros((1, 1, 3, 1), "f4")},
    "dropout_1": {},
}


# --- what belongs in ---------------------------------------------------------------------------


def test_torchs_tensors_come_back(tmp_path: Path) -> None:
    path = tmp_path / "line.pth"
    line = torch.nn.Linear(3, 2)
    torch.save(line.state_dict(), path)
    weights = read_checkpoint(path, sha256=sha256(path))
    other = torch.nn.Linear(3, 2)
    weights.into(other)
    assert torch.equal(other.weight, line.weight)
    assert weights.sha256 == sha256(path)


def test_tensors_that_want_gradients_come_back_as_numbers(tmp_path: Path) -> None:
    path = tmp_path / "trained.pt"
    torch.save(OrderedDict(w=torch.nn.Parameter(torch.ones(2))), path)
    assert not read_checkpoint(path, sha256=None).tensors["w"].requires_grad


def test_safetensors_are_told_by_their_bytes_not_their_name(tmp_path: Path) -> None:
    path = tmp_path / "misnamed.pth"
    save_file({"w": torch.ones(2)}, path)
    assert torch.equal(read_checkpoint(path, sha256=None).tensors["w"], torch.ones(2))


def test_keras_weights_come_back_by_layer_in_the_files_order(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    keras_file(path, LAYERS)
    tensors = read_checkpoint(path, sha256=sha256(path)).tensors
    assert list(tensors) == ["conv2d_9/kernel:0", "conv2d_9/bias:0", "conv2d_10/kernel:0"]
    assert tensors["conv2d_9/kernel:0"].flatten().tolist() == [0, 1, 2, 3, 4, 5]
    assert {tensor.dtype for tensor in tensors.values()} == {torch.float32}


# --- what stays out ----------------------------------------------------------------------------


@pytest.mark.parametrize("write", [zipped, legacy, bare])
def test_a_pickle_that_would_run_code_runs_none(
    tmp_path: Path, write: Callable[[Path, Any], None]
) -> None:
    mark, path = tmp_path / "owned", tmp_path / "model.pth"
    write(path, {"weight": torch.zeros(3), "extra": Trap(mark)})
    with pytest.raises(Permanent, match=r"pickle.*ask its author for safetensors"):
        read_checkpoint(path, sha256=None)
    assert not mark.exists()


def test_the_trap_of_these_tests_is_a_real_one(tmp_path: Path) -> None:
    mark, path = tmp_path / "owned", tmp_path / "model.pth"
    zipped(path, {"extra": Trap(mark)})
    torch.load(path, weights_only=False)
    assert mark.exists()


def test_what_a_refused_pickle_asked_for_is_named(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    zipped(path, {"extra": Trap(tmp_path / "owned")})
    with pytest.raises(Permanent, match=r"asks to use \S*exec"):
        read_checkpoint(path, sha256=None)


def test_a_whole_model_is_refused_because_it_brings_code(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    torch.save(torch.nn.Linear(2, 2), path)
    with pytest.raises(Permanent, match=r"asks to use torch\.nn\.modules\.linear\.Linear"):
        read_checkpoint(path, sha256=None)


@pytest.mark.parametrize(
    "state",
    [
        {"epoch": 3, "model": {"w": torch.ones(1)}},
        {1: torch.ones(1)},
        [torch.ones(1)],
        {"w": torch.ones(2).to_sparse()},
    ],
)
def test_only_tensors_by_name_are_taken(tmp_path: Path, state: Any) -> None:
    path = tmp_path / "state.pt"
    torch.save(state, path)
    with pytest.raises(Permanent, match="more than tensors by name"):
        read_checkpoint(path, sha256=None)


def test_a_view_that_repeats_one_number_for_ever_is_counted_as_what_it_would_be(
    tmp_path: Path,
) -> None:
    path = tmp_path / "wide.pth"
    torch.save({"w": torch.zeros(1).expand(2**20, 2**20)}, path)
    assert path.stat().st_size < 10_000
    with pytest.raises(Permanent, match="at most"):
        read_checkpoint(path, sha256=None)


def test_an_archive_that_unpacks_to_more_than_it_is_is_refused(tmp_path: Path) -> None:
    plain, path = tmp_path / "plain.pth", tmp_path / "squeezed.pth"
    torch.save({"w": torch.zeros(2**20)}, plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, old.read(entry))
    with pytest.raises(Permanent, match="compressed inside"):
        read_checkpoint(path, sha256=None)


def test_another_file_than_was_pinned_is_not_opened(tmp_path: Path) -> None:
    path = tmp_path / "model.pth"
    torch.save({"w": torch.ones(1)}, path)
    with pytest.raises(Permanent, match=f"SHA-256 is {sha256(path)}, expected {'0' * 64}"):
        read_checkpoint(path, sha256="0" * 64)


@pytest.mark.parametrize("name", ["a.pth", "a.h5", "a.safetensors"])
def test_a_huge_file_is_not_read(tmp_path: Path, name: str) -> None:
    with (tmp_path / name).open("wb") as out:
        out.truncate(MAX_BYTES + 1)
    with pytest.raises(Permanent, match="at most"):
        read_checkpoint(tmp_path / name, sha256=None)


def test_an_h5_that_points_at_another_file_is_not_followed(tmp_path: Path) -> None:
    secret, path = tmp_path / "secret.h5", tmp_path / "net.h5"
    with h5py.File(secret, "w") as stored:
        stored["kernel:0"] = np.ones(3, "f4")
    with h5py.File(path, "w") as stored:
        stored.attrs["layer_names"] = [b"dense"]
        stored.create_group("dense").attrs["weight_names"] = [b"kernel:0"]
        stored["dense"]["kernel:0"] = h5py.ExternalLink(str(secret), "kernel:0")
    with pytest.raises(Permanent, match="leads elsewhere"):
        read_checkpoint(path, sha256=None)


def test_an_h5_whose_numbers_lie_in_another_file_is_refused(tmp_path: Path) -> None:
    secret, path = tmp_path / "secret.bin", tmp_path / "net.h5"
    secret.write_bytes(np.ones(3, "f4").tobytes())
    with h5py.File(path, "w") as stored:
        stored.attrs["layer_names"] = [b"dense"]
        group = stored.create_group("dense")
        group.attrs["weight_names"] = [b"kernel:0"]
        group.create_dataset("kernel:0", (3,), "f4", external=[(str(secret), 0, 12)])
    with pytest.raises(Permanent, match="no array of numbers in this file"):
        read_checkpoint(path, sha256=None)


def test_an_h5_that_unfolds_to_more_than_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as stored:
        stored.attrs["layer_names"] = [b"dense"]
        group = stored.create_group("dense")
        group.attrs["weight_names"] = [b"kernel:0"]
        group.create_dataset("kernel:0", (2**20, 2**12), "f4", chunks=(2**10, 2**10))
    with pytest.raises(Permanent, match="at most"):
        read_checkpoint(path, sha256=None)


@pytest.mark.parametrize("missing", ["layer_names", "weight_names", "dataset"])
def test_an_h5_of_something_else_is_refused(tmp_path: Path, missing: str) -> None:
    path = tmp_path / "net.h5"
    keras_file(path, LAYERS)
    with h5py.File(path, "a") as stored:
        if missing == "layer_names":
            del stored.attrs["layer_names"]
        elif missing == "weight_names":
            del stored["conv2d_9"].attrs["weight_names"]
        else:
            del stored["conv2d_10"]["conv2d_10"]
    with pytest.raises(Permanent, match="not the weights of a Keras model"):
        read_checkpoint(path, sha256=None)


# --- what is broken ----------------------------------------------------------------------------


def good_bytes(kind: str) -> bytes:
    buffer = io.BytesIO()
    if kind == "pth":
        torch.save({"w": torch.arange(8.0), "b": torch.ones(1)}, buffer)
        return buffer.getvalue()
    with h5py.File(buffer, "w") as stored:
        stored.attrs["layer_names"] = [b"dense"]
        group = stored.create_group("dense")
        group.attrs["weight_names"] = [b"kernel:0"]
        group["kernel:0"] = np.ones(3, "f4")
    return buffer.getvalue()


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_pth_is_read_or_refused_but_never_a_crash(
    tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(good_bytes("pth"))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(4, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "damaged.pth"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))] or b"x")
    try:
        weights = read_checkpoint(path, sha256=None)
    except Permanent:
        return
    assert all(isinstance(one, torch.Tensor) for one in weights.tensors.values())


@pytest.mark.parametrize("kind", ["pth", "h5"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_half_a_file_is_refused(tmp_path: Path, kind: str, share: float) -> None:
    content = good_bytes(kind)
    path = tmp_path / f"half.{kind}"
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(Permanent, match="fetch it again"):
        read_checkpoint(path, sha256=None)
