"""Small models with random weights, made here, in every form that the adapters read."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from streammon.core.types import StreamId, Window
from tests.fakes import a_chunk, a_frame, a_message, a_window

REAL_FAKE = ("real", "fake")
PICTURE = 16
"""Side of the pictures that the small networks take."""


class Small(nn.Module):
    """A picture to two logits; a little contrast in, a little difference out."""

    def __init__(self, outputs: int = 2) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.look = nn.Conv2d(3, 4, 3)
        self.say = nn.Linear(4, outputs)

    def forward(self, pictures: Tensor) -> Tensor:
        found: Tensor = self.say(self.look(pictures).mean((2, 3)))
        return found


class Hears(nn.Module):
    """Samples to two logits."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.hear = nn.Conv1d(1, 4, 16, stride=8)
        self.say = nn.Linear(4, 2)

    def forward(self, samples: Tensor) -> Tensor:
        found: Tensor = self.say(self.hear(samples.unsqueeze(1)).abs().mean(2))
        return found


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def traced(model: nn.Module, example: Tensor, path: Path) -> Path:
    """The model as a TorchScript file."""
    jit: Any = torch.jit
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        jit.save(jit.trace(model.eval(), example), str(path))
    return path


def exported(model: nn.Module, example: Tensor, path: Path, *, most: int | None = 64) -> Path:
    """The model as an exported program; `most=None` for the batch of the example only."""
    shapes = None if most is None else ({0: torch.export.Dim("batch", min=1, max=most)},)
    program = torch.export.export(model.eval(), (example,), dynamic_shapes=shapes)
    torch.export.save(program, path)
    return path


def onnx_file(
    path: Path,
    *,
    weights: NDArray[np.float32],
    shape: Sequence[int | str],
    dtype: str = "FLOAT",
    external: str | None = None,
) -> Path:
    """Flattened inputs times `weights`, (values, outputs), as an ONNX file.

    `shape`: of the input, with names for what is dynamic. `external`: where the weights are said
    to lie, as raw float32.
    """
    from onnx import TensorProto, helper, numpy_helper

    held = numpy_helper.from_array(weights, "weights")
    if external is not None:
        held.ClearField("raw_data")
        held.data_location = TensorProto.EXTERNAL
        for key, value in (("location", external), ("length", str(weights.nbytes))):
            entry = held.external_data.add()
            entry.key, entry.value = key, value
    nodes = [
        helper.make_node("Cast", ["pictures"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["numbers"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("pictures", getattr(TensorProto, dtype), shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [shape[0], weights.shape[1]])],
        [held],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


# --- transformers ----------------------------------------------------------------------------


def _labels(labels: Sequence[str]) -> dict[str, Any]:
    return {
        "id2label": dict(enumerate(labels)),
        "label2id": {label: place for place, label in enumerate(labels)},
    }


def _saved(model: Any, processor: Any, folder: Path) -> Path:
    from transformers.utils import logging

    bars: Any = logging
    bars.disable_progress_bar()
    model.eval().save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def a_vit(folder: Path, *, labels: Sequence[str] = REAL_FAKE, **more: Any) -> Path:
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessorPil

    torch.manual_seed(5)
    config = ViTConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        image_size=32, patch_size=8, initializer_range=0.2, **_labels(labels), **more,
    )  # fmt: skip
    processor = ViTImageProcessorPil(size={"height": 32, "width": 32})
    return _saved(ViTForImageClassification(config), processor, folder)


def a_video_mae(folder: Path, *, labels: Sequence[str] = REAL_FAKE) -> Path:
    from transformers import (
        VideoMAEConfig,
        VideoMAEForVideoClassification,
        VideoMAEImageProcessorPil,
    )

    torch.manual_seed(6)
    config = VideoMAEConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        image_size=32, patch_size=8, num_frames=4, initializer_range=0.2, **_labels(labels),
    )  # fmt: skip
    side = {"height": 32, "width": 32}
    processor = VideoMAEImageProcessorPil(size={"shortest_edge": 36}, crop_size=side)
    model: Any = VideoMAEForVideoClassification
    return _saved(model(config), processor, folder)


def a_wav2vec2(folder: Path, *, labels: Sequence[str] = ("bonafide", "spoof")) -> Path:
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForSequenceClassification,
    )

    torch.manual_seed(7)
    config = Wav2Vec2Config(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
        conv_dim=(16, 16), conv_stride=(10, 8), conv_kernel=(20, 16),
        num_conv_pos_embeddings=8, num_conv_pos_embedding_groups=2, classifier_proj_size=16,
        initializer_range=0.2, **_labels(labels),
    )  # fmt: skip
    model: Any = Wav2Vec2ForSequenceClassification
    extractor: Any = Wav2Vec2FeatureExtractor
    return _saved(model(config), extractor(), folder)


def a_distilbert(folder: Path, *, labels: Sequence[str] = ("Human", "AI")) -> Path:
    from transformers import BertTokenizer, DistilBertConfig, DistilBertForSequenceClassification

    torch.manual_seed(8)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "hello", "there", "world", "my"]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join([*words, *"abcdefghijklmnopqrstuvwxyz"]))
    known: Any = BertTokenizer
    tokenizer = known(str(folder / "vocab.txt"), model_max_length=24)
    config = DistilBertConfig(
        vocab_size=64, dim=32, n_layers=1, n_heads=2, hidden_dim=32, max_position_embeddings=24,
        initializer_range=0.2, **_labels(labels),
    )  # fmt: skip
    return _saved(DistilBertForSequenceClassification(config), tokenizer, folder)


def changed_json(path: Path, changes: Mapping[str, Any]) -> None:
    """Set (or with `None`, take out) keys of a JSON file."""
    found = json.loads(path.read_text()) | dict(changes)
    path.write_text(json.dumps({key: value for key, value in found.items() if value is not None}))


# --- windows that differ from each other ------------------------------------------------------


def a_picture(seed: int, *, height: int = 45, width: int = 60) -> NDArray[np.uint8]:
    """A smooth pattern with some noise, read-only as decoders give it."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / 8
    waves = np.stack([np.sin(x + seed), np.cos(y * (1 + seed % 3)), np.sin(x + y)], -1)
    image = np.clip(128 + 90 * waves + rng.normal(0, 12, waves.shape), 0, 255).astype(np.uint8)
    image.flags.writeable = False
    return image


def seen(seed: int, *, frames: int = 1, **size: int) -> Window:
    """A window of pictures of a stream of its own."""
    stream = StreamId(f"s{seed}")
    return a_window(
        *[
            a_frame(at, stream=stream, image_rgb=a_picture(seed * 31 + at, **size))
            for at in range(frames)
        ]
    )


def heard(seed: int, *, duration_s: float = 4.0, **more: Any) -> Window:
    """A window of a tone with noise."""
    rng = np.random.default_rng(seed)
    chunk = a_chunk(duration_s=duration_s, pitch_hz=200.0 + 90 * seed, stream=StreamId(f"s{seed}"))
    pcm = (chunk.pcm + rng.normal(0, 0.05, len(chunk.pcm))).astype(np.float32)
    pcm.flags.writeable = False
    chunk = a_chunk(pcm=pcm, stream=StreamId(f"s{seed}"), **more)
    return a_window(chunk, end_s=duration_s)


def read(seed: int, *texts: str) -> Window:
    stream = StreamId(f"s{seed}")
    return a_window(*[a_message(at, text=text, stream=stream) for at, text in enumerate(texts)])
