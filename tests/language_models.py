"""Language models with a few hundred weights, stored as transformers stores real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
from transformers.utils import logging

LETTERS = "abcdefghijklmnopqrstuvwxyz .,!?'"


def a_language_model(
    folder: Path, *, seed: int, letters: str = LETTERS, extra_rows: int = 0, positions: int = 256
) -> Path:
    """A GPT-2 of two layers over single letters, with random weights that `seed` settles."""
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # it leaves a thread behind
    vocabulary = {letter: at for at, letter in enumerate(["<unk>", "<end>", *letters])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    wrapper: Any = PreTrainedTokenizerFast
    wrapped = wrapper(tokenizer_object=tokenizer, eos_token="<end>")
    rows = len(vocabulary) + extra_rows
    config = GPT2Config(
        vocab_size=rows,
        n_positions=positions,
        n_embd=16,
        n_layer=2,
        n_head=2,
        bos_token_id=1,
        eos_token_id=1,
        initializer_range=0.5,
    )
    state = torch.random.get_rng_state()
    torch.manual_seed(seed)
    network: Any = GPT2LMHeadModel
    model = network(config)
    torch.random.set_rng_state(state)
    model.save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder
