"""Reads checkpoints as their authors publish them, without running what may be hidden in them.

A format is told by its first bytes, never by the file's name. Whatever it is, the bytes are
bounded, checked against their pin, and read from memory, so that what was checked is what is
read. `.pth` and `.pt` are pickles: torch reads them with an allow-list of tensor parts, and all
else in them is refused, not run. A `.h5` may point at other files: such links are not followed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from io import BytesIO
from math import prod
from pathlib import Path
from pickle import UnpicklingError  # the error alone: nothing is unpickled here
from typing import TYPE_CHECKING, Any
from zipfile import ZIP_STORED, BadZipFile, ZipFile

from streammon.core.errors import Permanent
from streammon.detectors.weights import (
    MAX_BYTES,
    WeightFile,
    Weights,
    first_line,
    parse_safetensors,
    read_pinned,
)

if TYPE_CHECKING:
    from torch import Tensor

ZIP, HDF5, PICKLE = b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x80"
INSTEAD = (
    "ask its author for safetensors, or, on a machine that you can afford to lose, load it there "
    "and store its tensors with safetensors.torch.save_file"
)


def read_checkpoint(path: Path, *, sha256: str | None) -> Weights:
    """Read safetensors, torch's `.pth`/`.pt` or Keras weights (`.h5`), on the CPU.

    Blocking. Names and shapes are the file's own; Keras weights are called `conv2d_1/kernel:0`
    and so on. Raises `Permanent` with what to do when the file is missing, bigger than 64 MiB,
    damaged, another one than was pinned, or holds anything but tensors.
    """
    file = read_pinned(path, sha256=sha256)
    if file.data.startswith(ZIP):
        return Weights(_torch_tensors(file), {}, path, file.sha256)
    if file.data.startswith(HDF5):
        return Weights(_keras_tensors(file), {}, path, file.sha256)
    if file.data.startswith(PICKLE):
        raise Permanent(f"{path}: a bare pickle, which may run anything when opened; {INSTEAD}")
    return parse_safetensors(file)


def _torch_tensors(file: WeightFile) -> Mapping[str, Tensor]:
    import torch

    try:
        with ZipFile(BytesIO(file.data)) as archive:
            if any(entry.compress_type != ZIP_STORED for entry in archive.infolist()):
                raise Permanent(f"{file.path}: compressed inside, as torch never does; {INSTEAD}")
        state = torch.load(BytesIO(file.data), map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        named = re.search(r"GLOBAL (\S+)", str(error))
        what = f"asks to use {named[1]}" if named else "holds more than tensors"
        raise Permanent(f"{file.path}: not opened: its pickle {what}; {INSTEAD}") from error
    except (BadZipFile, struct.error, RuntimeError, *_BROKEN) as error:
        raise Permanent(
            f"{file.path}: not a checkpoint of torch ({first_line(error)}); fetch it again"
        ) from error
    if not isinstance(state, Mapping) or not all(map(_is_plain, state.items())):
        raise Permanent(f"{file.path}: holds more than tensors by name; {INSTEAD}")
    tensors: dict[str, Tensor] = {name: tensor.detach() for name, tensor in state.items()}
    _bounded(file, sum(one.numel() * one.element_size() for one in tensors.values()))
    return tensors


_BROKEN = (ValueError, LookupError, EOFError, TypeError, AttributeError, AssertionError)
"""What readers of a format raise over bytes that are not in it."""


def _is_plain(entry: tuple[object, object]) -> bool:
    import torch

    name, value = entry
    return (
        isinstance(name, str)
        and isinstance(value, torch.Tensor)
        and value.layout is torch.strided
        and value.device.type == "cpu"
    )


def _bounded(file: WeightFile, size: int) -> None:
    """Few bytes can stand for many (a view that repeats, a fill value): counted as unfolded."""
    if size > MAX_BYTES:
        raise Permanent(f"{file.path}: {size} bytes of tensors, at most {MAX_BYTES} are read")


def _keras_tensors(file: WeightFile) -> Mapping[str, Tensor]:
    import torch

    try:
        import h5py
    except ImportError as error:
        raise Permanent(
            f"{file.path}: Keras weights need h5py; try: pip install 'streammon[mesonet]'"
        ) from error
    try:
        with h5py.File(BytesIO(file.data), "r") as stored:
            arrays = dict(_datasets(stored))
            _bounded(file, sum(4 * prod(array.shape) for array in arrays.values()))
            return {name: torch.from_numpy(one.astype("f4")[()]) for name, one in arrays.items()}
    except (OSError, RuntimeError, *_BROKEN) as error:
        raise Permanent(
            f"{file.path}: not the weights of a Keras model ({first_line(error)}); fetch it again, "
            'as written by `model.save_weights("NAME.h5")`'
        ) from error


def _datasets(stored: Any) -> Iterator[tuple[str, Any]]:
    """The weights of each layer in the file's order, as datasets that are not read yet."""
    for layer in stored.attrs["layer_names"]:
        group = _inside(stored, _text(layer))
        for weight in group.attrs["weight_names"]:
            dataset = _inside(group, _text(weight))
            if dataset.dtype.kind != "f" or dataset.is_virtual or dataset.external:
                raise ValueError(f"{_text(weight)} is no array of numbers in this file")
            yield _text(weight), dataset


def _inside(group: Any, path: str) -> Any:
    """What lies at `path` in the file itself, links to other places not followed."""
    import h5py

    for part in path.split("/"):
        if not isinstance(group.get(part, getlink=True), h5py.HardLink):
            raise ValueError(f"{path} leads elsewhere")
        group = group[part]
    return group


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
