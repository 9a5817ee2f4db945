"""Windows as the inputs of a transformers model, by the preprocessing that it came with.

The usual kinds are done on whole batches and on the model's device; a processor that does
anything unusual is asked itself, picture by picture, and is slower.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from streammon.core.errors import Permanent
from streammon.core.types import Window
from streammon.detectors.huggingface import clip_frames, read_json
from streammon.detectors.model_pictures import Picture, Preparation, pictures, prepared
from streammon.detectors.model_settings import SoundSettings
from streammon.detectors.model_sound import waves
from streammon.detectors.model_text import text_of

if TYPE_CHECKING:
    from torch import Tensor

Inputs: TypeAlias = Callable[[Sequence[Window]], Mapping[str, "Tensor"]]
"""What the model's forward takes, by name, for the windows."""

INTERPOLATIONS = {1: "lanczos", 2: "bilinear", 3: "bicubic"}
"""By Pillow's numbers."""
STEPS = ("_preprocess", "center_crop", "normalize", "preprocess", "process_image", "resize")
"""What a processor may do in its own way."""
USUAL_ALL_THE_SAME = frozenset({"VideoMAEImageProcessorPil"})
"""Overrides steps only to take lists of clips."""


def picture_inputs(folder: Path, frames: int, device: str) -> Inputs:
    """For image models: (windows * frames, 3, height, width)."""
    make = _picture_maker(folder, device)
    return lambda windows: {"pixel_values": make(pictures(windows, frames))}


def clip_inputs(folder: Path, name: str, config: Mapping[str, Any], device: str) -> Inputs:
    """For video models: (windows, frames, 3, height, width) under `name`."""
    make, frames = _picture_maker(folder, device), clip_frames(config)

    def inputs(windows: Sequence[Window]) -> Mapping[str, Tensor]:
        stack = make(pictures(windows, frames))
        return {name: stack.view(len(windows), frames, *stack.shape[1:])}

    return inputs


def _picture_maker(folder: Path, device: str) -> Callable[[list[Picture]], Tensor]:
    processor = _picture_processor(folder)
    how = preparation(processor)
    if how is not None:
        return lambda images: prepared(images, how, device)

    def by_itself(images: list[Picture]) -> Tensor:
        import torch

        given = [np.ascontiguousarray(image) for image in images]
        found = processor(images=given, return_tensors="np", input_data_format="channels_last")
        values = np.asarray(found["pixel_values"], np.float32)
        return torch.from_numpy(values.reshape(len(images), *values.shape[-3:])).to(device)

    return by_itself


def _picture_processor(folder: Path) -> Any:
    """The picture processor that a folder names, in its form that needs no torchvision."""
    import transformers

    settings = _settings_of(folder, "preprocessor_config.json", "video_preprocessor_config.json")
    model_type = str(read_json(folder / "config.json").get("model_type"))
    said = settings.get("image_processor_type") or settings.get("feature_extractor_type")
    # As an attribute of its package it is a placeholder without torchvision; the module is not.
    known: Any = import_module("transformers.models.auto.image_processing_auto")
    kinds = known.IMAGE_PROCESSOR_MAPPING_NAMES.get(model_type) or {}
    names = [str(said or "").removesuffix("Fast").replace("FeatureExtractor", "ImageProcessor")]
    names += [str(kinds.get("pil")), str(kinds.get("torchvision"))]
    forms = [form for name in names for form in (f"{name.removesuffix('Pil')}Pil", name)]
    for form in forms:
        processor = getattr(transformers, form, None) if form else None
        if processor is not None and _needs_no_torchvision(processor):
            return processor.from_dict(dict(settings))
    raise Permanent(
        f"{folder}: the picture processor {said or model_type} is not one of this version of "
        "transformers that works without torchvision; export the model to ONNX and use `onnx`"
    )


def _needs_no_torchvision(processor: Any) -> bool:
    return "torchvision" not in getattr(processor, "_backends", ())


def _settings_of(folder: Path, *names: str) -> Mapping[str, Any]:
    for name in names:
        if (folder / name).is_file():
            return read_json(folder / name)
    raise Permanent(
        f"{folder}: no {names[0]}; without it there is no telling how inputs were prepared in "
        "training: copy it from where the model came from"
    )


def preparation(processor: Any) -> Preparation | None:
    """What a picture processor does, or `None` when it does anything unusual."""
    from transformers.image_processing_backends import PilBackend

    kind: Any = type(processor)
    if not issubclass(kind, PilBackend):
        return None
    changed = any(getattr(kind, step) is not getattr(PilBackend, step) for step in STEPS)
    changed = changed or kind.rescale is not PilBackend.rescale
    interpolation = INTERPOLATIONS.get(int(processor.resample or 2))
    plain = kind.__name__ in USUAL_ALL_THE_SAME or not changed
    if not plain or getattr(processor, "do_pad", None) or not processor.do_resize:
        return None
    size = processor.size
    crop = processor.crop_size if getattr(processor, "do_center_crop", None) else None
    if interpolation is None or size.longest_edge or size.max_height:
        return None
    if size.shortest_edge:
        resize, covers = (size.shortest_edge, size.shortest_edge), True
    else:
        resize, covers = (size.height, size.width), False
    cut = (crop.height, crop.width) if crop is not None else None
    if (covers and cut is None) or (cut is not None and (cut[0] > resize[0] or cut[1] > resize[1])):
        return None
    normalised = bool(processor.do_normalize)
    return Preparation(
        resize=resize,
        keep_aspect=covers,
        crop=cut,
        interpolation=interpolation,
        scale=processor.rescale_factor if processor.do_rescale else 1.0,
        mean=tuple(processor.image_mean) if normalised else (0.0, 0.0, 0.0),
        std=tuple(processor.image_std) if normalised else (1.0, 1.0, 1.0),
    )


def sound_inputs(folder: Path, seconds: float, device: str) -> Inputs:
    """For audio models: raw samples, or the features that the model's own extractor makes."""
    from transformers import AutoFeatureExtractor, Wav2Vec2FeatureExtractor

    known: Any = AutoFeatureExtractor
    extractor = known.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
    rate_hz = int(extractor.sampling_rate)
    raw = type(extractor) is Wav2Vec2FeatureExtractor
    how = SoundSettings(
        rate_hz=rate_hz,
        samples=max(1, round(seconds * rate_hz)),
        normalise=raw and bool(extractor.do_normalize),
    )
    if raw:
        return lambda windows: {"input_values": waves(windows, how, device)}

    def features(windows: Sequence[Window]) -> Mapping[str, Tensor]:
        sounds = list(waves(windows, how, "cpu").numpy())
        found = extractor(sounds, sampling_rate=rate_hz, return_tensors="pt")
        return {name: values.to(device) for name, values in found.items()}

    return features


def text_inputs(folder: Path, config: Any, device: str) -> Inputs:
    """For text models: token ids, cut at the model's length, padded to the longest."""
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(
        str(folder), local_files_only=True, trust_remote_code=False
    )
    if tokenizer.pad_token is None:  # causal models have none; what pads does not count
        tokenizer.pad_token = tokenizer.eos_token
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id
    most = _longest(tokenizer, config)

    def inputs(windows: Sequence[Window]) -> Mapping[str, Tensor]:
        texts = [text_of(window) for window in windows]
        found = tokenizer(
            texts, padding=True, truncation=True, max_length=most, return_tensors="pt"
        )
        return {name: values.to(device) for name, values in found.items()}

    return inputs


def _longest(tokenizer: Any, config: Any) -> int:
    """The most tokens that both the tokenizer and the model's positions allow."""
    positions = int(getattr(config, "max_position_embeddings", 0) or 2**20)
    if "roberta" in config.model_type:  # their positions begin behind the padding's
        positions -= int(config.pad_token_id or 0) + 1
    return int(min(tokenizer.model_max_length, positions))
