"""Settings of a model in an ONNX file. The runtime is imported only when the detector is built."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from streammon.core.ports import Detector
from streammon.detectors.tensor_model import TensorModelConfig, tensor_detector

if find_spec("onnxruntime") is None:
    raise ModuleNotFoundError("No module named 'onnxruntime'", name="onnxruntime")


class OnnxConfig(TensorModelConfig):
    """Any model of pictures, clips or sound in an ONNX file, on the CPU or CUDA."""

    type: Literal["onnx"] = "onnx"
    input: str | None = None
    """Name of the input; unset: the only one there is."""
    output: str | None = None
    """Name of the output; unset: the first."""

    def build(self, name: str) -> Detector:
        from streammon.detectors.onnx_session import OnnxFile

        return tensor_detector(name, self, OnnxFile(self))
