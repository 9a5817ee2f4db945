"""A session of ONNX Runtime: which provider, which input, how many at once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as raised

from streammon.core.errors import Permanent
from streammon.detectors.onnx import OnnxConfig
from streammon.detectors.tensor_model import Runtime

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

CUDA = "CUDAExecutionProvider"
CPU = "CPUExecutionProvider"
EXTERNAL_FOLDER = "session.model_external_initializers_file_folder_path"
DTYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(uint8)": "uint8"}


class OnnxFile:
    """Opens ONNX files. `Opens`.

    Weights in files of their own are read only from the model's folder: the runtime refuses
    absolute paths, `..` and links that lead elsewhere.
    """

    unusable = (
        RuntimeError, raised.EPFail, raised.Fail, raised.InvalidArgument, raised.InvalidGraph,
        raised.InvalidProtobuf, raised.NoModel, raised.NoSuchFile, raised.NotImplemented,
        raised.RuntimeException,
    )  # fmt: skip

    def __init__(self, settings: OnnxConfig) -> None:
        self._settings = settings

    def start(self, data: bytes, device: str) -> Runtime:
        """A session on `device`, on as many threads as torch uses on this thread."""
        path = self._settings.model.expanduser().resolve()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors: the rest would go past the log
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry(EXTERNAL_FOLDER, str(path.parent))
        session: Any = onnxruntime.InferenceSession(data, options, providers=_providers(device))
        if device.startswith("cuda") and CUDA not in session.get_providers():
            log.warning(
                "onnx_on_cpu",
                extra={
                    "model": path.name,
                    "device": device,
                    "cause": "this onnxruntime has no working CUDA; try: "
                    "pip install onnxruntime-gpu",
                },
            )
        given = self._input(session.get_inputs())
        output = self._output([each.name for each in session.get_outputs()])
        held = [session]

        def run(inputs: Tensor) -> NDArray[np.generic]:
            found = held[0].run([output], {given.name: inputs.numpy()})[0]
            if not isinstance(found, np.ndarray):
                raise ValueError(f"output {output!r} is {type(found).__name__}, not a tensor")
            return found

        batch = given.shape[0] if given.shape and isinstance(given.shape[0], int) else None
        return Runtime(run, "cpu", batch, len(data), held.clear)

    def _input(self, inputs: Sequence[Any]) -> Any:
        """The input that is fed. Raises `Permanent` unless it is the only one needed."""
        names = [each.name for each in inputs]
        wanted = self._settings.input or (names[0] if names else "")
        if names != [wanted]:
            raise Permanent(
                f"{self._settings.model}: the model's inputs are {', '.join(names)}; one is fed"
                f"{'' if self._settings.input is None else f', and `input` says {wanted}'}: export "
                "it with a single input"
            )
        (found,) = inputs
        dtype = "float32" if self._settings.modality == "audio" else self._settings.picture.dtype
        if DTYPES.get(found.type) != dtype:
            raise Permanent(
                f"{self._settings.model}: input {wanted} is {found.type}, but the config gives "
                f"{dtype}; set `picture.dtype`, or export the model again"
            )
        return found

    def _output(self, names: Sequence[str]) -> str:
        wanted = self._settings.output or names[0]
        if wanted not in names:
            raise Permanent(
                f"{self._settings.model}: `output` says {wanted}, the model has {', '.join(names)}"
            )
        return wanted


def _providers(device: str) -> list[Any]:
    """CUDA where it is asked for and there, and always the CPU behind it."""
    if not device.startswith("cuda") or CUDA not in onnxruntime.get_available_providers():
        return [CPU]
    number = int(device.partition(":")[2] or 0)
    return [(CUDA, {"device_id": number}), CPU]
