"""Sound becomes so many samples at the model's rate, and stays the same sound."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from streammon.detectors.model_settings import SoundSettings
from streammon.detectors.model_sound import bucket, refusal, resampled, waves
from tests.fakes import a_chunk, a_frame, a_window
from tests.tiny_models import heard


def tone(hz: float, rate_hz: int, *, duration_s: float = 1.0) -> NDArray[np.float32]:
    at = np.arange(round(duration_s * rate_hz)) / rate_hz
    return np.sin(2 * np.pi * hz * at).astype(np.float32)


@pytest.mark.parametrize("to_hz", [8_000, 16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("hz", [110.0, 997.0, 3_300.0])
def test_a_tone_is_the_same_tone_at_another_rate(to_hz: int, hz: float) -> None:
    given = torch.from_numpy(tone(hz, 16_000)[None])
    found = resampled(given, 16_000, to_hz)[0].numpy()
    wanted = tone(hz, to_hz)
    assert len(found) == len(wanted)
    inside = slice(to_hz // 20, -to_hz // 20)
    assert np.abs(found[inside] - wanted[inside]).max() < 0.01


def test_what_the_lower_rate_cannot_hold_is_gone() -> None:
    given = torch.from_numpy(tone(6_000.0, 16_000)[None])
    found = resampled(given, 16_000, 8_000)[0].numpy()
    assert np.abs(found[400:-400]).max() < 1e-3


def test_the_number_of_samples_is_exact() -> None:
    for rate_hz in (8_000, 16_000, 22_050, 44_100):
        how = SoundSettings(rate_hz=rate_hz, samples=rate_hz * 3 // 2 + 1)
        for duration_s in (0.3, 1.5, 4.0):
            found = waves([heard(0, duration_s=duration_s)], how, "cpu")
            assert found.shape == (1, how.samples)


def test_short_sound_is_said_again_or_followed_by_silence() -> None:
    window = heard(1, duration_s=0.5)
    (chunk,) = window.items
    pcm = torch.from_numpy(np.array(getattr(chunk, "pcm")))  # noqa: B009 - any item
    again = waves([window], SoundSettings(samples=20_000), "cpu")[0]
    assert torch.equal(again[:8_000], pcm)
    assert torch.equal(again[8_000:16_000], pcm)
    quiet = waves([window], SoundSettings(samples=20_000, short="silence"), "cpu")[0]
    assert torch.equal(quiet[:8_000], pcm)
    assert not quiet[8_000:].any()


def test_normalised_sound_has_mean_0_and_variance_1_and_silence_stays() -> None:
    how = SoundSettings(samples=16_000, normalise=True, layout="nct")
    silent = a_window(a_chunk(pcm=np.full(16_000, 0.25, np.float32)))
    found = waves([heard(2, duration_s=1.0), silent], how, "cpu")
    assert found.shape == (2, 1, 16_000)
    assert found[0].mean().item() == pytest.approx(0.0, abs=1e-4)
    assert found[0].std().item() == pytest.approx(1.0, abs=1e-3)
    assert not found[1].any()


def test_each_window_is_its_own_row() -> None:
    how = SoundSettings(rate_hz=24_000, samples=24_000)
    windows = [heard(seed, duration_s=1.0) for seed in range(3)]
    together = waves(windows, how, "cpu")
    for at, window in enumerate(windows):
        torch.testing.assert_close(together[at], waves([window], how, "cpu")[0])


def test_rates_do_not_mix_in_a_batch() -> None:
    windows = [heard(0), heard(1, rate_hz=8_000)]
    assert bucket(windows[0]) != bucket(windows[1])
    with pytest.raises(ValueError, match=r"several rates in one batch: \[8000, 16000\] Hz"):
        waves(windows, SoundSettings(), "cpu")


def test_no_sound_and_damaged_sound_are_refused_in_words() -> None:
    assert refusal(heard(0)) is None
    assert refusal(a_window(a_chunk(pcm=np.zeros(3, np.float32)))) == "no sound"
    broken = np.zeros(16_000, np.float32)
    broken[77] = np.nan
    assert refusal(a_window(a_chunk(pcm=broken))) == "damaged sound: it holds what is no number"


def test_pictures_are_not_sound() -> None:
    with pytest.raises(ValueError, match="expected a window of one chunk of sound, got VideoFrame"):
        bucket(a_window(a_frame()))
