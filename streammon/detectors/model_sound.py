"""Sound of a window as one tensor: so many samples at the model's rate, all of a batch at once."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from streammon.core.types import AudioChunk, Window
from streammon.detectors.model_settings import SoundSettings
from streammon.scheduler.device import to_device

if TYPE_CHECKING:
    from torch import Tensor

LEAST_S = 0.02
"""Less sound than this is no sound."""
ZEROS = 16
"""Zero crossings of the sinc on each side: more are sharper and slower."""
ROLLOFF = 0.95
"""Where the band ends, as a share of half the lower rate."""
SPREAD = 1e-7
"""Added to the variance, so that silence stays silence."""


def chunk_of(window: Window) -> AudioChunk:
    """The one chunk of a window of sound. Raises `ValueError` for any other window."""
    chunk = window.items[0]
    if not isinstance(chunk, AudioChunk):
        raise ValueError(f"expected a window of one chunk of sound, got {type(chunk).__name__}")
    return chunk


def refusal(window: Window) -> str | None:
    """Why there is nothing to listen to, or `None`."""
    chunk = chunk_of(window)
    if chunk.duration_s < LEAST_S:
        return "no sound"
    return None if np.isfinite(chunk.pcm).all() else "damaged sound: it holds what is no number"


def bucket(window: Window) -> str:
    """Sound of one rate is resampled in one go."""
    return str(chunk_of(window).rate_hz)


def waves(windows: Sequence[Window], how: SoundSettings, device: str) -> Tensor:
    """(windows, samples) float32 on `device`; with `layout` nct (windows, 1, samples)."""
    import torch

    chunks = [chunk_of(window) for window in windows]
    rates = {chunk.rate_hz for chunk in chunks}
    if len(rates) != 1:
        raise ValueError(f"sound of several rates in one batch: {sorted(rates)} Hz")
    (rate_hz,) = rates
    samples = math.ceil(how.samples * rate_hz / how.rate_hz)
    fitted = np.stack([_fitted(chunk.pcm, samples, how.short) for chunk in chunks])
    sound = to_device(fitted, device)
    if rate_hz != how.rate_hz:
        sound = resampled(sound, rate_hz, how.rate_hz)[:, : how.samples]
    if how.normalise:
        variance, mean = torch.var_mean(sound, dim=1, correction=0, keepdim=True)
        sound = (sound - mean) / torch.sqrt(variance + SPREAD)
    return sound.unsqueeze(1) if how.layout == "nct" else sound


def _fitted(pcm: NDArray[np.float32], samples: int, short: str) -> NDArray[np.float32]:
    """Exactly so many: the end cut off, itself again, or silence behind."""
    if len(pcm) >= samples:
        return pcm[:samples]
    if short == "repeat":
        return np.resize(pcm, samples)
    return np.pad(pcm, (0, samples - len(pcm)))


def resampled(sound: Tensor, from_hz: int, to_hz: int) -> Tensor:
    """(n, ceil(samples * to_hz / from_hz)) of (n, samples): band-limited interpolation.

    By a windowed sinc, one filter per phase (Smith, "Digital Audio Resampling", CCRMA).
    """
    from torch.nn.functional import conv1d, pad

    shared = math.gcd(from_hz, to_hz)
    old, new = from_hz // shared, to_hz // shared
    filters, reach = _filters(old, new)
    length = math.ceil(sound.shape[1] * new / old)
    padded = pad(sound, (reach, reach + old)).unsqueeze(1)
    phases = conv1d(padded, to_device(filters, str(sound.device)), stride=old)
    return phases.transpose(1, 2).reshape(len(sound), -1)[:, :length]


@lru_cache(maxsize=8)
def _filters(old: int, new: int) -> tuple[NDArray[np.float32], int]:
    """One filter per output phase, (new, 1, taps), and how far they reach to each side."""
    band = min(old, new) * ROLLOFF
    reach = math.ceil(ZEROS * old / band)
    at = np.arange(-reach, reach + old) / old - np.arange(new)[:, None] / new
    at = np.clip(at * band, -ZEROS, ZEROS)
    taper = np.square(np.cos(at * np.pi / ZEROS / 2))
    filters: NDArray[np.float32] = (np.sinc(at) * taper * band / old).astype(np.float32)
    filters.setflags(write=False)
    return filters[:, None], reach
