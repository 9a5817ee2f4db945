"""Fit a network to distorted crops, from samples to logit: the one that ships beside the frozen
layers, and those that are compared with it.

    python -m training.voice_spoof.fit --data DIR [COPIES] --steps 6000 --out bands.safetensors

The same data, seed, steps and batch give the same weights on the same machine and torch version.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from streammon.detectors.models.vocoder_cnn import BandPower, VocoderCnn
from streammon.detectors.weights import read_weights
from training.voice_spoof.augment import Distortion, Masks
from training.voice_spoof.clips import Clip, Sampler, read_data, with_codec_copies

PEAK_RATE = 3e-3
WEIGHT_DECAY = 1e-3
AVERAGE = 0.998
SMOOTHING = 0.05
Tensors = tuple[Tensor, ...] | list[Tensor]


def fit(
    clips: Sequence[Clip],
    network: Callable[[], nn.Module],
    *,
    steps: int,
    minutes: float = math.inf,
    batch: int = 48,
    seed: int = 0,
    device: str = "cpu",
    label: str = "train",
    peak_rate: float = PEAK_RATE,
    masks: bool = True,
    engines: bool = False,
) -> nn.Module:
    """A network trained on these clips: one learning-rate cycle, weights averaged over steps.

    Stops after `steps` or `minutes` of processor time, whichever comes first; the cycle follows
    whichever is nearer. With `engines`, copies of real clips are drawn in pairs alone (`Sampler`).
    """
    torch.manual_seed(seed)
    place = torch.device(device)
    model = network().to(place).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for part in model.modules():
        if masks and isinstance(part, BandPower):
            part.register_forward_hook(Masks(seed=seed))
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=averaged, use_buffers=True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=peak_rate, weight_decay=WEIGHT_DECAY)
    sampler = Sampler(clips, batch=batch, rng=np.random.default_rng(seed), engines=engines)
    distort = Distortion(seed=seed, device=place)
    loss_of = nn.BCEWithLogitsLoss()
    began, running = time.process_time(), math.log(2.0)
    model.train()
    for step in range(steps):
        spent = (time.process_time() - began) / 60
        done = max(step / steps, spent / minutes)
        if done >= 1.0:
            print(f"{label}: {step} steps in {spent:.1f} min", file=sys.stderr, flush=True)
            break
        optimiser.param_groups[0]["lr"] = peak_rate * pace(done)
        crops, labels, shared = (torch.from_numpy(part).to(place) for part in sampler.draw())
        with torch.no_grad():
            heard = distort(crops, shared)
        target = labels * (1 - 2 * SMOOTHING) + SMOOTHING
        with torch.autocast(place.type, dtype=torch.bfloat16):
            logits = model(heard)
        loss: Tensor = loss_of(logits, target)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimiser.step()
        average.update_parameters(model)
        running += 0.01 * (loss.item() - running)
        if step % 100 == 99 or step == steps - 1:
            print(
                f"{label}: step {step + 1}/{steps}, {spent:.1f} min, loss {running:.4f}",
                file=sys.stderr,
                flush=True,
            )
    trained: nn.Module = average.module
    return trained.eval()


def averaged(mean: Tensors, newest: Tensors, count: Tensor | int) -> None:
    """Lets `mean` follow: over the last steps while there are few, then with `AVERAGE`."""
    decay = min(AVERAGE, (1 + int(count)) / (10 + int(count)))
    follow = torch.optim.swa_utils.get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    follow(mean, newest, count)


def pace(done: float) -> float:
    """Share of the peak rate after `done` (0..1) of the training: up over 5 %, then a cosine."""
    return done / 0.05 if done < 0.05 else 0.5 * (1 + math.cos(math.pi * (done - 0.05) / 0.95))


def continued(weights: Path) -> VocoderCnn:
    """The network of a weight file, to be trained on."""
    model = VocoderCnn()
    read_weights(weights, sha256=None).into(model)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, nargs="+", help="manifest.csv or its folder"
    )
    parser.add_argument("--out", type=Path, default=Path("bands.safetensors"))
    parser.add_argument("--cache", type=Path, default=Path("bench-out/voice_spoof-cache"))
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--codec-copies", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--first", type=Path, help="weights to go on from")
    parser.add_argument("--peak-rate", type=float, default=PEAK_RATE)
    parser.add_argument("--engines", action="store_true", help="copies in pairs alone")
    settings = parser.parse_args()
    torch.set_num_threads(settings.threads)
    training = with_codec_copies(
        read_data(settings.data, splits=["train"]),
        count=settings.codec_copies,
        cache=settings.cache,
    )
    model = fit(
        training,
        partial(continued, settings.first) if settings.first else VocoderCnn,
        steps=settings.steps,
        batch=settings.batch,
        seed=settings.seed,
        device=settings.device,
        peak_rate=settings.peak_rate,
        engines=settings.engines,
    ).cpu()
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, settings.out)


if __name__ == "__main__":
    main()
