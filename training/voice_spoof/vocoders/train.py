"""Train the small vocoders that say real speech again.

    python -m training.voice_spoof.vocoders.train --data DIR --out VOCODERS [--only NAME]

Writes VOCODERS/NAME.safetensors; a vocoder whose file is there is not trained again. Minutes are of
processor time, so the number of steps is the machine's; each file says how many it was.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from training.voice_spoof.clips import manifest_of, read_clips
from training.voice_spoof.vocoders.losses import Adversary
from training.voice_spoof.vocoders.networks import Vocoder
from training.voice_spoof.vocoders.recipes import RECIPES, Recipe

SPAN_S = 0.512
ROWS = 12
PEAK_RATE = 1.5e-3
ADVERSARY_RATE = 1e-3


def fit(recipe: Recipe, speech: Sequence[NDArray[np.int16]], *, scale: float = 1.0) -> Vocoder:
    """A vocoder that learned to say this speech, after `scale` times its recipe's minutes."""
    torch.manual_seed(recipe.seed)
    rng = np.random.default_rng(recipe.seed)
    vocoder = recipe.build()
    hop = vocoder.mel.hop
    span = round(SPAN_S * 16_000 / hop) * hop
    random = torch.Generator().manual_seed(recipe.seed)
    optimiser = torch.optim.AdamW(vocoder.parameters(), lr=PEAK_RATE, betas=(0.8, 0.99))
    adversary = Adversary()
    opposed = torch.optim.AdamW(adversary.parameters(), lr=ADVERSARY_RATE, betas=(0.8, 0.99))
    began, step, running, done = time.process_time(), 0, 0.0, 0.0
    while done < 1.0:
        spent = (time.process_time() - began) / 60
        done = min(spent / (recipe.minutes * scale), 1.0)
        optimiser.param_groups[0]["lr"] = PEAK_RATE * max(math.cos(done * math.pi / 2), 0.02)
        meant = drawn(speech, span, rng)
        loss, said = vocoder.loss(meant, random=random)
        if said is not None and done >= recipe.adversary_from:
            own = adversary.own_loss(said, meant)
            opposed.zero_grad(set_to_none=True)
            own.backward()  # type: ignore[no-untyped-call]
            opposed.step()
            loss = loss + 0.3 * adversary.vocoder_loss(said, meant)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(vocoder.parameters(), 5.0)
        optimiser.step()
        step += 1
        running += max(0.02, 1 / step) * (loss.item() - running)
        if step % 100 == 0:
            words = f"step {step}, {spent:.2f} min, loss {running:.3f}"
            print(words, file=sys.stderr, flush=True)
    vocoder.steps = torch.tensor(step)
    return vocoder.eval()


def drawn(speech: Sequence[NDArray[np.int16]], span: int, rng: np.random.Generator) -> Tensor:
    """Spans of speech, at gains of -6 to +6 dB; (ROWS, span)."""
    rows = []
    for index in rng.integers(len(speech), size=ROWS):
        clip = speech[int(index)]
        at = int(rng.integers(max(len(clip) - span, 1)))
        part = clip[at : at + span].astype(np.float32) / 32768.0
        rows.append(np.pad(part, (0, span - len(part))) * 10 ** rng.uniform(-0.3, 0.3))
    return torch.from_numpy(np.stack(rows).astype(np.float32))


def save(vocoder: Vocoder, recipe: Recipe, out: Path) -> None:
    state = {name: tensor.contiguous() for name, tensor in vocoder.state_dict().items()}
    metadata = {"sources": ";".join(recipe.sources), "steps": str(int(vocoder.steps))}
    save_file(state, out, metadata=metadata)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="manifest.csv or its folder")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", choices=tuple(RECIPES))
    parser.add_argument("--scale", type=float, default=1.0, help="times each recipe's minutes")
    settings = parser.parse_args()
    torch.set_num_threads(1)
    settings.out.mkdir(parents=True, exist_ok=True)
    clips = read_clips(manifest_of(settings.data), splits=["train"])
    for name, recipe in RECIPES.items():
        out = settings.out / f"{name}.safetensors"
        if out.exists() or settings.only not in (None, name):
            continue
        speech = [c.pcm for c in clips if not c.fake and c.source.startswith(recipe.sources)]
        print(f"{name}: {len(speech)} clips of {recipe.sources}", file=sys.stderr, flush=True)
        save(fit(recipe, speech, scale=settings.scale), recipe, out)


if __name__ == "__main__":
    main()
