"""From a trained network to a weight file: calibrated on what training did not see."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import nn

from streammon.evaluation.measures import Floats
from training.voice_spoof.calibration import Calibration, platt
from training.voice_spoof.clips import RATE_HZ, WINDOW, Clip

FALSE_ALARMS = 0.01
HOP = int(1.5 * RATE_HZ)


def windows_of(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    """The windows of a clip at the run-time hop, (n, WINDOW); the last one ends with the clip.

    A clip shorter than one window is padded with silence on both sides.
    """
    samples = pcm.astype(np.float32) / 32768.0
    if len(samples) <= WINDOW:
        before = (WINDOW - len(samples)) // 2
        padded = np.zeros(WINDOW, dtype=np.float32)
        padded[before : before + len(samples)] = samples
        return padded[None]
    starts = sorted({*range(0, len(samples) - WINDOW + 1, HOP), len(samples) - WINDOW})
    return np.stack([samples[start : start + WINDOW] for start in starts])


def window_logits(model: nn.Module, clips: Sequence[Clip]) -> list[NDArray[np.float64]]:
    """The logits of each clip's windows."""
    found = []
    with torch.inference_mode():
        for clip in clips:
            logits = model(torch.from_numpy(windows_of(clip.pcm)))
            found.append(logits.double().numpy())
    return found


def threshold_log_odds(real: NDArray[np.float64]) -> float:
    """The log-odds that at most 1 % of real windows reach: midway to the next one above."""
    falling = np.sort(real)[::-1]
    allowed = int(FALSE_ALARMS * len(real))
    above = falling[allowed - 1] if allowed else falling[0] + 0.5
    return float((falling[allowed] + above) / 2)


@dataclass(frozen=True, slots=True)
class LeftOut:
    """What `compare` found on systems and corpora left out of training."""

    law: Calibration
    """Of log-odds calibrated on systems that were heard."""
    real: Floats
    """Log-odds by that law of the real windows left out."""


def save(
    model: nn.Module,
    dev: Sequence[Clip],
    out: Path,
    *,
    seed: int,
    steps: int,
    left_out: LeftOut | None = None,
) -> str:
    """Write the weights with their calibration beside them; returns the file's SHA-256.

    Even prior odds. Calibrated on the dev split and, if given, by what such log-odds are worth on
    what was left out. The threshold is the confidence that at most 1 % of the real windows of the
    dev split reach, and at most 1 % of those left out.
    """
    logits = window_logits(model, dev)
    real = np.concatenate([part for part, clip in zip(logits, dev, strict=True) if not clip.fake])
    fake = np.concatenate([part for part, clip in zip(logits, dev, strict=True) if clip.fake])
    calibration = platt(real, fake)
    if left_out:
        calibration = left_out.law.after(calibration)
    log_odds = threshold_log_odds(calibration.log_odds(real))
    if left_out:
        log_odds = max(log_odds, threshold_log_odds(left_out.real))
    metadata = {
        "model": "vocoder-cnn-2",
        "calibration_slope": f"{calibration.slope:.6f}",
        "calibration_offset": f"{calibration.offset:.6f}",
        "calibration_prior": "0.5",
        "threshold": f"{1 / (1 + np.exp(-log_odds)):.6f}",
        "training_seed": str(seed),
        "training_steps": str(steps),
    }
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, out, metadata=metadata)
    return f"{hashlib.sha256(out.read_bytes()).hexdigest()}  {out}\n{metadata}"
