"""The network's front end agrees with librosa, ignores gain, and rows do not touch each other."""

from __future__ import annotations

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from streammon.detectors.models.vocoder_cnn import (
    BANDS,
    FFT,
    FLOOR_DBFS,
    FRAME,
    HIGH_HZ,
    HOP,
    LOW_HZ,
    RATE_HZ,
    SPEECH_DBFS,
    BandPower,
    VocoderCnn,
    filter_bank,
)


def voiced_noise(*, seconds: float = 2.0, seed: int = 0) -> NDArray[np.float32]:
    """Harmonics that glide and syllables of noise: something like speech, at about -26 dBFS."""
    rng = np.random.default_rng(seed)
    at = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * at)) / RATE_HZ
    tone = sum(np.sin(k * phase) / k for k in range(1, 30))
    loud = np.clip(np.sin(2 * np.pi * 3.5 * at + seed), 0, 1)
    sound = tone * loud * 0.05 + rng.normal(size=len(at)) * (1 - loud) * 0.02
    return np.asarray(sound, dtype=np.float32)


def batch(count: int) -> torch.Tensor:
    return torch.from_numpy(np.stack([voiced_noise(seed=seed) for seed in range(count)]))


@pytest.fixture(scope="module")
def model() -> VocoderCnn:
    torch.manual_seed(7)
    return VocoderCnn().eval()


def librosa_bands(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """The same features by librosa's transform and a filter bank written another way."""
    around = (FFT - FRAME) // 2  # librosa centres a short window in the transform
    spectrum = librosa.stft(
        np.pad(sound, around), n_fft=FFT, hop_length=HOP, win_length=FRAME, center=False
    )
    power = np.square(np.abs(spectrum)).astype(np.float64)
    bins_hz = librosa.fft_frequencies(sr=RATE_HZ, n_fft=FFT)
    edges_hz = np.linspace(LOW_HZ, HIGH_HZ, BANDS + 2)
    bank = np.array(
        [
            np.interp(bins_hz, edges_hz[band : band + 3], [0.0, 1.0, 0.0], left=0.0, right=0.0)
            for band in range(BANDS)
        ]
    )
    banded = bank @ power
    taper = librosa.filters.get_window("hann", FRAME)
    level = banded.sum(axis=0) * 2 / FFT / np.square(taper).sum()
    active = level >= 0.01 * np.quantile(level, 0.95)
    levelled = banded * 10 ** (SPEECH_DBFS / 10) / level[active].mean()
    floor = 10 ** (FLOOR_DBFS / 10) * np.square(taper).sum() * bank.sum(axis=1)
    log = librosa.power_to_db(levelled + floor[:, None], top_db=None) * np.log(10) / 10
    centred: NDArray[np.float64] = (log - log.mean(axis=1, keepdims=True)) / 2
    return centred


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.timeout(180)  # numba compiles at the first use
def test_the_features_agree_with_librosas(seed: int) -> None:
    sound = voiced_noise(seed=seed)
    ours = BandPower()(torch.from_numpy(sound)[None])[0].numpy()
    theirs = librosa_bands(sound)
    assert ours.shape == theirs.shape == (BANDS, (len(sound) - FRAME) // HOP + 1)
    np.testing.assert_allclose(ours[2:], theirs[2:], atol=2e-3)
    np.testing.assert_allclose(ours[:2], theirs[:2], atol=0.1)  # we also take each frame's mean off


def test_the_filter_bank_covers_its_range_evenly() -> None:
    bank = filter_bank().numpy()
    hz = np.arange(FFT // 2 + 1) * RATE_HZ / FFT
    inside = (hz > LOW_HZ + 100) & (hz < HIGH_HZ - 100)
    np.testing.assert_allclose(bank[inside].sum(axis=1), 1.0, atol=1e-5)
    assert bank[(hz < LOW_HZ) | (hz > HIGH_HZ)].sum() == 0.0


@pytest.mark.parametrize("gain", [0.1, 0.5, 3.0])
def test_gain_changes_nothing(model: VocoderCnn, gain: float) -> None:
    with torch.inference_mode():
        plain, louder = model(batch(4)), model(batch(4) * gain)
    torch.testing.assert_close(plain, louder, atol=1e-3, rtol=1e-3)


def test_rows_are_judged_alone_and_in_order(model: VocoderCnn) -> None:
    windows = batch(8)
    with torch.inference_mode():
        together = model(windows)
        alone = torch.cat([model(row[None]) for row in windows])
        reversed_ = model(windows.flip(0)).flip(0)
    assert together.shape == (8,)
    assert together.unique().numel() == 8
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together, reversed_, atol=1e-4, rtol=1e-4)


def test_silence_and_full_scale_give_numbers(model: VocoderCnn) -> None:
    extremes = torch.stack([torch.zeros(32_000), torch.ones(32_000), torch.rand(32_000) * 2 - 1])
    with torch.inference_mode():
        assert model(extremes).isfinite().all()


def test_longer_windows_are_taken_as_well(model: VocoderCnn) -> None:
    with torch.inference_mode():
        assert model(torch.from_numpy(voiced_noise(seconds=4.0))[None]).shape == (1,)


def test_mixed_precision_leaves_the_features_exact() -> None:
    features, windows = BandPower(), batch(2)
    plain = features(windows)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = features(windows)
    torch.testing.assert_close(plain, mixed, atol=0.0, rtol=0.0)


def test_the_network_stays_small() -> None:
    assert sum(tensor.numel() for tensor in VocoderCnn().parameters()) < 150_000
