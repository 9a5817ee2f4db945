"""The frozen layers: their front end agrees with librosa's, gain and neighbours change nothing."""

from __future__ import annotations

from collections.abc import Iterator

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from streammon.detectors.models.speech_layers import (
    FRAME,
    HOP,
    MELS,
    RATE_HZ,
    WIDTH,
    LogMel,
    filter_bank,
    levelling,
    positions,
    spoken,
)
from streammon.detectors.models.voice_judge import VoiceJudge
from tests.speech import speech


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """The batches here are small, and other tests share the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model() -> VoiceJudge:
    torch.manual_seed(7)
    return VoiceJudge().eval()


def cuts(count: int, *, seconds: float = 2.0) -> torch.Tensor:
    size = round(seconds * RATE_HZ)
    return torch.from_numpy(
        np.stack([speech()[at * size : (at + 1) * size] for at in range(count)])
    )


def test_the_bands_are_librosas() -> None:
    theirs = librosa.filters.mel(sr=RATE_HZ, n_fft=FRAME, n_mels=MELS)
    np.testing.assert_allclose(filter_bank().numpy().T, theirs, atol=1e-7)


@pytest.mark.timeout(180)  # numba compiles at the first use
def test_the_spectrogram_is_librosas_at_an_even_level() -> None:
    sound = cuts(1)
    front = LogMel()
    ours, level = front(sound)
    power = torch.from_numpy(librosa_power(sound[0].numpy())).T[None].float()
    theirs_level = power.sum(dim=-1) * (2.0 / FRAME) / front.taper.square().sum()
    gain = levelling(theirs_level)[:, None]
    mel = torch.log10(power @ filter_bank() * gain[..., None] + front.floor)
    theirs = (torch.maximum(mel, mel.max() - 8.0) + 4.0) / 4.0
    assert ours.shape == (1, MELS, 2 * RATE_HZ // HOP)
    torch.testing.assert_close(ours, theirs.transpose(1, 2), atol=2e-3, rtol=0.0)
    torch.testing.assert_close(level, theirs_level * gain, atol=1e-6, rtol=1e-3)


@pytest.mark.parametrize("gain", [0.05, 1.0])
def test_a_pause_hardly_counts(gain: float) -> None:
    """Half a second of speech, a pause with some noise, half a second of speech."""
    sound = cuts(1) * gain
    loud = slice(RATE_HZ // 2, 3 * RATE_HZ // 2)
    noise = torch.randn(RATE_HZ, generator=torch.Generator().manual_seed(3))
    sound[0, loud] = noise * sound.square().mean().sqrt() * 0.01
    share = spoken(LogMel()(sound)[1])[0]
    assert share.shape == (2 * RATE_HZ // HOP // 2,)
    assert share.sum().item() == pytest.approx(1.0)
    quarter = len(share) // 4
    assert share[quarter + 2 : 3 * quarter - 2].sum() < 0.02
    assert share[:quarter].max() < 3 * share.mean() < 0.1


def test_nothing_but_noise_of_one_level_counts_evenly() -> None:
    noise = torch.randn(1, RATE_HZ, generator=torch.Generator().manual_seed(4)) * 0.01
    share = spoken(LogMel()(noise)[1])
    torch.testing.assert_close(
        share, torch.full_like(share, 1 / share.shape[1]), atol=1e-3, rtol=0.0
    )


def librosa_power(sound: NDArray[np.float32]) -> NDArray[np.float32]:
    """(bins, frames), without the last frame."""
    spectrum = librosa.stft(sound, n_fft=FRAME, hop_length=HOP, pad_mode="reflect")
    power: NDArray[np.float32] = np.square(np.abs(spectrum[:, :-1]))
    return power


def test_positions_are_unlike_each_other_and_bounded() -> None:
    found = positions(200)
    assert found.shape == (200, WIDTH)
    torch.testing.assert_close(found.square().sum(dim=1), torch.full((200,), WIDTH / 2))
    likeness = found @ found.T / (WIDTH / 2)
    likeness.fill_diagonal_(0.0)
    assert likeness.max() < 0.999


@pytest.mark.parametrize("gain", [0.1, 0.5, 3.0])
def test_gain_changes_nothing(model: VoiceJudge, gain: float) -> None:
    with torch.inference_mode():
        plain, louder = model(cuts(3)), model(cuts(3) * gain)
    torch.testing.assert_close(plain, louder, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("seconds", [2.0, 4.0])
def test_rows_are_judged_alone_and_in_order(model: VoiceJudge, seconds: float) -> None:
    given = cuts(3, seconds=seconds)
    with torch.inference_mode():
        together = model(given)
        alone = torch.cat([model(row[None]) for row in given])
    assert together.shape == (3,)
    assert len(set(together.tolist())) == 3
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def test_silence_gives_a_number(model: VoiceJudge) -> None:
    with torch.inference_mode():
        assert model(torch.zeros(1, 2 * RATE_HZ)).isfinite().all()
