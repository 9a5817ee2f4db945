"""Settings of a model in an exported program (.pt2). torch is imported only when it is loaded."""

from __future__ import annotations

from typing import Literal

from streammon.core.ports import Detector
from streammon.detectors.tensor_model import tensor_detector
from streammon.detectors.torch_files import ExportedFile, TorchFileConfig


class TorchExportConfig(TorchFileConfig):
    """Any model of pictures, clips or sound that `torch.export.save` wrote: a program of yours."""

    type: Literal["torch_export"] = "torch_export"

    def build(self, name: str) -> Detector:
        return tensor_detector(name, self, ExportedFile(self))
