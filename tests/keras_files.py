"""MesoNet weights, random but settled, in files laid out as Keras 2 does."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

INCEPTION = [(1, 3, 1), (1, 3, 4), (3, 4, 4), (1, 3, 4), (3, 4, 4), (1, 3, 2), (3, 2, 2)]
INCEPTION += [(1, 11, 2), (1, 11, 4), (3, 4, 4), (1, 11, 4), (3, 4, 4), (1, 11, 2), (3, 2, 2)]
CONVOLUTIONS = {
    "Meso4": [(3, 3, 8), (5, 8, 8), (5, 8, 16), (5, 16, 16)],
    "MesoInception4": [*INCEPTION, (5, 12, 16), (5, 16, 16)],
}
"""Size, inputs and outputs of each, in the order in which the paper's network has them."""
NORMS = {"Meso4": (8, 8, 16, 16), "MesoInception4": (11, 12, 16, 16)}
FIRST_NUMBER = 5  # Keras goes on counting where the model before it stopped


def keras_weights(variant: str) -> dict[str, NDArray[np.float32]]:
    """Weights by the names that Keras 2 gives them, in the order of their numbers."""
    numbers = np.random.default_rng(3)

    def some(*shape: int, scale: float = 0.3) -> NDArray[np.float32]:
        return (numbers.normal(size=shape) * scale).astype(np.float32)

    weights: dict[str, NDArray[np.float32]] = {}
    for at, (size, inputs, outputs) in enumerate(CONVOLUTIONS[variant], FIRST_NUMBER):
        weights[f"conv2d_{at}/kernel:0"] = some(size, size, inputs, outputs)
        weights[f"conv2d_{at}/bias:0"] = some(outputs)
    for at, width in enumerate(NORMS[variant], FIRST_NUMBER):
        name = f"batch_normalization_{at}"
        weights[f"{name}/gamma:0"], weights[f"{name}/beta:0"] = some(width), some(width)
        weights[f"{name}/moving_mean:0"] = some(width)
        weights[f"{name}/moving_variance:0"] = np.abs(some(width)) + np.float32(0.1)
    for at, (inputs, outputs) in enumerate([(1024, 16), (16, 1)], 3):
        weights[f"dense_{at}/kernel:0"] = some(inputs, outputs, scale=0.02)
        weights[f"dense_{at}/bias:0"] = some(outputs)
    return weights


def mesonet_file(path: Path, variant: str) -> Path:
    """As the authors store them; layers in the order of their names, which is not their own."""
    weights = keras_weights(variant)
    with h5py.File(path, "w") as stored:
        layers = sorted({name.partition("/")[0] for name in weights})
        stored.attrs["layer_names"] = [layer.encode() for layer in [*layers, "flatten_1"]]
        for layer in layers:
            inside = [name for name in weights if name.startswith(f"{layer}/")]
            group = stored.create_group(layer)
            group.attrs["weight_names"] = [name.encode() for name in inside]
            for name in inside:
                group[name] = weights[name]
        stored.create_group("flatten_1").attrs["weight_names"] = np.array([], dtype="S1")
    return path
