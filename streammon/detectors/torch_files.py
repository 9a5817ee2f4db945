"""Files that torch itself writes: TorchScript and exported programs.

Both hold a program beside the weights, and torch promises for neither that reading one is safe:
`torch.jit.load` warns of crafted files in its documentation, and `torch.export.load` evaluates
expressions of symbolic sizes. So a config has to pin the file's hash, or to say that it is trusted.
What would be unpickled in an exported program is never reached.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from streammon.core.errors import Permanent
from streammon.detectors.tensor_model import Runtime, TensorModelConfig

if TYPE_CHECKING:
    from torch import Tensor

PLAIN = (
    "data/weights/", "data/constants/", "models/", ".data/", "archive_format", "archive_version",
    "byteorder", "extra/",
)  # fmt: skip
"""What an exported program is made of that holds no pickle and no machine code."""
SAMPLES = "data/sample_inputs/"
"""Would be unpickled, and are not needed."""


class TorchFileConfig(TensorModelConfig):
    """What the adapters for torch's own files have in common."""

    trusted: bool = False
    """You vouch for whatever the file holds, whoever may change it: it is a program."""
    output: str | int = 0
    """Which output, where the model gives several: its place, or its name in a mapping."""

    @model_validator(mode="after")
    def is_vouched_for(self) -> TorchFileConfig:
        if self.sha256 is None and not self.trusted:
            raise ValueError(
                "the file holds a program: pin it with `sha256` (sha256sum FILE prints it), or "
                "set `trusted: true`"
            )
        return self


class TorchScriptFile:
    """Opens TorchScript files. `Opens`."""

    unusable = (RuntimeError, AttributeError)

    def __init__(self, settings: TorchFileConfig) -> None:
        self._settings = settings

    def start(self, data: bytes, device: str) -> Runtime:
        import torch

        jit: Any = torch.jit
        with warnings.catch_warnings():  # deprecated, but what many people's models come as
            warnings.filterwarnings("ignore", r".*torch\.jit\.load", DeprecationWarning)
            model = jit.load(io.BytesIO(data), map_location=device)
        model.eval()
        return _runtime(model, device, batch=None, output=self._settings.output)


class ExportedFile:
    """Opens exported programs (`.pt2`). `Opens`."""

    unusable = (RuntimeError, AttributeError, AssertionError, zipfile.BadZipFile)

    def __init__(self, settings: TorchFileConfig) -> None:
        self._settings = settings

    def start(self, data: bytes, device: str) -> Runtime:
        import torch
        from torch.export.passes import move_to_device_pass

        program: Any = torch.export.load(io.BytesIO(without_pickle(data)))
        batch, most = _batch(program)
        if most is not None and most < self._settings.max_batch:
            raise Permanent(
                f"{self._settings.model}: it was exported for batches of at most {most}; set "
                f"`max_batch: {most}`"
            )
        moved: Any = move_to_device_pass(program, torch.device(device))
        return _runtime(moved.module(), device, batch=batch, output=self._settings.output)


def without_pickle(data: bytes) -> bytes:
    """An exported program without its sample inputs.

    Raises `ValueError` when other parts of it are pickled, or are not of a plain program.
    """
    kept = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(kept, "w") as new:
        for entry in old.infolist():
            _, _, inside = entry.filename.partition("/")
            if inside.startswith(SAMPLES):
                new.writestr(entry.filename, b"")
                continue
            content = old.read(entry)
            if not inside.startswith(PLAIN) or inside.endswith((".pt", ".so")):
                raise ValueError(f"{inside} has no place in an exported program")
            if inside.endswith("_config.json"):
                _check_payloads(json.loads(content))
            new.writestr(entry.filename, content)
    return kept.getvalue()


def _check_payloads(listing: Any) -> None:
    for name, payload in listing["config"].items():
        if payload["use_pickle"] or "obj" in payload["path_name"]:
            raise ValueError(f"{name} is pickled, which is not read")


def _batch(program: Any) -> tuple[int | None, int | None]:
    """How many inputs an exported program takes: exactly so many, or at most so many."""
    names = program.graph_signature.user_inputs
    if len(names) != 1:
        raise ValueError(f"the program takes {len(names)} inputs, not one")
    node = next(each for each in program.graph.nodes if each.name == names[0])
    size = node.meta["val"].shape[0]
    if isinstance(size, int):
        return size, None
    span = program.range_constraints.get(size.node.expr)
    bounded = span is not None and span.upper.is_finite
    return None, int(span.upper) if bounded else None


def _runtime(model: Any, device: str, *, batch: int | None, output: str | int) -> Runtime:
    tensors = [*model.parameters(), *model.buffers()]
    held: list[Callable[[Tensor], Any]] = [model]

    def run(given: Tensor) -> NDArray[np.generic]:
        found: NDArray[np.generic] = _tensor(held[0](given), output).float().cpu().numpy()
        return found

    def close() -> None:
        held.clear()
        if device.startswith("cuda"):
            import torch

            torch.cuda.empty_cache()

    taken = sum(each.numel() * each.element_size() for each in tensors)
    return Runtime(run, device, batch, taken, close)


def _tensor(found: Any, output: str | int) -> Any:
    """The output that is meant. Raises `ValueError` when it is not there or is no tensor."""
    import torch

    if not isinstance(found, torch.Tensor):
        try:
            found = found[output]
        except (IndexError, KeyError, TypeError) as error:
            kinds = f"{len(found)} outputs" if isinstance(found, list | tuple) else type(found)
            raise ValueError(f"no output {output!r}: the model gave {kinds}") from error
    if not isinstance(found, torch.Tensor):
        raise ValueError(f"output {output!r} is {type(found).__name__}, not a tensor")
    return found
