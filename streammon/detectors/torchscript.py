"""Settings of a model in a TorchScript file. torch is imported only when it is loaded."""

from __future__ import annotations

from typing import Literal

from streammon.core.ports import Detector
from streammon.detectors.tensor_model import tensor_detector
from streammon.detectors.torch_files import TorchFileConfig, TorchScriptFile


class TorchScriptConfig(TorchFileConfig):
    """Any model of pictures, clips or sound that was traced or scripted: a program of your own."""

    type: Literal["torchscript"] = "torchscript"

    def build(self, name: str) -> Detector:
        return tensor_detector(name, self, TorchScriptFile(self))
