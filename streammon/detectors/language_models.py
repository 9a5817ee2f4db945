"""One or two causal language models that read the same tokens, and what they expect of a text.

Models are folders of transformers or models of the hub at a pinned commit. Only weights in
safetensors are read, and no code that comes with a model is run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, SecretStr, model_validator

from streammon.config import models_folder
from streammon.core.errors import Permanent
from streammon.core.types import Modality, WindowSpec, WindowUnit
from streammon.detectors.huggingface_hub_folder import check_folder, check_seal, hub_folder
from streammon.detectors.model_files import Seal, first_line
from streammon.detectors.published import PublishedConfig
from streammon.sections import Section

if find_spec("transformers") is None:
    raise ModuleNotFoundError("No module named 'transformers'", name="transformers")

if TYPE_CHECKING:
    from torch import Tensor

HUB_ID = r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?"
UNUSABLE = (
    AttributeError, ImportError, IndexError, KeyError, OSError, RuntimeError, TypeError, ValueError,
)  # fmt: skip
"""What reading somebody else's files raises when they do not fit; safetensors' error is here too,
as transformers hands it on."""


class LanguageModel(Section):
    """Where a language model is."""

    model: str = Field(pattern=rf"^(~|\.{{0,2}}/|{HUB_ID}$)")
    """A folder (`./...`, `../...`, `/...`, `~/...`), or `organisation/name` on the hub."""
    revision: str | None = Field(None, pattern=r"^[0-9a-f]{40}$")
    """The commit of a model on the hub: the very files that you tried."""

    @model_validator(mode="after")
    def hub_is_pinned(self) -> LanguageModel:
        if self.folder is None and self.revision is None:
            raise ValueError(
                f"`revision` has to pin {self.model} to a commit of the hub (40 hex digits); for a "
                f"folder write ./{self.model}"
            )
        if self.folder is not None and self.revision is not None:
            raise ValueError("`revision` is for models of the hub; a folder has none")
        return self

    @property
    def folder(self) -> Path | None:
        """Where the model lies, if it is not one of the hub."""
        local = self.model.startswith(("./", "../", "/", "~"))
        return Path(self.model).expanduser() if local else None


class LanguageModelsConfig(PublishedConfig):
    """What all methods that ask language models let their user say."""

    window_characters: PositiveInt = Field(2_000, le=100_000)
    least_length: PositiveInt = Field(64, ge=2)
    """Texts of fewer tokens than this are not judged."""
    most_length: PositiveInt = Field(512, ge=2, le=32_768)
    """Texts of more tokens than this are judged by their beginning."""
    scale: PositiveFloat
    """How far beyond the border the score has to be for a confidence of 0.73 (logistic)."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the weights. Published borders were found in bfloat16 or float16."""
    token: SecretStr | None = None
    """For the hub, where a model asks for one."""
    endpoint: str = Field("https://huggingface.co", pattern=r"^https?://")
    """The hub, or a mirror of it."""
    max_batch: PositiveInt = Field(4, le=256)
    """Memory for each text: `most_length` times the vocabulary, a few times over."""

    @model_validator(mode="after")
    def lengths_fit(self) -> LanguageModelsConfig:
        if self.least_length > self.most_length:
            raise ValueError(f"least_length must be at most most_length ({self.most_length})")
        return self

    @property
    def cut(self) -> dict[Modality, WindowSpec]:
        return {Modality.TEXT: WindowSpec(self.window_characters, 0, WindowUnit.CHARACTERS)}


@dataclass(frozen=True, slots=True)
class Readers:
    """Two language models of one vocabulary on a device; they may be the same one."""

    first: Any
    second: Any
    tokenizer: Any
    name: str
    sha256: str
    device: str
    most_length: int

    def tokens(self, text: str) -> list[int]:
        """The ids of a text, one more than `most_length` at most: so that a cut is noticed."""
        most = self.most_length + 1
        ids: list[int] = self.tokenizer(text, truncation=True, max_length=most).input_ids
        return ids

    def measured(
        self, texts: Sequence[Sequence[int]], measure: Callable[[Tensor, Tensor, Tensor], float]
    ) -> list[float]:
        """`measure` of each text: of its tokens (n,), and of both models' logits (n, vocabulary).

        One forward pass for all; what short texts are filled up with is seen by nobody.
        """
        import torch

        if not texts:
            return []
        ids = torch.zeros((len(texts), max(map(len, texts))), dtype=torch.long)
        there = torch.zeros_like(ids)
        for row, text in enumerate(texts):
            ids[row, : len(text)] = torch.tensor(text)
            there[row, : len(text)] = 1
        ids, there = ids.to(self.device), there.to(self.device)
        given: Any = {"input_ids": ids, "attention_mask": there, "use_cache": False}
        with torch.inference_mode():
            first = self.first(**given).logits
            second = first if self.second is self.first else self.second(**given).logits
            width = min(first.shape[-1], second.shape[-1])
            return [
                measure(
                    ids[row, :n], first[row, :n, :width].float(), second[row, :n, :width].float()
                )
                for row, n in enumerate(map(len, texts))
            ]


def open_readers(
    settings: LanguageModelsConfig, first: LanguageModel, second: LanguageModel, device: str
) -> Readers:
    """Both models on `device`; the same one is loaded once. Blocking, maybe for a download.

    Raises `Permanent` with what to do when one cannot be used, or they do not belong together.
    """
    folders = [_folder(settings, place) for place in (first, second)]
    loaded = {folder: _load(settings, folder, device) for folder in dict.fromkeys(folders)}
    one, tokenizer, one_sha256 = loaded[folders[0]]
    other, its_tokenizer, other_sha256 = loaded[folders[1]]
    if tokenizer.get_vocab() != its_tokenizer.get_vocab():
        raise Permanent(
            f"{first.model} and {second.model} do not read the same tokens; take two models of one "
            "family"
        )
    both = first.model if first == second else f"{first.model}+{second.model}"
    sha256 = hashlib.sha256(f"{one_sha256}{other_sha256}".encode()).hexdigest()
    return Readers(one, other, tokenizer, both, sha256, device, settings.most_length)


def _folder(settings: LanguageModelsConfig, place: LanguageModel) -> Path:
    if place.folder is not None:
        return place.folder
    assert place.revision is not None
    token = settings.token.get_secret_value() if settings.token else None
    return hub_folder(
        models_folder(), place.model, place.revision, endpoint=settings.endpoint, token=token
    )


def _load(settings: LanguageModelsConfig, folder: Path, device: str) -> tuple[Any, Any, str]:
    """Model, tokenizer and hash of a folder. Raises `Permanent` with what to do."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as quiet

    quiet.disable_progress_bar()  # type: ignore[no-untyped-call]
    files = check_folder(folder)
    shared: Any = {"local_files_only": True, "trust_remote_code": False}
    try:
        sha256 = Seal().of(files)
        check_seal(folder, sha256)
        tokenizer = AutoTokenizer.from_pretrained(str(folder), **shared)
        loader: Any = AutoModelForCausalLM
        model, report = loader.from_pretrained(
            str(folder),
            dtype=getattr(torch, settings.dtype),
            use_safetensors=True,
            output_loading_info=True,
            attn_implementation="eager",  # never kernels that a config names
            **shared,
        )
    except torch.OutOfMemoryError:
        raise  # the model is fine; the device is full
    except UNUSABLE as error:
        raise Permanent(
            f"{folder}: transformers cannot load it as a causal language model "
            f"({type(error).__name__}: {first_line(error)}); check the folder, or save it again"
        ) from error
    missing = sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]]))
    if missing:
        raise Permanent(f"{folder}: the weights lack {missing[0]}; it is no language model")
    _check_sizes(settings, folder, model, tokenizer)
    return model.eval().requires_grad_(False).to(device), tokenizer, sha256


def _check_sizes(settings: LanguageModelsConfig, folder: Path, model: Any, tokenizer: Any) -> None:
    rows, words = model.get_input_embeddings().num_embeddings, len(tokenizer)
    if words > rows:
        raise Permanent(f"{folder}: its tokenizer has {words} tokens, its model {rows}")
    longest = getattr(model.config, "max_position_embeddings", None)
    if isinstance(longest, int) and settings.most_length > longest:
        raise Permanent(
            f"{folder}: reads at most {longest} tokens; set most_length to that or less"
        )
