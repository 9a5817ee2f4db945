"""The windows of a clip as the detector cuts them, and what a network says of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from training.voice_spoof.clips import RATE_HZ, WINDOW, Clip

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
