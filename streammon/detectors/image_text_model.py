"""A CLIP-like model of transformers: how alike are these pictures and these texts?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModel, AutoTokenizer

from streammon.core.errors import Permanent

MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)
"""Of OpenAI's CLIP, where the folder's `preprocessor_config.json` names none."""


class ImageTextModel:
    """Loaded from a local folder, safetensors only; nothing is fetched and no code in it is run."""

    def __init__(self, folder: Path, device: str) -> None:
        """Raises `Permanent` when the folder holds no such model."""
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        if not folder.is_dir():
            raise Permanent(f"{folder}: no such folder; give one with a CLIP-like model")
        try:
            model = AutoModel.from_pretrained(folder, use_safetensors=True, **options)
            self._tokenizer = AutoTokenizer.from_pretrained(folder, **options)
            self._size = int(model.config.vision_config.image_size)
            self._most_tokens = int(model.config.text_config.max_position_embeddings)
            mean, deviation = _normalisation(folder)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
            first_line = str(error).partition("\n")[0]
            raise Permanent(
                f"{folder}: not a CLIP-like model with safetensors weights "
                f"({type(error).__name__}: {first_line})"
            ) from error
        self.name = folder.resolve().name
        self._device = torch.device(device)
        self._model = model.eval().to(self._device)
        self._mean = torch.tensor(mean, device=self._device).view(3, 1, 1)
        self._deviation = torch.tensor(deviation, device=self._device).view(3, 1, 1)
        self.resident_bytes = sum(
            each.numel() * each.element_size() for each in self._model.parameters()
        )

    def similarities(
        self, images: Sequence[NDArray[np.uint8]], texts: Sequence[str]
    ) -> list[float]:
        """The cosine similarity of each picture, (height, width, 3), and its text."""
        with torch.inference_mode():
            pixels = torch.stack([self._prepared(image) for image in images])
            tokens = self._tokenizer(
                list(texts),
                padding=True,
                truncation=True,
                max_length=self._most_tokens,
                return_tensors="pt",
            ).to(self._device)
            out = self._model(
                input_ids=tokens["input_ids"],
                attention_mask=tokens["attention_mask"],
                pixel_values=pixels,
            )
            alike = torch.nn.functional.cosine_similarity(
                out.image_embeds.float(), out.text_embeds.float()
            )
            found: list[float] = alike.double().cpu().tolist()
        return found

    def _prepared(self, image: NDArray[np.uint8]) -> torch.Tensor:
        """Scaled so that it covers the model's square, cut from its middle, normalised."""
        picture = torch.from_numpy(np.array(image)).to(self._device).permute(2, 0, 1).float() / 255
        height, width = picture.shape[1:]
        scale = self._size / min(height, width)
        size = [max(self._size, round(height * scale)), max(self._size, round(width * scale))]
        picture = torch.nn.functional.interpolate(
            picture[None], size=size, mode="bicubic", antialias=True, align_corners=False
        )[0].clamp(0, 1)
        top, left = (size[0] - self._size) // 2, (size[1] - self._size) // 2
        cut = picture[:, top : top + self._size, left : left + self._size]
        normal: torch.Tensor = (cut - self._mean) / self._deviation
        return normal


def _normalisation(folder: Path) -> tuple[Sequence[float], Sequence[float]]:
    """Mean and deviation per channel, as the folder says."""
    path = folder / "preprocessor_config.json"
    said: Mapping[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
    mean, deviation = said.get("image_mean", MEAN), said.get("image_std", DEVIATION)
    if len(mean) != 3 or len(deviation) != 3 or not all(float(one) > 0 for one in deviation):
        raise ValueError(f"{path.name}: expected three means and three positive deviations")
    return [float(one) for one in mean], [float(one) for one in deviation]
